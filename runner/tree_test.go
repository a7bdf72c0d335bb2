package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"swaprun/extract"
	"swaprun/internal/released"
	"swaprun/ledger"
	"swaprun/ledger/npy"
	"swaprun/report"
)

// The trees of ../report/testdata/tree are whole runs of the released scripts: a table, boxes, and a model that answers from a list. Here the same
// table and the same answers go through a session of ours, captures being entered in the ledger beforehand, and what it writes is
// compared file by file.
const (
	treeData  = "../report/testdata/tree"
	treeTable = "../extract/dataset/testdata/mixed.tsv"
	treeBoxes = "../extract/dataset/testdata/mixed.bbox.json"
)

// A listQuery is one question of the scripts' model.
type listQuery struct {
	Rows     []int
	Question string
	Answers  map[string]*string // by scale
	Error    string
	at       int // row of hidden_states
}

// A listModel answers as the scripts' model did.
type listModel struct {
	queries       []*listQuery
	by            map[string]*listQuery // by row and question
	states        map[string][]float32  // by scale, [query, block, width]
	blocks, width int
	asked         map[string]bool
}

func (m *listModel) key(row int, question string) string { return fmt.Sprintf("%d %s", row, question) }

func newListModel(t *testing.T) *listModel {
	t.Helper()
	m := &listModel{by: map[string]*listQuery{}, states: map[string][]float32{}, asked: map[string]bool{}}
	readJSON(t, filepath.Join(treeData, "inputs", "queries.json"), &m.queries)
	for i, q := range m.queries {
		q.at = i
		for _, row := range q.Rows {
			row++ // rows are counted from 0 there
			m.by[m.key(row, q.Question)] = q
		}
	}
	for _, scale := range []string{"vanilla", "80k", "2m"} {
		r, err := npy.Open(filepath.Join(treeData, "inputs", "states_"+scale+".npz"), npy.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		a, err := r.Array("hidden_states")
		if err != nil {
			t.Fatal(err)
		}
		if m.states[scale], err = npy.Values[float32](a); err != nil {
			t.Fatal(err)
		}
		m.blocks, m.width = a.Shape[1], a.Shape[2]
	}
	return m
}

// blobs are the outcome of one query: a capture, or the reason why there is none.
func (m *listModel) blobs(t *testing.T, scale string, row int, question string) (blobs []ledger.Blob, failed bool) {
	q := m.by[m.key(row, question)]
	if q == nil {
		return failureBlobs("image", fmt.Errorf("row %d: the script got no further than its picture", row)), true
	}
	m.asked[m.key(row, question)] = true
	if q.Answers[scale] == nil {
		return failureBlobs("capture", fmt.Errorf("%s", q.Error)), true
	}
	values := m.blocks * m.width
	blobs, err := captureBlobs(&extract.Capture{States: m.states[scale][q.at*values : (q.at+1)*values], Blocks: m.blocks, Width: m.width, Answer: *q.Answers[scale]})
	if err != nil {
		t.Fatal(err)
	}
	return blobs, false
}

// runTree is a run of ours on the scripts' table and model.
func runTree(t *testing.T, model *listModel, form string, layout report.Layout, scales ...string) (out string) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	led, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	exp := &Experiment{
		Name:       "tree",
		Data:       Data{Format: "auto", Quads: "vertical", Heights: "source", Cap: 10, Seed: 42, Reader: "parity", Form: form},
		Statistics: Statistics{Draws: 100, Seed: 1},
		Report:     Report{Layouts: []report.Layout{layout}},
	}
	s := &session{exp: exp, opts: Options{Out: filepath.Join(dir, "out"), Progress: Silent{}}, led: led, execute: true, tablePath: treeTable, boxesPath: treeBoxes}
	if err := s.walkPairs(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.walkQuads(ctx); err != nil {
		t.Fatal(err)
	}
	m := &modelWalk{model: &Model{Name: "toy"}}
	for i, name := range scales {
		m.series = append(m.series, &series{model: m.model, scale: &Scale{Name: name, Samples: int64(i)}, fingerprint: ledger.Sum([]byte(name)), info: extract.Info{Blocks: model.blocks, Width: model.width}})
	}
	for _, sr := range m.series {
		if err := s.learn(m, sr); err != nil {
			t.Fatal(err)
		}
		known := map[ledger.ActionID]bool{}
		enter := func(row int, image, imageErr, question string) {
			key := captureKey(s.captureBase(sr), query{image: image, imageErr: imageErr, question: question})
			if known[key.ID()] {
				return
			}
			known[key.ID()] = true
			blobs, failed := model.blobs(t, sr.scale.Name, row, question)
			if _, err := led.Record(ledger.Record{Key: key, Outputs: blobs, Failed: failed}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range s.set.Pairs {
			enter(p.Row, p.Image, p.ImageErr, p.Original.Text)
			enter(p.Row, p.Image, p.ImageErr, p.Swapped.Text)
		}
		for _, q := range s.quadList() {
			for _, question := range []string{q.Original.Text, q.Swapped.Text, q.DistanceOriginal.Text, q.DistanceSwapped.Text} {
				enter(q.Row, q.Image, "", question)
			}
		}
		for _, walk := range []func() error{
			func() error { return s.walkCaptures(ctx, sr) },
			func() error { return s.walkMetrics(ctx, sr) },
			func() error { return s.walkArtefacts(ctx, m, sr) },
		} {
			if err := walk(); err != nil {
				t.Fatal(err)
			}
		}
		sr.release()
	}
	if err := s.walkArtefacts(ctx, m, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.nodes {
		if n.Kind != KindCapture && !n.good() {
			t.Errorf("%s: no outcome: %v", n.ID, n.outcome.err)
		}
	}
	return s.opts.Out
}

func TestWholeTrees(t *testing.T) {
	for _, c := range []struct {
		folder, form string
		layout       report.Layout
		scales       []string
	}{
		{"bridge", "words", report.Bridge, []string{"vanilla", "80k", "2m"}},
		{"bridge_mcq", "choice", report.Bridge, []string{"80k"}},
		{"release", "words", report.Release, []string{"vanilla", "80k", "2m"}},
	} {
		t.Run(c.folder, func(t *testing.T) {
			model := newListModel(t)
			out := runTree(t, model, c.form, c.layout, c.scales...)
			compareTree(t, filepath.Join(treeData, c.folder), out)
			if c.layout == report.Release {
				return // it asks no quads
			}
			for _, q := range model.queries {
				asked := slices.ContainsFunc(q.Rows, func(row int) bool { return model.asked[model.key(row+1, q.Question)] })
				if choice := strings.Contains(q.Question, "(A)"); choice == (c.form == "choice") && !asked {
					t.Errorf("row %v: %q was not asked", q.Rows, q.Question)
				}
			}
		})
	}
}

// compareTree holds our tree to a script's: every file of the script's manifest, figures by name, and no file beyond them.
func compareTree(t *testing.T, want, out string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(want, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]json.RawMessage
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	expected, compared := map[string]bool{}, 0
	for name := range manifest {
		path := strings.TrimPrefix(name, "saved_data/")
		expected[path] = true
		if strings.HasSuffix(name, "/") { // an empty folder
			continue
		}
		got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(path)))
		if err != nil {
			t.Errorf("%s: not written", path)
			continue
		}
		if strings.HasSuffix(path, ".png") {
			continue // its name is what others look for; the drawing is ours
		}
		golden, err := os.ReadFile(filepath.Join(want, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		compared++
		if err := released.Same(path, got, golden); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if compared < 20 {
		t.Errorf("%d files compared", compared)
	}
	beyond := regexp.MustCompile(`\.png$`) // more figures than the scripts draw are welcome
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(out, path)
		if rel = filepath.ToSlash(rel); !expected[rel] && !beyond.MatchString(rel) {
			t.Errorf("%s: the script writes no such file", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
