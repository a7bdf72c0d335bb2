package analyze

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

func init() {
	Register(Metric{
		Name: "recommended-block", Version: 2, Title: "Recommended block", Shape: ShapeTable,
		About: "Block where the weakest axis is nearest its peak, among blocks near some axis' peak and not among the last 7 % (the released " +
			"recommend_layer); its interval is over bootstrap draws of the whole choice.",
		Compute: recommendedBlock,
	})
}

// plateauShare is the released code's own: a block belongs to an axis' plateau from this share of the peak on.
const plateauShare = 0.85

// A Recommendation is what the released recommend_layer returns.
type Recommendation struct {
	Range    []int            // candidate blocks, ascending
	Top      []int            // best first
	Best     *int             // nil: no candidate
	Criteria []string         // that were applied
	Warnings []string         // in the released words
	Plateau  map[string][]int // by axis; nil if no block was considered
	Stable   []int            // blocks whose VD-EI varies no more than the median around them; reported, never used
	Cutoff   *int             // last block that is not too late; nil if the number of blocks is unknown
}

// Recommend chooses among the blocks that have both a VD-EI and the coherence of some axis. coherence is by axis and block, vdei by
// block; total is the model's number of blocks, nil if unknown; k is how many to list, at least one; late is the share
// of the last blocks to leave out (0.07 in the paper).
func Recommend(coherence map[string]map[int]float64, vdei map[int]float64, total *int, k int, late float64) Recommendation {
	var r Recommendation
	var blocks []int
	for b := range vdei {
		for _, axis := range Axes {
			if _, ok := coherence[axis][b]; ok {
				blocks = append(blocks, b)
				break
			}
		}
	}
	slices.Sort(blocks)
	if len(blocks) == 0 {
		r.Warnings = []string{"no overlapping layers between axis_coh and vd_ei"}
		return r
	}
	r.Plateau = map[string][]int{}
	peak := map[string]float64{}
	union := map[int]bool{}
	for _, axis := range Axes {
		r.Plateau[axis] = nil
		best := math.Inf(-1)
		for _, c := range coherence[axis] {
			best = max(best, c)
		}
		switch {
		case len(coherence[axis]) == 0:
			r.Warnings = append(r.Warnings, fmt.Sprintf("axis '%s' has no coherence data; excluded from union", axis))
			continue
		case best <= 0:
			r.Warnings = append(r.Warnings, fmt.Sprintf("axis '%s' peak coherence <= 0; excluded from union", axis))
			continue
		}
		peak[axis] = best
		// All blocks of the axis, those without a VD-EI too: these only drop out of the range below.
		for b, c := range coherence[axis] {
			if c >= plateauShare*best {
				r.Plateau[axis] = append(r.Plateau[axis], b)
				union[b] = true
			}
		}
		slices.Sort(r.Plateau[axis])
	}
	// A total of zero skips the cut but counts as given in the list of criteria, as in the released code.
	if total != nil && *total > 0 {
		cut := int(math.RoundToEven(float64(*total) * (1 - late)))
		r.Cutoff = &cut
	} else {
		r.Warnings = append(r.Warnings, "total_layers not provided; criterion 3 (avoid final layers) skipped")
	}
	for _, b := range blocks {
		if union[b] && (r.Cutoff == nil || b <= *r.Cutoff) {
			r.Range = append(r.Range, b)
		}
	}
	r.Stable = stableBlocks(vdei)
	if len(r.Range) == 0 {
		r.Warnings = append(r.Warnings, emptyRange)
		return r
	}
	r.Criteria = []string{"candidate_range"}
	if total != nil {
		r.Criteria = append(r.Criteria, "not_late")
	}
	score := func(b int) float64 {
		worst := 1.0
		for _, axis := range Axes {
			if p := peak[axis]; p > 0 {
				worst = min(worst, coherence[axis][b]/p) // a block without the axis counts zero
			}
		}
		return worst
	}
	ranked := slices.Clone(r.Range)
	slices.SortFunc(ranked, func(a, b int) int {
		return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(b, a)) // ties to the deeper block
	})
	r.Top = ranked[:min(max(k, 1), len(ranked))]
	best := r.Top[0]
	r.Best = &best
	return r
}

