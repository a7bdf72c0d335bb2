package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(header string, data int) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(raw, header...), make([]byte, data)...)
}

func parse(raw []byte) ([]Tensor, error) {
	return Parse(bytes.NewReader(raw), int64(len(raw)), "x.safetensors")
}

func TestParse(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},` +
		`"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[12,12]}}  `
	got, err := parse(file(header, 16))
	if err != nil {
		t.Fatal(err)
	}
	at := int64(8 + len(header))
	want := []Tensor{
		{Name: "a", DType: BF16, Shape: []int64{2, 3}, Path: "x.safetensors", Offset: at, Length: 12},
		{Name: "empty", DType: F32, Shape: []int64{0, 7}, Path: "x.safetensors", Offset: at + 12},
		{Name: "b", DType: F32, Shape: []int64{}, Path: "x.safetensors", Offset: at + 12, Length: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
}

func TestRows(t *testing.T) {
	w := Tensor{Name: "w", DType: BF16, Shape: []int64{5, 3}, Offset: 100, Length: 30}
	if diff := cmp.Diff(w, w.Rows(0, 5)); diff != "" {
		t.Errorf("all rows (-want +got):\n%s", diff)
	}
	want := Tensor{Name: "w[2:4]", DType: BF16, Shape: []int64{2, 3}, Offset: 112, Length: 12}
	if diff := cmp.Diff(want, w.Rows(2, 4)); diff != "" {
		t.Errorf("rows 2 and 3 (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	tensor := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"a":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "no safetensors header"},
		{"short", []byte("1234567"), "no safetensors header"},
		{"huge header", []byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"), "over the format's limit"},
		{"header past the end", binary.LittleEndian.AppendUint64(nil, 1000), "truncated"},
		{"no JSON", file("hello", 0), "not a JSON object"},
		{"list", file("[]", 0), "not a JSON object"},
		{"cut JSON", file(`{"a":{"dtype":"F32"`, 0), "a"},
		{"more after the object", file(`{}{}`, 0), "goes on"},
		{"twice", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "listed twice"},
		{"no offsets", file(`{"a":{"dtype":"U8","shape":[1]}}`, 1), "needs dtype, shape and data_offsets"},
		{"unknown type", file(tensor("F7", "[1]", "[0,1]"), 1), `unknown dtype "F7"`},
		{"negative dimension", file(tensor("U8", "[-1]", "[0,1]"), 1), "negative dimension"},
		{"fraction", file(tensor("U8", "[1.5]", "[0,1]"), 1), "tensor a"},
		{"overflow", file(tensor("F32", "[4294967296,4294967296]", "[0,4]"), 4), "overflows"},
		{"overflow by type", file(tensor("F64", "[9223372036854775807]", "[0,4]"), 4), "overflows"},
		{"rank", file(tensor("U8", "["+strings.Repeat("1,", 99)+"1]", "[0,1]"), 1), "100 dimensions"},
		{"three offsets", file(tensor("U8", "[1]", "[0,1,2]"), 1), "3 numbers"},
		{"backwards", file(tensor("U8", "[1]", "[1,0]"), 1), "do not form a range"},
		{"before the data", file(tensor("U8", "[1]", "[-1,0]"), 1), "do not form a range"},
		{"past the end", file(tensor("U8", "[9]", "[0,9]"), 1), "truncated"},
		{"lying shape", file(tensor("F32", "[3]", "[0,8]"), 8), "8 bytes of data for F32 [3], which takes 12"},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6), "overlap"},
		{"hole", file(tensor("U8", "[1]", "[1,2]"), 2), "1 bytes before it"},
		{"rest", file(tensor("U8", "[1]", "[0,1]"), 2), "1 bytes after the last tensor"},
	} {
		_, err := parse(c.raw)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.safetensors: ") {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
}

func TestOpenDir(t *testing.T) {
	one := file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)
	two := file(`{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // "" for success with a and b
	}{
		{"shards", map[string]string{"1.safetensors": string(one), "2.safetensors": string(two), indexName: `{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`}, ""},
		{"nothing", nil, "neither model.safetensors nor"},
		{"missing shard", map[string]string{"1.safetensors": string(one), indexName: `{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`}, "names shard 2.safetensors, which is missing"},
		{"elsewhere", map[string]string{"1.safetensors": string(one), indexName: `{"weight_map":{"a":"../1.safetensors"}}`}, "not a file name"},
		{"not in its shard", map[string]string{"1.safetensors": string(one), indexName: `{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}`}, "tensor b: not in shard 1.safetensors"},
		{"in both", map[string]string{"1.safetensors": string(one), "2.safetensors": string(one), indexName: `{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`}, "and again in"},
		{"empty index", map[string]string{indexName: `{}`}, "weight_map is missing"},
		{"no JSON", map[string]string{indexName: `{`}, indexName},
	} {
		dir := t.TempDir()
		for name, content := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		set, err := OpenDir(dir)
		if c.want == "" {
			if err != nil || cmp.Diff([]string{"a", "b"}, set.Names()) != "" || len(set.Files()) != 3 {
				t.Errorf("%s: %v, %v", c.name, set, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
}

// FuzzParse: whatever is accepted tiles the file.
func FuzzParse(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}`, 16))
	f.Add(file(`{"__metadata__":{"x":"y"}}   `, 0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tensors, err := parse(raw)
		if err != nil {
			return
		}
		end := int64(8 + binary.LittleEndian.Uint64(raw))
		for _, w := range tensors {
			n := w.DType.Size()
			for _, d := range w.Shape {
				n *= d
			}
			if w.Offset != end || w.Length != n {
				t.Fatalf("%+v does not begin at %d or is not %d bytes long", w, end, n)
			}
			end += w.Length
		}
		if end != int64(len(raw)) {
			t.Fatalf("tensors end at %d of %d", end, len(raw))
		}
	})
}
