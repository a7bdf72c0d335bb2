package analyze

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"swaprun/ledger/npy"
)

// The sets in testdata/golden hold vectors, what the released functions make of them ("expected.json"), the same
// definitions in float64 ("exact" in it) and principal component scores by a full float64 decomposition ("pca.npz").
// The released arithmetic is float32, off the exact values by up to 4.8e-7.
const (
	releasedTolerance = 1e-6
	exactTolerance    = 1e-12
)

var goldenSets = []string{"horizontal", "many", "missing", "ragged", "small", "still", "wide", "zeros"}

type spreadJSON struct {
	Mean, Std float64
	N         int
}

type similarityJSON struct {
	Categories []string
	Matrix     [][]float64
}

type metricsJSON struct {
	Within     map[string]spreadJSON         `json:"within_cat_consistency"`
	Axis       map[string]spreadJSON         `json:"axis_coherence"`
	Similarity map[string]similarityJSON     `json:"delta_similarity"`
	Norm       map[string]map[string]float64 `json:"delta_norm"`
	VDEI       map[string]float64            `json:"vd_ei"`
	Paper      map[string]float64            `json:"vd_ei_paper"`
	Alignment  map[string]alignmentJSON      `json:"cross_alignment"`
	Exact      *metricsJSON
}

type alignmentJSON struct {
	PerSampleMean float64 `json:"per_sample_mean"`
	PerSampleStd  float64 `json:"per_sample_std"`
	MeanDelta     float64 `json:"mean_delta_alignment"`
	PermMean      float64 `json:"permutation_mean"`
	PermStd       float64 `json:"permutation_std"`
	N             int     `json:"n_samples"`
}

type goldenJSON struct {
	metricsJSON
	Pred     map[string]any `json:"pred_stats"`
	Validity map[string]struct {
		N        int
		Orig     float64 `json:"acc_orig"`
		Swap     float64 `json:"acc_swap"`
		Reliable bool
	} `json:"category_validity"`
	Both      *metricsJSON  `json:"both_correct"`
	Recommend recommendJSON `json:"recommend_layer"`
}

type golden struct {
	vectors  *Vectors
	expected goldenJSON
	pca      map[string]*npy.Array
}

// readGolden loads one set; the vectors are laid out as captures are, [block, width] for each pair.
func readGolden(t testing.TB, set string) *golden {
	t.Helper()
	dir := filepath.Join("testdata", "golden", set)
	g := &golden{pca: map[string]*npy.Array{}}
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g.expected); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		r, err := npy.Open(f, npy.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		arrays := map[string]*npy.Array{}
		for _, name := range r.Names() {
			a, err := r.Array(name)
			if err != nil {
				t.Fatal(err)
			}
			arrays[name] = a
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		switch base := filepath.Base(f); {
		case strings.Contains(base, "-"):
			// The same vectors, stored another way: for readers of files.
		case base == "pca.npz":
			g.pca = arrays
		case strings.HasPrefix(base, "vectors_"):
			g.vectors = vectorsOf(t, arrays)
		}
	}
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "cross_group_") {
			r, err := npy.Open(f, npy.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			g.vectors.Quads = quadsOf(t, r)
			r.Close()
		}
	}
	return g
}

func values[T npy.Element](t testing.TB, a *npy.Array) []T {
	t.Helper()
	v, err := npy.Values[T](a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func blocksIn(names []string, prefix string) []int {
	var blocks []int
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, prefix+"_L"); ok {
			b, err := strconv.Atoi(rest)
			if err == nil {
				blocks = append(blocks, b)
			}
		}
	}
	slices.Sort(blocks)
	return blocks
}

