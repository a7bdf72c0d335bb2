package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/cvbench.parquet and the folder cvbench are made-up rows in CV-Bench's form, written by
// tools/dataset/make_parquet.py.
func TestCVBench(t *testing.T) {
	type row struct {
		Status                         Status
		Category, First, Second, Query string
	}
	want := []row{
		{Kept, "below", "bench", "tree", "Is the bench above or below the tree? Answer with only one word."},
		{Kept, "left", "cup (annotated by the red box)", "door (annotated by the blue box)",
			"Is the cup (annotated by the red box) to the left or right of the door (annotated by the blue box)? Answer with only one word."},
		{Status: Skipped},
		{Kept, "close", "books (highlighted by a red box)", "table (highlighted by a blue box)",
			"Compared to table (highlighted by a blue box), is books (highlighted by a red box) far or close from you? Answer with only one word."},
		{Kept, "far", "sofa (highlighted by a red box)", "lamp (highlighted by a blue box)",
			"Compared to lamp (highlighted by a blue box), is sofa (highlighted by a red box) far or close from you? Answer with only one word."},
		{Status: Skipped},
		{Status: Failed},
	}
	for path, order := range map[string][]int{
		"testdata/cvbench.parquet":       {0, 1, 2, 3, 4, 5, 6},
		"testdata/cvbench":               {0, 1, 2, 6, 3, 4, 5},
		"testdata/cvbench/test_2d.jsonl": {0, 1, 2, 6},
	} {
		table, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		set := build(t, table, Options{Seed: 42})
		of := make(map[int]Pair)
		for _, p := range set.Pairs {
			of[p.Row-1] = p
		}
		if set.Layout != CVBench || len(set.Outcomes) != len(order) {
			t.Fatalf("%s: %s, %d rows", path, set.Layout, len(set.Outcomes))
		}
		for i, o := range set.Outcomes {
			p := of[i]
			got := row{o.Status, p.Category, p.First, p.Second, p.Original.Text}
			if d := cmp.Diff(want[order[i]], got); d != "" {
				t.Errorf("%s row %d (%s):\n%s", path, i, o.Why, d)
			}
			if string(o.Index) != string(rune('0'+order[i])) {
				t.Errorf("%s row %d: index %s", path, i, o.Index)
			}
			if o.Status != Kept {
				continue
			}
			b, err := table.ImageBytes(&p)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(filepath.Join("testdata/cvbench/img", string(rune('0'+order[i]))+".png"))
			if err != nil || string(file) != string(b) {
				t.Errorf("%s row %d: another image (%v)", path, i, err)
			}
		}
	}
}

func TestSplitChoices(t *testing.T) {
	for _, text := range []string{`["left", "it's right"]`, `['left', "it's right"]`, `['left' "it's right"]`} {
		if d := cmp.Diff([]string{"left", "it's right"}, splitChoices(text)); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

func TestBadRecords(t *testing.T) {
	dir := t.TempDir()
	parquet, err := os.ReadFile("testdata/cvbench.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"cut.parquet":      {string(parquet[:len(parquet)/2]), "not readable as parquet"},
		"magic.parquet":    {"PAR1", "not readable as parquet"},
		"list.jsonl":       {"[1]\n", "list.jsonl:1:1: not a JSON object"},
		"cut.jsonl":        {"{\"a\": 1}\n{\"a\": ", "cut.jsonl:2:"},
		"empty.jsonl":      {"\n", "no records"},
		"long.jsonl":       {`{"a": "` + strings.Repeat("x", 2<<20) + `"}`, "long.jsonl:1: line longer than"},
		"not-utf8.jsonl":   {"{\"a\": \"\xff\"}", "not-utf8.jsonl:1: not UTF-8"},
		"folder/other.tsv": {"", ""},
	} {
		path := write(t, filepath.Join(dir, name), c.text)
		if c.want == "" {
			path, c.want = filepath.Dir(path), "want a table, or a folder with test_2d and test_3d"
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// No change of a byte may make the reader of parquet panic or hang.
func FuzzParquet(f *testing.F) {
	for _, path := range []string{"testdata/cvbench.parquet", "testdata/mixed.bbox_records.parquet"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, _ = readParquetBoxes(path)
		if table, err := openParquetTable(path); err == nil {
			for row := range min(table.Rows(), 3) {
				_, _ = table.Image(row)
			}
		}
	})
}

// The pictures that a table names are inputs of its own: of both halves, wherever CV-Bench may keep them; none of those it holds itself.
func TestImagesOfHalves(t *testing.T) {
	for path, want := range map[string][]string{
		"testdata/cvbench/test_3d.jsonl": {"img/3.png", "img/4.png", "img/5.png"},
		"testdata/cvbench":               {"img/0.png", "img/1.png", "img/2.png", "img/6.png", "img/3.png", "img/4.png", "img/5.png"},
		"testdata/cvbench.parquet":       nil,
	} {
		table, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range table.ImagePaths() {
			if _, err := os.Stat(filepath.Join(Folder(path), p)); err == nil {
				got = append(got, p)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-expected +got):\n%s", path, d)
		}
		parts, err := Parts(path)
		if err != nil {
			t.Fatal(err)
		}
		var digests []string
		for _, part := range parts {
			table, err := Open(part)
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, table.Digest())
		}
		if PartsDigest(digests) != table.Digest() {
			t.Errorf("%s: digest %s, of its parts %s", path, table.Digest(), PartsDigest(digests))
		}
	}
}
