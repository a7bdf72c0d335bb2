package runner

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"swaprun/analyze"
	"swaprun/ledger/npy"
	"swaprun/report"
)

// The released arithmetic is float32, off the exact values by up to 4.8e-7 (see the sets' origin in package analyze).
const releasedTolerance = 1e-6

// TestAnalyzeVectorsGolden compares the files written from vectors of the released scripts with what the released
// functions make of the same vectors.
func TestAnalyzeVectorsGolden(t *testing.T) {
	// Eight sets; one of them is also stored uncompressed, in Fortran order, and with its members reversed.
	files, err := filepath.Glob("../analyze/testdata/golden/*/vectors_*.npz")
	if err != nil || len(files) != 11 {
		t.Fatalf("%d files of vectors, expected 11: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			out := t.TempDir()
			sum, err := AnalyzeVectors(context.Background(), VectorsOptions{Path: file, Out: out, Analyze: analyze.Options{Draws: 0, Seed: 1}})
			if err != nil {
				t.Fatal(err)
			}
			if len(sum.Failures) > 0 || len(sum.Notes) > 0 && sum.Answered {
				t.Fatalf("failures %v, notes %v", sum.Failures, sum.Notes)
			}
			var want map[string]any
			readJSON(t, filepath.Join(filepath.Dir(file), "expected.json"), &want)
			stored := strings.SplitN(sum.Scale, "-", 2)[0] // as the table of accuracies names it
			if pred, ok := want["pred_stats"].(map[string]any); ok && pred["scale"] == stored {
				pred["scale"] = sum.Scale
			}
			c := &treeComparison{t: t, dir: out, scale: sum.Scale}
			c.exact(want, "all")
			if both, ok := want["both_correct"].(map[string]any); ok {
				c.exact(both, "both_correct")
			}
			c.metrics(want, "all_pairs", "")
			c.file("vd_ei", "", want["vd_ei"])
			c.file("cross_alignment", "", want["cross_alignment"])
			c.file("pred_stats", "", want["pred_stats"])
			c.file("category_validity", "", want["category_validity"])
			if both, ok := want["both_correct"].(map[string]any); ok {
				c.metrics(both, "both_correct", "_both_correct")
			}
			if c.numbers < 10 {
				t.Errorf("%d numbers compared", c.numbers)
			}
			t.Logf("%d numbers, furthest off %.2g", c.numbers, c.furthest)
		})
	}
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

type treeComparison struct {
	t        *testing.T
	dir      string
	scale    string
	numbers  int
	furthest float64
}

// metrics compares what there is for each subset.
func (c *treeComparison) metrics(want map[string]any, tag, suffix string) {
	c.file("within_cat_consistency", "_"+tag, want["within_cat_consistency"])
	c.file("axis_coherence", suffix, want["axis_coherence"])
	norms, _ := want["delta_norm"].(map[string]any)
	for block, by := range norms {
		rows := c.table("delta_norm", block, tag)
		for category, v := range by.(map[string]any) {
			c.number(fmt.Sprintf("norm %s %s", block, category), cell(rows, category, "norm"), v.(float64))
		}
	}
	grids, _ := want["delta_similarity"].(map[string]any)
	for block, g := range grids {
		grid := g.(map[string]any)
		rows := c.table("delta_similarity", block, tag)
		names := grid["categories"].([]any)
		for i, a := range names {
			for j, b := range names {
				v := grid["matrix"].([]any)[i].([]any)[j].(float64)
				c.number(fmt.Sprintf("similarity %s %s %s", block, a, b), cell(rows, a.(string), b.(string)), v)
			}
		}
	}
}

func (c *treeComparison) table(stem, block, tag string) [][]string {
	f, err := os.Open(filepath.Join(c.dir, "csv", fmt.Sprintf("%s_%s_%s_%s.csv", stem, c.scale, block, tag)))
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		c.t.Fatal(err)
	}
	return rows
}

