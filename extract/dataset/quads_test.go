package dataset

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func openBoxes(t *testing.T, path string) *Boxes {
	t.Helper()
	b, err := OpenBoxes(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMixedQuads(t *testing.T) {
	table, e := openMixed(t)
	if len(e.Quads) != 4 {
		t.Fatalf("%d sets of quads, want 4", len(e.Quads))
	}
	for name, want := range e.Quads {
		kind, seedText, _ := strings.Cut(name, "/")
		var seed uint64
		if _, err := fmt.Sscan(seedText, &seed); err != nil {
			t.Fatal(err)
		}
		form := Words
		if kind == "mcq" {
			form = Choice
		}
		for _, path := range []string{"testdata/mixed.bbox.json", "testdata/mixed.bbox_records.json"} {
			// The cap plays no part: quads are made of all accepted pairs.
			for _, cap := range []int{0, 3} {
				set := build(t, table, Options{Seed: seed, Form: form, Cap: cap})
				quads, err := Quads(nil, set, openBoxes(t, path), QuadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if got := quads.String(); got != want.Log {
					t.Errorf("%s: %s, want %s", name, got, want.Log)
				}
				if len(quads.Quads) != len(want.Quads) {
					t.Fatalf("%s: %d quads, want %d", name, len(quads.Quads), len(want.Quads))
				}
				for i, q := range quads.Quads {
					got := []any{q.Row - 1, q.Original.Text, q.Swapped.Text, q.Original.Answer, q.Swapped.Answer, q.Source, q.Original.Letters}
					for j, v := range got {
						text, err := json.Marshal(v)
						if err != nil {
							t.Fatal(err)
						}
						var a, b any
						if json.Unmarshal(text, &a) != nil || json.Unmarshal(want.Quads[i][j], &b) != nil {
							t.Fatal("not JSON")
						}
						if d := cmp.Diff(b, a); d != "" {
							t.Errorf("%s quad %d field %d:\n%s", name, i, j, d)
						}
					}
				}
			}
		}
	}
}

func TestQuadLabels(t *testing.T) {
	table, _ := openMixed(t)
	set := build(t, table, Options{Seed: 42})
	boxes := openBoxes(t, "testdata/mixed.bbox.json")
	for _, o := range []QuadOptions{{Horizontal: true}, {Horizontal: true, RealSize: true}} {
		quads, err := Quads(table, set, boxes, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(quads.Labels) != quads.Distance || len(quads.Outcomes) != quads.Distance {
			t.Errorf("%d labels and %d outcomes of %d pairs", len(quads.Labels), len(quads.Outcomes), quads.Distance)
		}
		for _, row := range quads.Tallies {
			if n := row.Consistent + row.Counter + row.Ambiguous + row.NoBox; n != quads.Distance {
				t.Errorf("%s: %d labels of %d pairs", row.Definition, n, quads.Distance)
			}
		}
		first := quads.Tallies[0]
		if first.Ambiguous != quads.Ambiguous || first.NoBox != quads.NoBox || first.Consistent+first.Counter != len(quads.Quads) {
			t.Errorf("tally %+v, but %s", first, quads)
		}
		if len(quads.Controls) == 0 {
			t.Error("no horizontal control")
		}
		for _, q := range quads.Quads {
			higherIsFirst := q.Category == "above"
			fartherIsFirst := q.DistanceCategory == "far"
			if want := map[bool]Agreement{true: Consistent, false: Counter}[higherIsFirst == fartherIsFirst]; q.Agreement != want {
				t.Errorf("quad %s: %s and %s is %s, want %s", q.ID, q.Category, q.DistanceCategory, q.Agreement, want)
			}
		}
		for _, q := range quads.Controls {
			if (q.Centres[0] < q.Centres[1]) != (q.Category == "left") {
				t.Errorf("control %s: centres %v are %s", q.ID, q.Centres, q.Category)
			}
		}
		t.Logf("real size %t: %s, %d controls, %+v", o.RealSize, quads, len(quads.Controls), quads.Tallies)
	}
}

func TestLabelDefinitions(t *testing.T) {
	boxes := &Boxes{of: map[string]Record{
		"q": {QuestionID: "q", Source: "mp3d", Scene: "s1", Objects: []Object{
			{"lamp", [4]float64{0, 0, 10, 10}},      // far, at the top
			{"chair", [4]float64{300, 400, 10, 10}}, // well below
			{"rug", [4]float64{0, 10, 10, 10}},      // within 5 % of the lamp, and nearest
		}},
	}}
	set := &Set{Options: Options{Form: Words}, Pairs: []Pair{
		{ID: "0001", Row: 1, QuestionID: "q", Category: "far", Axis: "distance", First: "lamp", Second: "chair"},
		{ID: "0002", Row: 2, QuestionID: "q", Category: "close", Axis: "distance", First: "chair", Second: "lamp"},
		{ID: "0003", Row: 3, QuestionID: "q", Category: "close", Axis: "distance", First: "lamp", Second: "nan", SecondMissing: true},
		{ID: "0004", Row: 4, QuestionID: "other", Category: "close", Axis: "distance", First: "lamp", Second: "chair"},
	}}
	quads, err := Quads(nil, set, boxes, QuadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Label{
		{ID: "0001", Row: 1, Scene: "s1", Reference: Consistent, Nearest: Ambiguous, All: Ambiguous},
		{ID: "0002", Row: 2, Scene: "s1", Reference: Consistent, Nearest: Consistent, All: Consistent},
		{ID: "0003", Row: 3, Scene: "s1", Reference: NoBox, Nearest: Ambiguous, All: Ambiguous},
		{ID: "0004", Row: 4, Reference: NoBox, Nearest: NoBox, All: NoBox},
	}
	if d := cmp.Diff(want, quads.Labels); d != "" {
		t.Error(d)
	}
}

func TestBadBoxes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":        {"", "the file ends inside it"},
		"not json":     {"hello", "not JSON: a list of records"},
		"number":       {"12", "not JSON: a list of records"},
		"cut off":      {`[{"question_id": "a", "objects": []}, {"question`, "record 2 (byte"},
		"no id":        {`[{"objects": []}]`, "record 1 (byte"},
		"lengths":      {`[{"question_id": "a", "objects": {"name": ["x"], "bbox": []}}]`, `objects of "a": 1 names and 0 boxes`},
		"three sides":  {`[{"question_id": "a", "objects": [{"name": "x", "bbox": [1, 2, 3]}]}]`, `box of "x" has 3 numbers`},
		"huge number":  {`[{"question_id": "a", "objects": [{"name": "x", "bbox": [1e999, 2, 3, 4]}]}]`, `objects of "a"`},
		"behind":       {`[] []`, "text behind the list"},
		"wrong type":   {`[{"question_id": "a", "objects": "none"}]`, `objects of "a"`},
		"deep nesting": {`[` + strings.Repeat(`{"a":`, 20000), "exceeded max depth"},
	} {
		_, err := readBoxes("boxes.json", strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "boxes.json: ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	lines := `{"question_id": 7, "data_source": "mp3d", "scene_id": "s", "objects": [{"name": "x", "bbox": [1, 2, 3, 4]}]}
{"question_id": "b", "objects": null, "image": "AAAA"}
{"question_id": "b", "objects": []}`
	b, err := readBoxes("boxes.jsonl", strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := b.Record("7")
	if !ok || r.Scene != "s" || r.Objects[0].Box != [4]float64{1, 2, 3, 4} || b.Len() != 2 || b.Repeated != 1 {
		t.Errorf("%+v %+v", b, r)
	}
}

// A record without end must not fill the memory.
func TestEndlessRecord(t *testing.T) {
	_, err := readBoxes("boxes.json", &endless{head: `[{"question_id": "`})
	if err == nil || !strings.Contains(err.Error(), "more than 64 MB") {
		t.Errorf("%v", err)
	}
}

type endless struct{ head string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// The same records as parquet, in both layouts and several row groups (tools/dataset/make_parquet.py).
func TestParquetBoxes(t *testing.T) {
	want := openBoxes(t, "testdata/mixed.bbox.json")
	for _, path := range []string{"testdata/mixed.bbox_records.json", "testdata/mixed.bbox.parquet", "testdata/mixed.bbox_records.parquet"} {
		got := openBoxes(t, path)
		if d := cmp.Diff(want.of, got.of); d != "" || got.Repeated != want.Repeated {
			t.Errorf("%s: %d repeated, want %d\n%s", path, got.Repeated, want.Repeated, d)
		}
	}
}

func FuzzBoxes(f *testing.F) {
	f.Add([]byte(`[{"question_id": "a", "data_source": "mp3d", "objects": [{"name": "x", "bbox": [1, 2, 3, 4]}]}]`))
	f.Add([]byte(`{"question_id": 7, "objects": {"name": ["x"], "bbox": [[1, 2, 3, 4]]}}
{"question_id": "b", "objects": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readBoxes("boxes.json", strings.NewReader(string(data)))
		if err == nil {
			for id, r := range b.of {
				if id == "" || r.QuestionID != id {
					t.Fatalf("%q: %+v", id, r)
				}
			}
		}
	})
}
