package dataset

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Sets as they are stored, of every reader and form, are read the fast way, and are what json.Unmarshal reads.
func TestDecode(t *testing.T) {
	for _, name := range []string{"mixed.tsv", "cvbench.parquet"} {
		for _, o := range []Options{{Seed: 42, Cap: 3}, {Reader: Strict}, {Form: Choice, Cap: 5}, {}} {
			table, err := Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			set, err := Build(table, o)
			if err != nil {
				t.Fatal(err)
			}
			set.Pairs = append(set.Pairs, Pair{ID: "0000", Row: -7, Index: json.RawMessage("null"), First: "a \"b\" <\u2028é\\", FirstMissing: true, ImageErr: "none"})
			blob, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := decodeSet(blob)
			if !ok {
				t.Fatalf("%s %+v: not read the fast way", name, o)
			}
			var want Set
			if err := json.Unmarshal(blob, &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&want, got); d != "" {
				t.Errorf("%s %+v: %s", name, o, d)
			}
		}
	}
}

// What nobody's json.Marshal writes is read all the same, or refused.
func TestDecodeOdd(t *testing.T) {
	for _, text := range oddSets {
		checkDecode(t, text)
	}
	if s, err := Decode([]byte(` {"table" : "x", "pairs":[ {"ID":"1"} ]}`)); err != nil || s.Table != "x" || s.Pairs[0].ID != "1" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Decode([]byte(`{"pairs":[{"id":1}]}`)); err == nil || !strings.Contains(err.Error(), "number") {
		t.Errorf("a number for an id: %v", err)
	}
}

var oddSets = []string{
	``, `{}`, `null`, `[]`, `{"pairs":[]}`, `{"pairs":null,"rest":[]}`, `{"pairs":[{}]}`, `{"pairs":[{"id":null}]}`, `{"pairs":[{"row":01}]}`, `{"pairs":[{"row":-0}]}`,
	`{"pairs":[{"row":1.0}]}`, `{"pairs":[{"row":1e2}]}`, `{"pairs":[{"row":12345678901234567890}]}`, `{"pairs":[{"index":1 }]}`, `{"pairs":[{"index":{"a":[1,"]"]}}]}`, `{"pairs":[{"index":"\ud800"}]}`,
	`{"pairs":[{"index":nul}]}`, `{"pairs":[{"id":"\x"}]}`, `{"pairs":[{"id":"` + "\xff" + `"}]}`, `{"pairs":[{"id":"` + "\n" + `"}]}`, `{"pairs":[{"id":"a","id":"b"}]}`, `{"pairs":[{"id":"a"},]}`, `{"pairs":[{"id":"a"}`,
	`{"pairs":[{"original":{"text":"a"},"original":{"answer":"b","letters":{"left":"a"}}}]}`, `{"pairs":[{"id":"a"}],"pairs":[{"row":1}]}`, `{"pairs":[{"id":"a"}],"Pairs":[]}`, `{"Pairs":[],"pairs":[{"id":"a"}]}`,
	`{"table":"x"} `, `{"table":"x"}}`, `{"table":[}`, `{"table":}`, `{"notes":["a","b"],"counts":{"rows":2},"outcomes":[{"row":1,"line":2,"status":"kept","index":3.5}]}`, `{"table":1}`, `{"":1}`, `{"pairs":[[]]}`,
	`{"pairs":[{"first_missing":true,"second_missing":false}]}`, `{"pairs":[{"first_missing":tru}]}`, `{"options":{"seed":1},"Options":{"cap":2}}`, `{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
}

// checkDecode holds the fast way to what json.Unmarshal does.
func checkDecode(t *testing.T, text string) {
	t.Helper()
	got, ok := decodeSet([]byte(text))
	if !ok {
		return
	}
	var want Set
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%.200q is read as %+v; json.Unmarshal: %v", text, got, err)
	}
	if d := cmp.Diff(&want, got); d != "" {
		t.Fatalf("%.200q: %s", text, d)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range oddSets {
		f.Add(text)
	}
	table, err := Open(filepath.Join("testdata", "mixed.tsv"))
	if err != nil {
		f.Fatal(err)
	}
	set, err := Build(table, Options{Seed: 1, Cap: 1})
	if err != nil {
		f.Fatal(err)
	}
	set.Outcomes = set.Outcomes[:3]
	blob, err := json.Marshal(set)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(blob))
	f.Fuzz(func(t *testing.T, text string) { checkDecode(t, text) })
}

func BenchmarkDecode(b *testing.B) {
	table, err := Open(filepath.Join("testdata", "mixed.tsv"))
	if err != nil {
		b.Fatal(err)
	}
	set, err := Build(table, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for len(set.Pairs) < 1000 {
		set.Pairs = append(set.Pairs, set.Pairs...)
	}
	blob, err := json.Marshal(set)
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte) (*Set, error){
		"fast": Decode,
		"json": func(b []byte) (*Set, error) { s := new(Set); return s, json.Unmarshal(b, s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(blob)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(blob); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