func vectorsOf(t testing.TB, arrays map[string]*npy.Array) *Vectors {
	t.Helper()
	var names []string
	for n := range arrays {
		names = append(names, n)
	}
	v := &Vectors{Blocks: blocksIn(names, "delta")}
	position := map[int64]int{}
	// Blocks may lack pairs; records are in the order of the longest block.
	longest := slices.MaxFunc(v.Blocks, func(a, b int) int {
		return arrays[fmt.Sprintf("indices_L%d", a)].Shape[0] - arrays[fmt.Sprintf("indices_L%d", b)].Shape[0]
	})
	for b, block := range append([]int{longest}, v.Blocks...) {
		at := func(name string) *npy.Array { return arrays[fmt.Sprintf("%s_L%d", name, block)] }
		index := values[int64](t, at("indices"))
		v.Width = at("orig").Shape[1]
		original, swapped, delta := values[float32](t, at("orig")), values[float32](t, at("swap")), values[float32](t, at("delta"))
		category, axis := values[string](t, at("categories")), values[string](t, at("groups"))
		var rightO, rightS []bool
		if at("is_correct_orig") != nil {
			v.Answered = true
			rightO, rightS = values[bool](t, at("is_correct_orig")), values[bool](t, at("is_correct_swap"))
		}
		for r, id := range index {
			if b == 0 {
				p := Pair{ID: fmt.Sprint(id), Index: id, Category: category[r], Axis: axis[r]}
				if v.Answered {
					p.CorrectOriginal, p.CorrectSwapped = rightO[r], rightS[r]
				}
				position[id] = len(v.Pairs)
				v.Pairs = append(v.Pairs, p)
				v.Original = append(v.Original, make([]float32, len(v.Blocks)*v.Width))
				v.Swapped = append(v.Swapped, make([]float32, len(v.Blocks)*v.Width))
				absent := make([]bool, len(v.Blocks))
				for i := range absent {
					absent[i] = true
				}
				v.Absent = append(v.Absent, absent)
				continue
			}
			i, ok := position[id]
			if !ok {
				t.Fatalf("block %d has pair %d, block %d has not", block, id, longest)
			}
			v.Absent[i][b-1] = false
			copy(v.original(i, b-1), original[r*v.Width:])
			copy(v.swapped(i, b-1), swapped[r*v.Width:])
			for k := range v.Width {
				if d := swapped[r*v.Width+k] - original[r*v.Width+k]; d != delta[r*v.Width+k] {
					t.Fatalf("block %d, pair %d, dimension %d: delta %v, stored %v", block, id, k, d, delta[r*v.Width+k])
				}
			}
		}
	}
	return v
}

func quadsOf(t testing.TB, r *npy.Reader) *Quads {
	t.Helper()
	q := &Quads{Blocks: blocksIn(r.Names(), "delta_vert")}
	for b, block := range q.Blocks {
		for side, to := range map[string]*[][]float32{"vert": &q.Vertical, "dist": &q.Distance} {
			a, err := r.Array(fmt.Sprintf("delta_%s_L%d", side, block))
			if err != nil {
				t.Fatal(err)
			}
			x := values[float32](t, a)
			n := a.Shape[0]
			q.Width = a.Shape[1]
			for i := range n {
				if len(*to) <= i {
					*to = append(*to, make([]float32, len(q.Blocks)*q.Width))
				}
				copy((*to)[i][b*q.Width:], x[i*q.Width:(i+1)*q.Width])
			}
			for len(q.Quads) < n {
				q.Quads = append(q.Quads, Quad{ID: fmt.Sprint(len(q.Quads)), Index: int64(len(q.Quads))})
			}
		}
	}
	// A block with fewer rows lacks quads; which ones does not matter to any number.
	q.Absent = make([][]bool, len(q.Quads))
	for i := range q.Absent {
		q.Absent[i] = make([]bool, len(q.Blocks))
	}
	for b, block := range q.Blocks {
		a, err := r.Array(fmt.Sprintf("delta_vert_L%d", block))
		if err != nil {
			t.Fatal(err)
		}
		for i := a.Shape[0]; i < len(q.Quads); i++ {
			q.Absent[i][b] = true
		}
	}
	return q
}

func run(t testing.TB, v *Vectors, name string, s Subset, o Options) *Result {
	t.Helper()
	m, ok := Lookup(name)
	if !ok {
		t.Fatalf("no metric %q", name)
	}
	r, err := m.Run(v, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near fails unless got lies within the tolerance of want.
func near(t *testing.T, what string, got *float64, want, tolerance float64) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: absent, expected %v", what, want)
	} else if !(math.Abs(*got-want) <= tolerance) {
		t.Errorf("%s: %v, expected %v: off by %.3g, tolerance %.0e", what, *got, want, math.Abs(*got-want), tolerance)
	}
}

