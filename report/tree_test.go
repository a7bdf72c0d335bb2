package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"swaprun/analyze"
	"swaprun/internal/released"
	"swaprun/ledger/npy"
)

// testdata/tree holds two output trees of the released scripts on made-up vectors: bridge is the extended script's with quads
// on, release the released one's. Their npz files are the input here, and the trees the expectation.

type loaded struct {
	vectors *analyze.Vectors
	report  *Vectors
	quads   *Quads
	answers []AnswerRow
}

func array[T npy.Element](t testing.TB, r *npy.Reader, name string) []T {
	t.Helper()
	a, err := r.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := npy.Values[T](a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// load reads a scale's vectors from a bridge tree.
func load(t testing.TB, dir, scale string, blocks int) loaded {
	t.Helper()
	r, err := npy.Open(filepath.Join(dir, "npz", "vectors_"+scale+".npz"), npy.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := loaded{vectors: &analyze.Vectors{Answered: true}, report: &Vectors{}, quads: &Quads{}}
	v := out.vectors
	states := map[int][2][]float32{}
	for b := range blocks {
		at := func(stem string) string { return fmt.Sprintf("%s_L%d", stem, b) }
		index, axis, category := array[int64](t, r, at("indices")), array[string](t, r, at("groups")), array[string](t, r, at("categories"))
		right, swapped := array[bool](t, r, at("is_correct_orig")), array[bool](t, r, at("is_correct_swap"))
		before, after := array[float32](t, r, at("orig")), array[float32](t, r, at("swap"))
		v.Width = len(before) / len(index)
		v.Blocks = append(v.Blocks, b)
		states[b] = [2][]float32{before, after}
		for i := range index {
			if b == 0 {
				v.Pairs = append(v.Pairs, analyze.Pair{ID: fmt.Sprint(i), Index: index[i], Category: category[i], Axis: axis[i], CorrectOriginal: right[i], CorrectSwapped: swapped[i]})
				out.report.Pairs = append(out.report.Pairs, VectorPair{fmt.Sprint(index[i]), axis[i], category[i], right[i], swapped[i]})
				v.Original, v.Swapped = append(v.Original, nil), append(v.Swapped, nil)
			}
			v.Original[i] = append(v.Original[i], before[i*v.Width:(i+1)*v.Width]...)
			v.Swapped[i] = append(v.Swapped[i], after[i*v.Width:(i+1)*v.Width]...)
		}
	}
	out.report.Width, out.report.Blocks = v.Width, v.Blocks
	out.report.Block = func(b int) ([]float32, []float32, error) { return states[b][0], states[b][1], nil }

	q, err := npy.Open(filepath.Join(dir, "npz", "cross_group_vectors_"+scale+".npz"), npy.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	v.Quads = &analyze.Quads{Width: v.Width, Blocks: v.Blocks}
	deltas := map[int][2][]float32{}
	for b := range blocks {
		vertical, distance := array[float32](t, q, fmt.Sprintf("delta_vert_L%d", b)), array[float32](t, q, fmt.Sprintf("delta_dist_L%d", b))
		deltas[b] = [2][]float32{vertical, distance}
		n := len(vertical) / v.Width
		for i := range n {
			if b == 0 {
				v.Quads.Quads = append(v.Quads.Quads, analyze.Quad{ID: fmt.Sprint(i), Index: int64(i)})
				v.Quads.Vertical, v.Quads.Distance = append(v.Quads.Vertical, nil), append(v.Quads.Distance, nil)
			}
			v.Quads.Vertical[i] = append(v.Quads.Vertical[i], vertical[i*v.Width:(i+1)*v.Width]...)
			v.Quads.Distance[i] = append(v.Quads.Distance[i], distance[i*v.Width:(i+1)*v.Width]...)
		}
	}
	out.quads = &Quads{Len: len(v.Quads.Quads), Width: v.Width, Blocks: v.Blocks, Block: func(b int) ([]float32, []float32, error) { return deltas[b][0], deltas[b][1], nil }}

	f, err := os.Open(filepath.Join(dir, "csv", "predictions_"+scale+"_all_pairs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		out.answers = append(out.answers, AnswerRow{Index: row[0], Axis: row[1], Category: row[2], Original: row[3], Swapped: row[4], OriginalCorrect: row[5] == "True", SwappedCorrect: row[6] == "True"})
	}
	return out
}

// give computes an artefact's inputs.
func give(t testing.TB, a Artefact, by map[string]loaded) []Material {
	t.Helper()
	var out []Material
	for _, need := range a.Inputs {
		l := by[need.Scale]
		switch need.Source {
		case FromAnswers:
			out = append(out, Material{Answers: l.answers})
		case FromVectors:
			out = append(out, Material{Vectors: l.report})
		case FromQuads:
			out = append(out, Material{Quads: l.quads})
		default:
			m, ok := analyze.Lookup(need.Metric)
			if !ok {
				t.Fatalf("%s needs the unregistered metric %s", a.Paths[0], need.Metric)
			}
			r, err := m.Run(l.vectors, need.Subset, analyze.Options{Draws: 50, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Material{Result: r})
		}
	}
	return out
}

func toySpec(layout Layout, scales ...string) Spec {
	s := Spec{Model: "toy", Blocks: 4, Layers: []int{0, 1, 2, 3}, Quads: true, Layouts: []Layout{layout},
		Subsets: []analyze.Subset{analyze.AllPairs, analyze.BothCorrect},
		Metrics: []string{MetricCoherence, MetricWithinCat, MetricSimilarity, MetricNorm, MetricVDEI, MetricAlignment, MetricPredStats, MetricValidity}}
	for i, name := range scales {
		s.Scales = append(s.Scales, ScaleMark{name, int64(i), i})
	}
	return s
}

func TestReleasedTrees(t *testing.T) {
	by := map[string]loaded{}
	for _, s := range []string{"vanilla", "80k", "2m"} {
		by[s] = load(t, filepath.Join("testdata", "tree", "bridge", "saved_data", "toy_"+s), s, 4)
	}
	for _, tree := range []struct {
		layout Layout
		scales []string
	}{{Bridge, []string{"vanilla", "80k", "2m"}}, {Release, []string{"vanilla", "80k", "2m"}}} {
		t.Run(string(tree.layout), func(t *testing.T) {
			root := filepath.Join("testdata", "tree", string(tree.layout))
			missing := map[string]bool{}
			err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() && d.Name() != "manifest.json" {
					rel, _ := filepath.Rel(root, path)
					missing[strings.TrimPrefix(filepath.ToSlash(rel), "saved_data/")] = true
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range Tree(toySpec(tree.layout, tree.scales...)) {
				var out bytes.Buffer
				err := a.Render(&out, give(t, a, by))
				if errors.Is(err, ErrEmpty) {
					err = nil
					if missing[a.Paths[0]] {
						t.Errorf("%s: nothing to show, but the script wrote it", a.Paths[0])
					}
					continue
				}
				if err != nil {
					t.Error(err)
					continue
				}
				for _, path := range a.Paths {
					if !missing[path] {
						t.Errorf("%s: the script writes no such file", path)
						continue
					}
					delete(missing, path)
					name := filepath.Join(root, "saved_data", filepath.FromSlash(path))
					if strings.HasPrefix(path, "compare/") {
						name = filepath.Join(root, filepath.FromSlash(path))
					}
					want, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					if err := released.Same(path, out.Bytes(), want); err != nil {
						t.Errorf("%s: %v", path, err)
					}
				}
			}
			for path := range missing {
				t.Errorf("%s: not written", path)
			}
		})
	}
}

// The plan needs no result, names no path twice, and never lists an artefact nothing renders.
func TestTree(t *testing.T) {
	for _, layouts := range [][]Layout{nil, {Seed}, {Bridge}, {Release}, {Combined, Release, Bridge}} {
		spec := specOf(syntheticBundle(24, 6).Models[0])
		spec.Layouts = layouts
		spec.Curves = []string{"effect-size"}
		spec.Metrics = append(spec.Metrics, spec.Curves...)
		seen := map[string]string{}
		for _, a := range Tree(spec) {
			if renderers[a.Recipe.Draw] == nil {
				t.Errorf("%s: nothing renders %q", a.Paths[0], a.Recipe.Draw)
			}
			for _, p := range a.Paths {
				if seen[p] != "" {
					t.Errorf("%v: %s is listed by %s and by %s", layouts, p, seen[p], a.Paths[0])
				}
				seen[p] = a.Paths[0]
				if strings.Contains(p, "//") || strings.HasPrefix(p, "/") {
					t.Errorf("bad path %q", p)
				}
			}
		}
		if layouts == nil {
			for _, want := range []string{
				"qwen/json/axis_coherence_80k.json", "qwen/json/axis_coherence_80k_all_pairs.json", "qwen/json/sign_corrected_consistency_80k_both_correct.json",
				"qwen/json/vd_ei_2m.json", "qwen/csv/delta_similarity_80k_L3.csv", "qwen/csv/delta_similarity_80k_L3_all_with_validity.csv", "qwen/csv/summary.csv",
				"qwen/json/cross_alignment_80k.json", "qwen/npz/vectors_80k.npz", "qwen/npz/cross_group_vectors_80k.npz", "qwen/csv/predictions_80k_both_correct.csv",
				"qwen/plots/metrics/axis_coherences.png", "qwen/plots/metrics/vd-ei.png", "qwen/plots/heatmap/heatmap_80k_L2.png", "qwen/plots/all_with_validity/pca/pca_80k_L2.png",
				"qwen/plots/all/cross_scale_sign_corrected.png", "qwen/plots/all/cross_scale_within_cat.png", "qwen/plots/accuracy/accuracy_group_bars.png", "qwen/plots/pca_3d/pca_80k_L1.png",
				"qwen/plots/all/ablation.png", "qwen/plots/all/effect-size/effect-size_80k.png",
			} {
				if seen[want] == "" {
					t.Errorf("the combined tree lacks %s", want)
				}
			}
		}
	}
}

func TestSeedSaysUnder(t *testing.T) {
	by := map[string]loaded{"80k": load(t, filepath.Join("testdata", "tree", "bridge", "saved_data", "toy_80k"), "80k", 4)}
	for _, a := range Tree(toySpec(Seed, "80k")) {
		var out bytes.Buffer
		if err := a.Render(&out, give(t, a, by)); err != nil && !errors.Is(err, ErrEmpty) {
			t.Fatal(err)
		}
		if strings.Contains(a.Paths[0], ".npz") {
			r, err := npy.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()), npy.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Has("labels_L0") && !slices.Contains(array[string](t, r, "labels_L0"), "under") {
				t.Errorf("%s: no category under", a.Paths[0])
			}
			continue
		}
		if text := out.String(); strings.Contains(text, "below") && a.Recipe.Draw != "predictions.csv" {
			t.Errorf("%s says below", a.Paths[0])
		}
	}
}

func TestPythonNumbers(t *testing.T) {
	for _, c := range []struct {
		v    float64
		bits int
		want string
	}{
		{1, 64, "1.0"}, {0, 64, "0.0"}, {math.Copysign(0, -1), 64, "-0.0"}, {0.1, 64, "0.1"}, {1.0 / 3, 64, "0.3333333333333333"},
		{1e-4, 64, "0.0001"}, {9.999e-5, 64, "9.999e-05"}, {1e15, 64, "1000000000000000.0"}, {1e16, 64, "1e+16"}, {1.5e-7, 64, "1.5e-07"}, {1e-100, 64, "1e-100"},
		{float64(float32(0.99999994)), 32, "0.99999994"}, {1, 32, "1.0"}, {float64(float32(5.109992)), 64, "5.109992027282715"}, {float64(float32(1.5e-5)), 32, "1.5e-05"},
		{math.Inf(-1), 64, "-inf"}, {math.NaN(), 64, "nan"},
	} {
		if got := pyFloat(c.v, c.bits); got != c.want {
			t.Errorf("pyFloat(%g, %d) = %s, expected %s", c.v, c.bits, got, c.want)
		}
	}
	if got, want := jsonString("a\"\\\né😀\x01"), `"a\"\\\n\u00e9\ud83d\ude00\u0001"`; got != want {
		t.Errorf("jsonString: %s, expected %s", got, want)
	}
	var back string
	if err := json.Unmarshal([]byte(jsonString("é😀")), &back); err != nil || back != "é😀" {
		t.Errorf("jsonString does not read back: %q, %v", back, err)
	}
}

func TestRenderSaysWhatIsMissing(t *testing.T) {
	a := Tree(toySpec(Bridge, "80k"))[0]
	if err := a.Render(io.Discard, nil); err == nil || !strings.Contains(err.Error(), "expected 1") {
		t.Errorf("no inputs: %v", err)
	}
	if err := a.Render(io.Discard, []Material{{}}); err == nil || !strings.Contains(err.Error(), MetricCoherence) {
		t.Errorf("empty input: %v", err)
	}
	wrong := []Material{{Result: &analyze.Result{Metric: "x", Table: &analyze.Table{}}}}
	if err := a.Render(io.Discard, wrong); err == nil {
		t.Error("a table where a curve is needed passes")
	}
}
