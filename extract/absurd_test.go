package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// Whatever number a checkpoint's files hold in place of the right one, reading it and preparing a picture ends soon, in little
// memory: with an error that names a file, or with a model that can be.
func TestAbsurdNumbers(t *testing.T) {
	const most, longest = 256 << 20, 10 * time.Second
	for _, c := range []struct{ checkpoint, processor string }{
		{"qwen2_5_vl/base/checkpoint", ""}, {"molmo/o-hf/checkpoint", ""}, {"molmo/o-native/checkpoint", "molmo/o-native/tokenizer"}, {"nvila/lite/checkpoint", ""},
	} {
		t.Run(c.checkpoint, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("family/testdata", c.checkpoint))); err != nil {
				t.Fatal(err)
			}
			src := Source{Checkpoint: dir}
			if c.processor != "" {
				src.Processor = filepath.Join("family/testdata", c.processor)
			}
			tried := 0
			for _, path := range configFiles(t, dir) {
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for _, number := range numbers(t, path, raw) {
					for _, absurd := range []any{0, 1 << 62} {
						name := fmt.Sprintf("%s: %s = %v", filepath.Base(path), strings.Join(number, "."), absurd)
						if err := os.WriteFile(path, replaced(t, path, raw, number, absurd), 0o666); err != nil {
							t.Fatal(err)
						}
						tried++
						var before, after runtime.MemStats
						runtime.ReadMemStats(&before)
						start := time.Now()
						p, err := Compile(src)
						if err == nil {
							_, err = p.model.Image(picture(120, 90))
						}
						took := time.Since(start)
						runtime.ReadMemStats(&after)
						if n := after.TotalAlloc - before.TotalAlloc; n > most || took > longest {
							t.Errorf("%s: %d MB in %v, error %v", name, n>>20, took, err)
						}
						if err != nil && strings.Contains(err.Error(), "runtime error") {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if err := os.WriteFile(path, raw, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if tried < 50 {
				t.Errorf("only %d numbers tried", tried)
			}
		})
	}
}

// configFiles are the small files of a checkpoint that hold numbers, vocabularies left out.
func configFiles(t *testing.T, dir string) []string {
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if err == nil && !d.IsDir() && (strings.HasSuffix(name, "config.json") || strings.HasSuffix(name, ".yaml")) && name != "tokenizer_config.json" {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("config files of %s: %v, %v", dir, list, err)
	}
	return list
}

func document(t *testing.T, path string, raw []byte) (doc any) {
	t.Helper()
	err := errors.New("neither JSON nor YAML")
	switch filepath.Ext(path) {
	case ".json":
		err = json.Unmarshal(raw, &doc)
	case ".yaml":
		err = yaml.Unmarshal(raw, &doc)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return doc
}

// numbers are the paths to all numbers of a document.
func numbers(t *testing.T, path string, raw []byte) [][]string {
	var list [][]string
	var walk func(v any, at []string)
	walk = func(v any, at []string) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], append(slices.Clip(at), key))
			}
		case []any:
			if len(v) > 0 { // one stands for all
				walk(v[0], append(slices.Clip(at), "0"))
			}
		case int, float64:
			list = append(list, at)
		}
	}
	walk(document(t, path, raw), nil)
	return list
}

// replaced is the document with one number changed.
func replaced(t *testing.T, path string, raw []byte, at []string, value any) []byte {
	t.Helper()
	doc := document(t, path, raw)
	v := doc
	for i, key := range at {
		last := i == len(at)-1
		switch x := v.(type) {
		case map[string]any:
			if last {
				x[key] = value
			}
			v = x[key]
		case []any:
			if last {
				x[0] = value
			}
			v = x[0]
		}
	}
	encode := json.Marshal
	if filepath.Ext(path) == ".yaml" {
		encode = yaml.Marshal
	}
	out, err := encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