func cell(rows [][]string, row, column string) float64 {
	for j, name := range rows[0] {
		for _, r := range rows[1:] {
			if r[0] == row && name == column {
				if x, err := strconv.ParseFloat(r[j], 64); err == nil {
					return x
				}
			}
		}
	}
	return math.NaN()
}

// file compares a JSON file; nothing expected is no file.
func (c *treeComparison) file(stem, suffix string, want any) {
	path := filepath.Join(c.dir, "json", stem+"_"+c.scale+suffix+".json")
	expected, _ := want.(map[string]any)
	if len(expected) == 0 {
		if _, err := os.Stat(path); err == nil {
			c.t.Errorf("%s is there, though nothing was expected", path)
		}
		return
	}
	var got any
	readJSON(c.t, path, &got)
	c.value(stem+suffix, got, want)
}

func (c *treeComparison) value(where string, got, want any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			c.t.Errorf("%s: %v, expected %v", where, got, want)
			return
		}
		for k := range w {
			c.value(where+"."+k, g[k], w[k])
		}
	case float64:
		g, ok := got.(float64)
		if !ok {
			c.t.Errorf("%s: %v, expected a number", where, got)
			return
		}
		c.number(where, g, w)
	default:
		if got != want {
			c.t.Errorf("%s: %v, expected %v", where, got, want)
		}
	}
}

func (c *treeComparison) number(where string, got, want float64) {
	c.numbers++
	off := math.Abs(got - want)
	if !(off <= releasedTolerance) {
		c.t.Errorf("%s: %v, expected %v: off by %.3g", where, got, want, off)
	}
	c.furthest = max(c.furthest, off)
}

// exactTolerance is for numbers given in float64 beside the released ones.
const exactTolerance = 1e-12

// exact compares full results, which lose nothing to the released files' float32, with the same definitions in float64.
func (c *treeComparison) exact(want map[string]any, subset analyze.Subset) {
	exact, ok := want["exact"].(map[string]any)
	if !ok {
		c.t.Fatal("no exact values")
	}
	result := func(metric string) *analyze.Result {
		r := new(analyze.Result)
		readJSON(c.t, filepath.Join(c.dir, "json", "results", fmt.Sprintf("%s_%s_%s.json", metric, c.scale, report.Tag(subset))), r)
		return r
	}
	near := func(what string, got *float64, want any) {
		w, ok := want.(float64)
		if got == nil || !ok || !(math.Abs(*got-w) <= exactTolerance) {
			c.t.Errorf("exact %s %s: %v, expected %v", subset, what, text(got), want)
		}
		c.numbers++
	}
	found := 0
	for _, f := range []struct{ name, metric string }{{"axis_coherence", "axis-coherence"}, {"within_cat_consistency", "within-category"}} {
		values, _ := exact[f.name].(map[string]any)
		for _, l := range result(f.metric).Curve.Lines {
			for _, p := range l.Points {
				w, ok := values[fmt.Sprintf("%s_L%d", l.Key, p.Block)].(map[string]any)
				if !ok {
					if p.Value != nil {
						c.t.Errorf("exact %s %s of block %d: %v, expected none", f.name, l.Key, p.Block, *p.Value)
					}
					continue
				}
				found++
				near(fmt.Sprintf("%s %s_L%d", f.name, l.Key, p.Block), p.Value, w["mean"])
				near(fmt.Sprintf("%s std %s_L%d", f.name, l.Key, p.Block), p.SD, w["std"])
			}
		}
		found -= len(values)
	}
	for _, l := range result("vd-ei").Curve.Lines {
		name := map[string]string{"vd-ei": "vd_ei", "vd-ei-paper": "vd_ei_paper"}[l.Key]
		values, _ := exact[name].(map[string]any)
		for _, p := range l.Points {
			if w, ok := values[strconv.Itoa(p.Block)]; ok {
				found++
				near(fmt.Sprintf("%s L%d", name, p.Block), p.Value, w)
			}
		}
		found -= len(values)
	}
	grids, _ := exact["delta_similarity"].(map[string]any)
	for _, g := range result("delta-similarity").Grids {
		w, ok := grids[fmt.Sprintf("L%d", g.Block)].(map[string]any)
		if !ok {
			continue
		}
		found++
		names := w["categories"].([]any)
		for i, a := range names {
			for j, b := range names {
				cell := g.Cells[slices.Index(g.Rows, a.(string))][slices.Index(g.Cols, b.(string))]
				near(fmt.Sprintf("similarity L%d %s %s", g.Block, a, b), cell.Value, w["matrix"].([]any)[i].([]any)[j])
			}
		}
	}
	if found -= len(grids); found != 0 {
		c.t.Errorf("exact %s: %d values too many (or, below zero, missing)", subset, found)
	}
	c.exactAlignment(exact, result)
}