func checkSpreads(t *testing.T, what string, c *Curve, want map[string]spreadJSON, tolerance float64) {
	t.Helper()
	found := 0
	for _, l := range c.Lines {
		for _, p := range l.Points {
			key := fmt.Sprintf("%s_L%d", l.Key, p.Block)
			w, ok := want[key]
			if !ok {
				if p.Value != nil {
					t.Errorf("%s %s: %v, expected nothing", what, key, *p.Value)
				}
				continue
			}
			found++
			near(t, what+" "+key, p.Value, w.Mean, tolerance)
			near(t, what+" std "+key, p.SD, w.Std, tolerance)
			if p.N != w.N {
				t.Errorf("%s %s: n = %d, expected %d", what, key, p.N, w.N)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%s: %d values, expected %d", what, found, len(want))
	}
}

func checkLine(t *testing.T, what string, c *Curve, key string, want map[string]float64, tolerance float64) {
	t.Helper()
	found := 0
	for _, l := range c.Lines {
		if l.Key != key {
			continue
		}
		for _, p := range l.Points {
			w, ok := want[strconv.Itoa(p.Block)]
			if !ok {
				if p.Value != nil {
					t.Errorf("%s L%d: %v, expected nothing", what, p.Block, *p.Value)
				}
				continue
			}
			found++
			near(t, fmt.Sprintf("%s L%d", what, p.Block), p.Value, w, tolerance)
		}
	}
	if found != len(want) {
		t.Errorf("%s: %d values, expected %d", what, found, len(want))
	}
}

func checkSimilarity(t *testing.T, r *Result, want map[string]similarityJSON, tolerance float64) {
	t.Helper()
	for _, g := range r.Grids {
		w := want[fmt.Sprintf("L%d", g.Block)]
		for i, row := range g.Rows {
			for j, col := range g.Cols {
				a, b := slices.Index(w.Categories, row), slices.Index(w.Categories, col)
				if a < 0 || b < 0 {
					if len(w.Categories) > 0 && g.Cells[i][j].Value != nil {
						t.Errorf("similarity L%d %s %s: present", g.Block, row, col)
					}
					continue
				}
				near(t, fmt.Sprintf("similarity L%d %s %s", g.Block, row, col), g.Cells[i][j].Value, w.Matrix[a][b], tolerance)
			}
		}
	}
}

func TestGoldenMetrics(t *testing.T) {
	for _, set := range goldenSets {
		t.Run(set, func(t *testing.T) {
			g := readGolden(t, set)
			for _, draws := range []int{0, 40} {
				o := Options{Draws: draws, Seed: 1}
				check := func(s Subset, want, exact *metricsJSON) {
					t.Run(fmt.Sprintf("%s/%d", s, draws), func(t *testing.T) {
						axis, within := run(t, g.vectors, "axis-coherence", s, o).Curve, run(t, g.vectors, "within-category", s, o).Curve
						checkSpreads(t, "coherence", axis, want.Axis, releasedTolerance)
						checkSpreads(t, "exact coherence", axis, exact.Axis, exactTolerance)
						checkSpreads(t, "within", within, want.Within, releasedTolerance)
						checkSpreads(t, "exact within", within, exact.Within, exactTolerance)
						similarity := run(t, g.vectors, "delta-similarity", s, o)
						checkSimilarity(t, similarity, want.Similarity, releasedTolerance)
						checkSimilarity(t, similarity, exact.Similarity, exactTolerance)
						vd := run(t, g.vectors, "vd-ei", s, o).Curve
						if want.VDEI != nil {
							checkLine(t, "vd-ei", vd, "vd-ei", want.VDEI, releasedTolerance)
						}
						checkLine(t, "exact vd-ei", vd, "vd-ei", exact.VDEI, exactTolerance)
						checkLine(t, "exact vd-ei-paper", vd, "vd-ei-paper", exact.Paper, exactTolerance)
						norm := run(t, g.vectors, "delta-norm", s, o).Curve
						for _, l := range norm.Lines {
							for _, p := range l.Points {
								w, ok := want.Norm[fmt.Sprintf("L%d", p.Block)][l.Key]
								if ok {
									// A float32 mean of norms: 1e-6 of its size.
									near(t, fmt.Sprintf("norm %s L%d", l.Key, p.Block), p.Value, w, releasedTolerance*max(1, w))
								} else if p.Value != nil && len(want.Norm[fmt.Sprintf("L%d", p.Block)]) > 0 {
									t.Errorf("norm %s L%d: present", l.Key, p.Block)
								}
							}
						}
					})
				}
				check(AllPairs, &g.expected.metricsJSON, g.expected.Exact)
				check(AllWithValidity, &g.expected.metricsJSON, g.expected.Exact)
				if g.expected.Both != nil {
					check(BothCorrect, g.expected.Both, g.expected.Both.Exact)
				}
			}
		})
	}
}

func TestGoldenAccuracy(t *testing.T) {
	for _, set := range goldenSets {
		g := readGolden(t, set)
		if !g.vectors.Answered {
			if _, err := metrics["pred-stats"].Run(g.vectors, AllPairs, Options{}); err == nil {
				t.Errorf("%s: accuracies without answers", set)
			}
			continue
		}
		for _, row := range run(t, g.vectors, "pred-stats", AllPairs, Options{}).Table.Rows {
			for i, column := range []string{"acc_orig", "acc_swap", "acc_both"} {
				want, _ := g.expected.Pred[row.Key+"_"+column].(float64)
				got := 0.0
				if row.Cells[i].Value != nil {
					got = *row.Cells[i].Value
				}
				if got != want {
					t.Errorf("%s: %s %s: %v, expected %v", set, row.Key, column, got, want)
				}
			}
			if n, _ := g.expected.Pred[row.Key+"_n"].(float64); row.Cells[0].N != int(n) {
				t.Errorf("%s: %s: n = %d, expected %v", set, row.Key, row.Cells[0].N, n)
			}
		}
		for _, row := range run(t, g.vectors, "category-validity", AllPairs, Options{}).Table.Rows {
			w := g.expected.Validity[row.Key]
			got := [2]float64{}
			for i := range got {
				if v := row.Cells[i].Value; v != nil {
					got[i] = *v
				}
			}
			if got != [2]float64{w.Orig, w.Swap} || row.Cells[0].N != w.N || (row.Mark == "") != w.Reliable {
				t.Errorf("%s: %s: %v of %d, %q; expected %+v", set, row.Key, got, row.Cells[0].N, row.Mark, w)
			}
		}
	}
}

func TestGoldenPCA(t *testing.T) {
	for _, set := range goldenSets {
		g := readGolden(t, set)
		found := 0
		for _, s := range []Subset{AllPairs, BothCorrect} {
			if s == BothCorrect && !g.vectors.Answered {
				continue
			}
			for _, c := range run(t, g.vectors, "pca", s, Options{}).Clouds {
				name := fmt.Sprintf("%s/%s_L%d", s, c.View, c.Block)
				a := g.pca[name]
				if a == nil {
					t.Errorf("%s: %s: a cloud, expected none", set, name)
					continue
				}
				found++
				want, k := values[float64](t, a), a.Shape[1]
				if a.Shape[0] != len(c.Points) {
					t.Errorf("%s: %s: %d points, expected %d", set, name, len(c.Points), a.Shape[0])
					continue
				}
				largest := 0.0
				for _, x := range want {
					largest = max(largest, math.Abs(x))
				}
				for j := range k {
					sign, best := 1.0, 0.0
					for i, p := range c.Points {
						if x := want[i*k+j]; math.Abs(x) > best {
							best = math.Abs(x)
							sign = math.Copysign(1, x*p.At[j])
						}
					}
					for i, p := range c.Points {
						if math.Abs(sign*p.At[j]-want[i*k+j]) > 1e-6*largest {
							t.Fatalf("%s: %s: point %d, component %d: %v, expected ±%v (largest %v)", set, name, i, j, p.At[j], want[i*k+j], largest)
						}
					}
				}
			}
		}
		if found != len(g.pca) {
			t.Errorf("%s: %d clouds, expected %d", set, found, len(g.pca))
		}
	}
}

type recommendJSON struct {
	Range    []int            `json:"candidate_range"`
	Top      []int            `json:"top_k"`
	Best     *int             `json:"recommended"`
	Criteria []string         `json:"criteria_applied"`
	Warnings []string         `json:"warnings"`
	Plateau  map[string][]int `json:"per_group_plateau"`
	Stable   []int            `json:"vd_more_stable_than_median"`
	Cutoff   *int             `json:"cutoff_layer"`
}
