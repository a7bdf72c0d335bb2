package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/mixed.* and testdata/reader* were made by running the released scripts (probing.py at
// e6a9586, probing_extended.py at 772b798) under Python 3.11, pandas 2.3.3, numpy 2.2.6. null is NaN.

func decode(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// plainText is a cell or an index of the vectors as Python prints it.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return "nan"
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return fmt.Sprint(v)
}

type goldenPair struct {
	Index      any    `json:"index"`
	QuestionID string `json:"question_id"`
	Category   string `json:"category"`
	Original   string `json:"original_question"`
	Swapped    string `json:"swapped_question"`
	OrigAnswer string `json:"original_answer"`
	SwapAnswer string `json:"swapped_answer"`
	Group      string `json:"group"`
	Obj1       any    `json:"obj1"`
	Obj2       any    `json:"obj2"`
	Target     any    `json:"target_object"`
	Reference  any    `json:"reference_object"`
	Row        int    `json:"row"`
}

type expected struct {
	DTypes map[string]string `json:"dtypes"`
	SHA256 string            `json:"tsv_sha256"`
	Rows   []struct {
		Row     int
		Index   any
		Note    string
		Outcome string
		Warning string
		Image   struct {
			Size  []int
			Error string
		}
	} `json:"rows"`
	Pairs        []goldenPair     `json:"pairs"`
	References   map[uint64][]any `json:"references"`
	Selection    map[int][]int    `json:"selection"`
	Fingerprints []struct {
		Seed   uint64
		Cap, N int
		SHA256 string
	} `json:"fingerprints"`
	MCQ         [][3]json.RawMessage `json:"mcq"`
	NoFiltering [][3]any             `json:"no_filtering"`
	Quads       map[string]struct {
		Log   string
		Quads [][7]json.RawMessage
	} `json:"quads"`
}

func openMixed(t *testing.T) (*Table, *expected) {
	t.Helper()
	var e expected
	decode(t, "testdata/mixed.expected.json", &e)
	table, err := Open("testdata/mixed.tsv")
	if err != nil {
		t.Fatal(err)
	}
	return table, &e
}

func build(t *testing.T, table *Table, o Options) *Set {
	t.Helper()
	set, err := Build(table, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMixedRows(t *testing.T) {
	table, e := openMixed(t)
	if want := "sha256:" + e.SHA256; table.Digest() != want {
		t.Errorf("digest %s, want %s", table.Digest(), want)
	}
	types := make(map[string]string)
	for _, c := range table.Columns {
		types[c.Name] = c.DType()
	}
	if d := cmp.Diff(e.DTypes, types); d != "" {
		t.Errorf("column types:\n%s", d)
	}
	set := build(t, table, Options{Seed: 42})
	if len(set.Outcomes) != len(e.Rows) {
		t.Fatalf("%d outcomes, want %d", len(set.Outcomes), len(e.Rows))
	}
	of := make(map[int]*Pair)
	for i := range set.Pairs {
		of[set.Pairs[i].Row] = &set.Pairs[i]
	}
	status := map[string]Status{"pair": Kept, "skipped": Skipped, "failed": Failed}
	for i, want := range e.Rows {
		got := set.Outcomes[i]
		if got.Status != status[want.Outcome] || indexText(got.Index) != plainText(want.Index) {
			t.Errorf("row %d (%s): index %s %s (%s), want index %v %s %s", i, want.Note, got.Index, got.Status, got.Why, want.Index, want.Outcome, want.Warning)
		}
		if (got.Why == "") != (got.Status == Kept) {
			t.Errorf("row %d: %s with reason %q", i, got.Status, got.Why)
		}
		p := of[i+1]
		if p == nil {
			continue
		}
		// The types of Python's exceptions: binascii.Error and TypeError come from the cell, the others
		// from the picture in it.
		if noBytes := want.Image.Error == "Error" || want.Image.Error == "TypeError"; noBytes != (p.Image == "") || noBytes != (p.ImageErr != "") {
			t.Errorf("row %d (%s): image %q, error %q, want error %q", i, want.Note, p.Image, p.ImageErr, want.Image.Error)
		}
		b, err := table.ImageBytes(p)
		if (err != nil) != (p.Image == "") {
			t.Errorf("row %d: image bytes: %v", i, err)
		}
		if want.Image.Size != nil {
			w, h, err := imageSize(b)
			if err != nil || w != want.Image.Size[0] || h != want.Image.Size[1] {
				t.Errorf("row %d (%s): image of %d×%d, %v; want %v", i, want.Note, w, h, err, want.Image.Size)
			}
		}
	}
}

func TestMixedPairs(t *testing.T) {
	table, e := openMixed(t)
	set := build(t, table, Options{Seed: 42})
	if len(set.Pairs) != len(e.Pairs) {
		t.Fatalf("%d pairs, want %d", len(set.Pairs), len(e.Pairs))
	}
	for i, p := range set.Pairs {
		want := e.Pairs[i]
		got := goldenPair{
			Index: indexText(p.Index), QuestionID: p.QuestionID, Category: p.Category, Group: p.Axis, Row: p.Row - 1,
			Original: p.Original.Text, Swapped: p.Swapped.Text, OrigAnswer: p.Original.Answer, SwapAnswer: p.Swapped.Answer,
		}
		first, second := any(p.First), any(p.Second)
		if p.FirstMissing {
			first = nil
		}
		if p.SecondMissing {
			second = nil
		}
		if p.Axis == "distance" {
			got.Target, got.Reference = first, second
		} else {
			got.Obj1, got.Obj2 = first, second
		}
		want.Index = plainText(want.Index)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("pair %d:\n%s", i, d)
		}
	}
}

func TestMixedReferences(t *testing.T) {
	table, e := openMixed(t)
	for seed, want := range e.References {
		var got []any
		for _, p := range build(t, table, Options{Seed: seed}).Pairs {
			switch {
			case p.Axis != "distance":
			case p.SecondMissing:
				got = append(got, nil)
			default:
				got = append(got, p.Second)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("seed %d:\n%s", seed, d)
		}
	}
}

func TestMixedSelection(t *testing.T) {
	table, e := openMixed(t)
	for cap, want := range e.Selection {
		set := build(t, table, Options{Seed: 42, Cap: cap})
		var got []int
		for _, p := range set.Pairs {
			got = append(got, p.Row-1)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("cap %d:\n%s", cap, d)
		}
		if n := len(set.Pairs) + len(set.Rest); n != len(e.Pairs) || set.Counts.Kept != len(set.Pairs) || set.Counts.NotSampled != len(set.Rest) {
			t.Errorf("cap %d: %d pairs and %d others, want %d together; counts %+v", cap, len(set.Pairs), len(set.Rest), len(e.Pairs), set.Counts)
		}
	}
	for _, want := range e.Fingerprints {
		set := build(t, table, Options{Seed: want.Seed, Cap: want.Cap})
		if set.Fingerprint != want.SHA256 || len(set.Pairs) != want.N {
			t.Errorf("seed %d cap %d: fingerprint %s of %d pairs, want %s of %d", want.Seed, want.Cap, set.Fingerprint, len(set.Pairs), want.SHA256, want.N)
		}
	}
}

func TestMixedChoice(t *testing.T) {
	table, e := openMixed(t)
	set := build(t, table, Options{Seed: 42, Form: Choice})
	if len(set.Pairs) != len(e.MCQ) {
		t.Fatalf("%d pairs, want %d", len(set.Pairs), len(e.MCQ))
	}
	for i, p := range set.Pairs {
		var want, got struct {
			Original, Swapped string
			Letters           map[string]string
		}
		for j, into := range []any{&want.Original, &want.Swapped, &want.Letters} {
			if err := json.Unmarshal(e.MCQ[i][j], into); err != nil {
				t.Fatal(err)
			}
		}
		got.Original, got.Swapped, got.Letters = p.Original.Text, p.Swapped.Text, p.Original.Letters
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("pair %d:\n%s", i, d)
		}
		if d := cmp.Diff(p.Original.Letters, p.Swapped.Letters); d != "" {
			t.Errorf("pair %d: letters of the swap:\n%s", i, d)
		}
	}
}

func TestMixedNoFiltering(t *testing.T) {
	table, e := openMixed(t)
	var got [][3]any
	for _, p := range build(t, table, Options{Seed: 42, NoFiltering: true}).Pairs {
		if p.Axis == "distance" {
			row := [3]any{json.Number(fmt.Sprint(p.Row - 1)), p.First, p.Second}
			if p.FirstMissing {
				row[1] = nil
			}
			if p.SecondMissing {
				row[2] = nil
			}
			got = append(got, row)
		}
	}
	if d := cmp.Diff(e.NoFiltering, got); d != "" {
		t.Error(d)
	}
}

func TestReader(t *testing.T) {
	var cases map[string]struct {
		Note      string
		Columns   [][2]string
		Rows      [][]any
		ReadError *struct{ Type string } `json:"read_error"`
		LoadError *struct{ Type string } `json:"load_error"`
		Pairs     []goldenPair
		Warnings  []string
	}
	decode(t, "testdata/reader.json", &cases)
	if len(cases) < 20 {
		t.Fatalf("only %d cases", len(cases))
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata/reader", name+".tsv")
			table, err := Open(path)
			if want.ReadError != nil {
				if err == nil {
					t.Fatalf("read without error, want %s", want.ReadError.Type)
				}
				if !strings.HasPrefix(err.Error(), path+":") {
					t.Errorf("error does not name the file: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var columns [][2]string
			for _, c := range table.Columns {
				columns = append(columns, [2]string{c.Name, c.DType()})
			}
			if d := cmp.Diff(want.Columns, columns); d != "" {
				t.Errorf("columns:\n%s", d)
			}
			if table.Rows() != len(want.Rows) {
				t.Fatalf("%d rows, want %d", table.Rows(), len(want.Rows))
			}
			for row := range table.Rows() {
				for column := range table.Columns {
					v, text := table.Value(row, column), plainText(want.Rows[row][column])
					if v.String() != text || v.Missing() != (want.Rows[row][column] == nil) {
						t.Errorf("row %d column %s: %q, want %q", row, table.Columns[column].Name, v, text)
					}
				}
			}
			set, err := Build(table, Options{Seed: 42})
			if want.LoadError != nil {
				if err == nil {
					t.Fatalf("built without error, want %s", want.LoadError.Type)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var pairs []goldenPair
			for _, p := range set.Pairs {
				pairs = append(pairs, goldenPair{Index: indexText(p.Index), QuestionID: p.QuestionID, Category: p.Category, Original: p.Original.Text, Swapped: p.Swapped.Text})
			}
			for i := range want.Pairs {
				want.Pairs[i].Index = plainText(want.Pairs[i].Index)
			}
			if len(pairs)+len(want.Pairs) > 0 {
				if d := cmp.Diff(want.Pairs, pairs); d != "" {
					t.Errorf("pairs:\n%s", d)
				}
			}
			if set.Counts.Failed != len(want.Warnings) {
				t.Errorf("%d rows failed, want %q", set.Counts.Failed, want.Warnings)
			}
		})
	}
}

// The set is a blob in the ledger, so building it twice must give the same bytes, and they must read back.
func TestSetJSON(t *testing.T) {
	table, _ := openMixed(t)
	var last []byte
	for range 3 {
		set := build(t, table, Options{Seed: 42, Cap: 10, Reader: Strict, Form: Choice})
		data, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && !bytes.Equal(last, data) {
			t.Fatal("the same set gave other bytes")
		}
		last = data
		var back Set
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(*set, back); d != "" {
			t.Fatalf("read back:\n%s", d)
		}
	}
}

func TestParseFloat(t *testing.T) {
	for _, c := range []struct {
		cell string
		want float64
		ok   bool
	}{
		{"3.50", 3.5, true}, {" 1e3 ", 1000, true}, {"+.5", .5, true}, {"5.", 5, true}, {"1e", 0, false}, {".", 0, false}, {"", 0, false},
		{"1e400", 0, false}, {"0e400", 0, true}, {"1e-400", 0, true}, {"5e-324", 5e-324, true}, {"-Infinity", math.Inf(-1), true},
		{"0x10", 0, false}, {"1_000", 0, false}, {"1,5", 0, false}, {"12 3", 0, false}, {"123456789012345678901234567890", 123456789012345678901234567890, true},
	} {
		got, ok := parseFloat(c.cell)
		if ok != c.ok || ok && math.Abs(got-c.want) > 1e-15*math.Abs(c.want) {
			t.Errorf("%q: %v %v, want %v %v", c.cell, got, ok, c.want, c.ok)
		}
	}
}