func (c *treeComparison) exactAlignment(exact map[string]any, result func(string) *analyze.Result) {
	blocks, ok := exact["cross_alignment"].(map[string]any)
	if !ok {
		return
	}
	lines := map[string]map[int]analyze.Estimate{}
	for _, l := range result("cross-alignment").Curve.Lines {
		lines[l.Key] = map[int]analyze.Estimate{}
		for _, p := range l.Points {
			lines[l.Key][p.Block] = p.Estimate
		}
	}
	for name, w := range blocks {
		block, err := strconv.Atoi(strings.TrimPrefix(name, "L"))
		if err != nil {
			c.t.Fatal(err)
		}
		values := w.(map[string]any)
		per, mean, perm := lines["per-sample"][block], lines["mean-delta"][block], lines["permutations"][block]
		for _, v := range []struct {
			name string
			got  *float64
		}{
			{"per_sample_mean", per.Value}, {"per_sample_std", per.SD}, {"mean_delta_alignment", mean.Value},
			{"permutation_mean", perm.Value}, {"permutation_std", perm.SD},
		} {
			if want, ok := values[v.name].(float64); ok {
				c.numbers++
				if v.got == nil || !(math.Abs(*v.got-want) <= exactTolerance) {
					c.t.Errorf("exact alignment %s %s: %v, expected %v", name, v.name, text(v.got), want)
				}
			}
		}
	}
}

// text of an optional number.
func text(x *float64) string {
	if x == nil {
		return "absent"
	}
	return fmt.Sprint(*x)
}

// hostileArrays are the arrays of one sound block of two pairs; a test spoils one.
func hostileArrays() map[string]*npy.Array {
	return map[string]*npy.Array{
		"orig_L0": npy.New([]float32{1, 2, 3, 4}, 2, 2), "swap_L0": npy.New([]float32{2, 2, 3, 5}, 2, 2), "delta_L0": npy.New([]float32{1, 0, 0, 1}, 2, 2),
		"groups_L0": npy.New([]string{"vertical", "distance"}), "categories_L0": npy.New([]string{"under", "far"}), "indices_L0": npy.New([]int64{7, 7}),
	}
}

