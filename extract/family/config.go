package family

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const maxConfig = 16 << 20

// A ConfigError says what a config file lacks or gets wrong.
type ConfigError struct {
	Path   string
	Key    string // dotted, "" for the file as a whole
	Reason string
}

func (e *ConfigError) Error() string {
	if e.Key == "" {
		return e.Path + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s: %s", e.Path, e.Key, e.Reason)
}

// readFile reads a small file whole.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxConfig {
		return nil, &ConfigError{Path: path, Reason: fmt.Sprintf("over %d bytes", maxConfig)}
	}
	return raw, nil
}

func exists(elem ...string) bool {
	_, err := os.Stat(filepath.Join(elem...))
	return err == nil
}

// readConfig decodes a JSON file into a struct. Keys are the fields' json names; a key that is absent or null is
// an error, unless its field is a pointer.
func readConfig(path string, into any) error {
	raw, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is missing", path)
	}
	if err != nil {
		return err
	}
	return decodeConfig(path, "", raw, into)
}

func decodeConfig(path, key string, raw []byte, into any) error {
	var generic any
	if err := json.Unmarshal(raw, &generic); err != nil {
		return &ConfigError{Path: path, Key: key, Reason: err.Error()}
	}
	if err := require(path, key, generic, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			return &ConfigError{Path: path, Key: dotted(key, t.Field), Reason: fmt.Sprintf("is a JSON %s, expected %s", t.Value, t.Type)}
		}
		return &ConfigError{Path: path, Key: key, Reason: err.Error()}
	}
	return nil
}

func require(path, key string, value any, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return &ConfigError{Path: path, Key: key, Reason: "is not an object"}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			if err := require(path, key, value, f.Type); err != nil {
				return err
			}
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		v, ok := object[name]
		if !ok || v == nil {
			if f.Type.Kind() == reflect.Pointer {
				continue
			}
			return &ConfigError{Path: path, Key: dotted(key, name), Reason: "missing"}
		}
		if err := require(path, dotted(key, name), v, f.Type); err != nil {
			return err
		}
	}
	return nil
}

func dotted(key, name string) string {
	if key == "" {
		return name
	}
	if name == "" {
		return key
	}
	return key + "." + name
}

// A limit bounds a size read from a config, so that an absurd one is an error here and not a crash later.
type limit struct {
	key      string
	value    int64
	min, max int64
}

func checkLimits(path string, limits ...limit) error {
	for _, l := range limits {
		if l.value < l.min || l.value > l.max {
			return &ConfigError{Path: path, Key: l.key, Reason: fmt.Sprintf("is %d, expected %d to %d", l.value, l.min, l.max)}
		}
	}
	return nil
}

// ints is a JSON number or a list of them.
type ints []int64

func (v *ints) UnmarshalJSON(raw []byte) error {
	var one int64
	if err := json.Unmarshal(raw, &one); err == nil {
		*v = ints{one}
		return nil
	}
	var many []int64
	if err := json.Unmarshal(raw, &many); err != nil {
		return err
	}
	*v = many
	return nil
}
