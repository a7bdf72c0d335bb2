package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxHeader = 100 << 20 // the format's own limit
	maxIndex  = 64 << 20
	maxRank   = 16
	maxFiles  = 4096
)

// A FormatError says what is wrong with a file's header or index.
type FormatError struct {
	Path   string
	Tensor string // "" when the fault is not in one tensor's entry
	Reason string
}

func (e *FormatError) Error() string {
	if e.Tensor != "" {
		return fmt.Sprintf("%s: tensor %s: %s", e.Path, e.Tensor, e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.Path, e.Reason)
}

// OpenFile reads the header of one file.
func OpenFile(path string) ([]Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Parse(f, info.Size(), path)
}

// Parse reads a header from r, the beginning of a file of size bytes; path is recorded in the tensors and used in errors.
// The tensors come in order of their position in the file.
func Parse(r io.Reader, size int64, path string) ([]Tensor, error) {
	fail := func(tensor, format string, args ...any) ([]Tensor, error) {
		return nil, &FormatError{Path: path, Tensor: tensor, Reason: fmt.Sprintf(format, args...)}
	}
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return fail("", "no safetensors header: the file has %d bytes", size)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader {
		return fail("", "header of %d bytes is over the format's limit of %d: not a safetensors file?", n, maxHeader)
	}
	if int64(n) > size-8 {
		return fail("", "header of %d bytes in a file of %d: truncated, or not a safetensors file", n, size)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return fail("", "reading the header: %v", err)
	}
	data := 8 + int64(n)
	tensors, err := parseHeader(header, path, data, size)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tensors, func(a, b Tensor) int {
		if a.Offset != b.Offset {
			if a.Offset < b.Offset {
				return -1
			}
			return 1
		}
		if a.Length != b.Length { // an empty tensor may share its offset with the next one
			if a.Length < b.Length {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	end := data
	for _, t := range tensors {
		if t.Offset < end {
			return fail(t.Name, "its bytes overlap those of another tensor")
		}
		if t.Offset > end {
			return fail(t.Name, "%d bytes before it belong to no tensor", t.Offset-end)
		}
		end = t.Offset + t.Length
	}
	if end != size {
		return fail("", "%d bytes after the last tensor belong to no tensor", size-end)
	}
	return tensors, nil
}

// parseHeader decodes token by token, because encoding/json keeps the last of two equal keys without a word.
func parseHeader(header []byte, path string, data, size int64) ([]Tensor, error) {
	fail := func(tensor, format string, args ...any) ([]Tensor, error) {
		return nil, &FormatError{Path: path, Tensor: tensor, Reason: fmt.Sprintf(format, args...)}
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return fail("", "header is not a JSON object")
	}
	var tensors []Tensor
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fail("", "header: %v", err)
		}
		name, _ := tok.(string)
		if seen[name] {
			return fail(name, "listed twice")
		}
		seen[name] = true
		if name == "__metadata__" {
			var skip json.RawMessage
			if err := dec.Decode(&skip); err != nil {
				return fail("", "header: __metadata__: %v", err)
			}
			continue
		}
		var entry struct {
			DType   *string  `json:"dtype"`
			Shape   *[]int64 `json:"shape"`
			Offsets *[]int64 `json:"data_offsets"`
		}
		if err := dec.Decode(&entry); err != nil {
			return fail(name, "%v", err)
		}
		if entry.DType == nil || entry.Shape == nil || entry.Offsets == nil {
			return fail(name, "needs dtype, shape and data_offsets")
		}
		dtype, ok := parseDType(*entry.DType)
		if !ok {
			return fail(name, "unknown dtype %q", *entry.DType)
		}
		if len(*entry.Shape) > maxRank {
			return fail(name, "%d dimensions", len(*entry.Shape))
		}
		want := dtype.Size()
		for _, d := range *entry.Shape {
			if d < 0 {
				return fail(name, "negative dimension in shape %s", FormatShape(*entry.Shape))
			}
			if d > 0 && want > math.MaxInt64/d {
				return fail(name, "shape %s overflows", FormatShape(*entry.Shape))
			}
			want *= d
		}
		if len(*entry.Offsets) != 2 {
			return fail(name, "data_offsets has %d numbers, not 2", len(*entry.Offsets))
		}
		begin, end := (*entry.Offsets)[0], (*entry.Offsets)[1]
		if begin < 0 || end < begin {
			return fail(name, "data_offsets [%d, %d] do not form a range", begin, end)
		}
		if end > size-data {
			return fail(name, "its data ends at byte %d of the file, which has %d: truncated?", data+end, size)
		}
		if end-begin != want {
			return fail(name, "%d bytes of data for %s %s, which takes %d", end-begin, dtype, FormatShape(*entry.Shape), want)
		}
		tensors = append(tensors, Tensor{
			Name: name, DType: dtype, Shape: *entry.Shape, Path: path, Offset: data + begin, Length: end - begin,
		})
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return fail("", "header: %v", err)
	}
	if rest := bytes.TrimSpace(header[dec.InputOffset():]); len(rest) > 0 { // writers pad with spaces
		return fail("", "header goes on after the JSON object")
	}
	return tensors, nil
}

// The two names a checkpoint's weights go by.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// A MissingError says that a file of weights is not there.
type MissingError struct {
	Path   string // what is not there
	Reason string // the whole message
}

func (e *MissingError) Error() string { return e.Reason }

// Is makes a MissingError a fs.ErrNotExist.
func (e *MissingError) Is(target error) bool { return target == fs.ErrNotExist }

// OpenDir finds the tensors of a checkpoint directory: model.safetensors, or the shards that
// model.safetensors.index.json names. As the reference loader does, the single file wins when both are there.
func OpenDir(dir string) (*Set, error) {
	if err := Present(dir); err != nil {
		return nil, err
	}
	single := filepath.Join(dir, singleName)
	if _, err := os.Stat(single); err == nil {
		tensors, err := OpenFile(single)
		if err != nil {
			return nil, err
		}
		return NewSet([]string{single}, tensors)
	}
	return openIndex(filepath.Join(dir, indexName))
}

// Present looks whether the files that OpenDir reads are there: a *MissingError names the first that is not.
func Present(dir string) error {
	single := filepath.Join(dir, singleName)
	if _, err := os.Stat(single); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index := filepath.Join(dir, indexName)
	shards, err := readIndex(index)
	if errors.Is(err, fs.ErrNotExist) {
		return &MissingError{single, fmt.Sprintf("%s: neither %s nor %s is there", dir, singleName, indexName)}
	} else if err != nil {
		return err
	}
	for _, name := range shardNames(shards) {
		shard := filepath.Join(dir, name)
		if _, err := os.Stat(shard); errors.Is(err, fs.ErrNotExist) {
			return &MissingError{shard, fmt.Sprintf("%s names shard %s, which is missing", index, name)}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// readIndex returns the shard of every tensor, a file name in the index's directory.
func readIndex(path string) (map[string]string, error) {
	raw, err := readLimited(path, maxIndex)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, &FormatError{Path: path, Reason: err.Error()}
	}
	if len(index.WeightMap) == 0 {
		return nil, &FormatError{Path: path, Reason: "weight_map is missing or empty"}
	}
	for name, shard := range index.WeightMap {
		if shard == "" || shard != filepath.Base(shard) || shard == "." || shard == ".." {
			return nil, &FormatError{Path: path, Tensor: name, Reason: fmt.Sprintf("shard %q is not a file name in this directory", shard)}
		}
	}
	if n := len(shardNames(index.WeightMap)); n > maxFiles {
		return nil, &FormatError{Path: path, Reason: fmt.Sprintf("%d shards", n)}
	}
	return index.WeightMap, nil
}

func shardNames(shards map[string]string) []string {
	return slices.Compact(slices.Sorted(maps.Values(shards)))
}

func openIndex(path string) (*Set, error) {
	shards, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	var all []Tensor
	for _, shard := range shardNames(shards) {
		file := filepath.Join(filepath.Dir(path), shard)
		tensors, err := OpenFile(file)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		all = append(all, tensors...)
	}
	set, err := NewSet(files, all)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		t, ok := set.Lookup(name)
		if !ok || filepath.Base(t.Path) != shards[name] {
			return nil, &FormatError{Path: path, Tensor: name, Reason: "not in shard " + shards[name]}
		}
	}
	return set, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, &FormatError{Path: path, Reason: fmt.Sprintf("over %d bytes", limit)}
	}
	return raw, nil
}