func writeArrays(t *testing.T, path string, arrays map[string]*npy.Array) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := npy.NewWriter(f)
	for name, a := range arrays {
		if err := w.Add(name, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadVectorsRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name  string
		spoil func(a map[string]*npy.Array)
		want  string // "" is sound
	}{
		{"sound", func(a map[string]*npy.Array) {}, ""},
		{"nothing", func(a map[string]*npy.Array) { clear(a) }, "no array orig_L<block>"},
		{"no swapped states", func(a map[string]*npy.Array) { delete(a, "swap_L0") }, "swap_L0"},
		{"another number of rows", func(a map[string]*npy.Array) { a["swap_L0"] = npy.New([]float32{1, 2}, 1, 2) }, "shape [1 2], expected [2 2]"},
		{"another width", func(a map[string]*npy.Array) { a["delta_L0"] = npy.New([]float32{1, 2}, 2, 1) }, "shape [2 1], expected [2 2]"},
		{"one dimension", func(a map[string]*npy.Array) { a["orig_L0"] = npy.New([]float32{1, 2}) }, "expected [pairs, width]"},
		{"no width", func(a map[string]*npy.Array) { a["orig_L0"] = npy.New([]float32{}, 2, 0) }, "rows of 0 values"},
		{"not a number", func(a map[string]*npy.Array) { a["orig_L0"] = npy.New([]float32{1, 2, 3, nan}, 2, 2) }, "row 1 dimension 1: NaN"},
		{"whole numbers", func(a map[string]*npy.Array) { a["orig_L0"] = npy.New([]int64{1, 2, 3, 4}, 2, 2) }, "type int64, expected float32"},
		{"category", func(a map[string]*npy.Array) { a["categories_L0"] = npy.New([]string{"below", "../../x"}) }, `"../../x", expected one of`},
		{"axis", func(a map[string]*npy.Array) { a["groups_L0"] = npy.New([]string{"vertical", "vertical"}) }, `"vertical", but the category is "far"`},
		{"block", func(a map[string]*npy.Array) { a["orig_L99999999"] = a["orig_L0"] }, "is no block"},
		{"signed block", func(a map[string]*npy.Array) { a["orig_L+1"] = a["orig_L0"] }, "is no block"},
		{"answers of some blocks", func(a map[string]*npy.Array) { a["is_correct_orig_L0"] = npy.New([]bool{true, true}) }, "is_correct_swap"},
		{"flags", func(a map[string]*npy.Array) {
			a["is_correct_orig_L0"], a["is_correct_swap_L0"] = npy.New([]int64{1, 1}), npy.New([]bool{true, true})
		}, "is_correct_orig_L0"},
		{"labels", func(a map[string]*npy.Array) { a["indices_L0"] = npy.New([]bool{true, true}) }, "expected numbers or texts"},
		{"another number of labels", func(a map[string]*npy.Array) { a["indices_L0"] = npy.New([]int64{1}) }, "shape [1], expected [2]"},
		{"contradicting answers", func(a map[string]*npy.Array) {
			for _, stem := range []string{"orig", "swap", "delta", "groups", "categories", "indices"} {
				a[stem+"_L3"] = a[stem+"_L0"]
			}
			for _, name := range []string{"is_correct_orig_L0", "is_correct_swap_L0", "is_correct_orig_L3"} {
				a[name] = npy.New([]bool{true, true})
			}
			a["is_correct_swap_L3"] = npy.New([]bool{true, false})
		}, "differs from another block's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vectors_x.npz")
			arrays := hostileArrays()
			c.spoil(arrays)
			writeArrays(t, path, arrays)
			v, _, err := ReadVectors(path)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if v.Pairs[0].Category != "below" || v.Pairs[0].ID == v.Pairs[1].ID && v.Pairs[0].Category == v.Pairs[1].Category {
					t.Errorf("pairs %+v", v.Pairs)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected one with %q", err, c.want)
			}
		})
	}
}

// TestReadVectorsScattered: blocks without a common pair would make room for blocks × pairs, far more than the file.
func TestReadVectorsScattered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vectors_x.npz")
	arrays := map[string]*npy.Array{}
	for b := range 40 {
		name := func(stem string) string { return fmt.Sprintf("%s_L%d", stem, b) }
		for _, stem := range []string{"orig", "swap", "delta"} {
			arrays[name(stem)] = npy.New([]float32{1}, 1, 1)
		}
		arrays[name("groups")], arrays[name("categories")] = npy.New([]string{"distance"}), npy.New([]string{"far"})
		arrays[name("indices")] = npy.New([]int64{int64(b)})
	}
	writeArrays(t, path, arrays)
	if _, _, err := ReadVectors(path); err == nil || !strings.Contains(err.Error(), "different pairs") {
		t.Errorf("error %v", err)
	}
}

func TestAnalyzeVectorsScale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.npz")
	writeArrays(t, path, hostileArrays())
	for scale, want := range map[string]string{"": "does not say the scale", "../x": "letters, digits", "a/b": "letters, digits"} {
		_, err := AnalyzeVectors(context.Background(), VectorsOptions{Path: path, Out: t.TempDir(), Scale: scale})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("scale %q: error %v, expected one with %q", scale, err, want)
		}
	}
}