// emptyRange is the released warning, word for word.
const emptyRange = "candidate_range is empty after applying not_late — likely a pathological case (e.g. all per-axis peaks fall in the last " +
	"`exclude_last_frac` of layers). Try a smaller exclude_last_frac (very deep / MoE models often have plateaus in the last few layers). " +
	"Returning recommended=None; the caller should inspect plots/metrics/{axis_coherences,vd-ei}.png manually."

// stableBlocks are the blocks around which VD-EI deviates, within three places to either side, no more
// than it does around the median block.
func stableBlocks(vdei map[int]float64) []int {
	const window = 3
	blocks := slices.Sorted(maps.Keys(vdei))
	spread := make([]float64, len(blocks))
	for i := range blocks {
		var x []float64
		for _, b := range blocks[max(0, i-window):min(len(blocks), i+window+1)] {
			x = append(x, vdei[b])
		}
		_, spread[i] = meanSD(x)
	}
	middle := median(slices.Clone(spread))
	var out []int
	for i, b := range blocks {
		if spread[i] <= middle {
			out = append(out, b)
		}
	}
	return out
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	if n%2 == 1 {
		return x[n/2]
	}
	return (x[n/2-1] + x[n/2]) / 2
}

// recommendedBlock lists the choice and, for each candidate, how often the bootstrap makes the same choice.
func recommendedBlock(v *Vectors, subset Subset, o Options) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	total := 0
	if len(v.Blocks) > 0 {
		total = v.Blocks[len(v.Blocks)-1] + 1
	}
	choose := func(value func(f *facts, key string) float64) Recommendation {
		coherence, vdei := map[string]map[int]float64{}, map[int]float64{}
		for b, block := range v.Blocks {
			f := s.facts(b, subset)
			for _, axis := range Axes {
				if c := value(f, "coherence/"+axis); !math.IsNaN(c) {
					if coherence[axis] == nil {
						coherence[axis] = map[int]float64{}
					}
					coherence[axis][block] = c
				}
			}
			if e := value(f, "released/vd"); !math.IsNaN(e) {
				vdei[block] = e
			}
		}
		return Recommend(coherence, vdei, &total, 3, 0.07)
	}
	r := choose(func(f *facts, key string) float64 {
		if e := f.estimates[key].Value; e != nil {
			return *e
		}
		return math.NaN()
	})
	chosen := map[int]int{}
	var picks []float64
	for d := range o.Draws {
		c := choose(func(f *facts, key string) float64 {
			if draws := f.draws[key]; draws != nil {
				return draws[d]
			}
			return math.NaN()
		})
		if c.Best != nil {
			chosen[*c.Best]++
			picks = append(picks, float64(*c.Best))
		}
	}
	t := &Table{Columns: []string{"block", "share of draws"}, Unit: "block, share", Method: s.method}
	row := func(key string, block int) {
		value := float64(block)
		cells := []Estimate{{Value: &value, N: len(v.Blocks)}, {}}
		if o.Draws > 0 {
			cells[1] = Estimate{Value: number(float64(chosen[block]) / float64(o.Draws)), N: o.Draws}
		}
		t.Rows = append(t.Rows, TableRow{Key: key, Cells: cells})
	}
	for i, b := range r.Top {
		row(fmt.Sprintf("choice %d", i+1), b)
	}
	if len(t.Rows) > 0 && len(picks) > 20 {
		slices.Sort(picks)
		e := &t.Rows[0].Cells[0]
		e.Low, e.High = number(quantile(picks, 0.025)), number(quantile(picks, 0.975))
	}
	notes := r.Warnings
	if len(r.Range) > 0 {
		notes = append(notes, fmt.Sprintf("plateau: blocks %d to %d (within %.0f %% of some axis' peak, not after block %d)", r.Range[0], r.Range[len(r.Range)-1], 100*plateauShare, *r.Cutoff))
	}
	return &Result{Table: t, Notes: notes}, nil
}
