package analyze

import "math"

func init() {
	RegisterComparison(Comparison{
		Name: "detectable-difference", Version: 1, Title: "What a change of accuracy must be to be found", Shape: ShapeTable, Answers: true, Subsets: []Subset{AllPairs},
		About: "Smallest change of the share of pairs with both answers right, against the first checkpoint, that a two-sided paired test at 5 % finds four times in " +
			"five, given how many pairs there are and how many of them the two checkpoints answer differently. A smaller change that is not found says nothing.",
		Compute: detectableDifference,
	})
}

// z80 is the normal quantile of a power of 80 %.
const z80 = 0.8416212335729143

// detectable is the smallest difference of paired proportions that a test of n pairs finds at 5 % with a power of 80 %, when a share of
// the pairs is discordant: (z₀.₉₇₅ + z₀.₈)·√(share/n), the normal form of McNemar's test. At most all discordant pairs can differ.
func detectable(share float64, n int) float64 {
	return min((z95+z80)*math.Sqrt(share/float64(n)), share)
}

// detectableDifference has a row for each axis, for all pairs, and for distance pairs of each known layout; a column for each later checkpoint.
func detectableDifference(names []string, vs []*Vectors, subset Subset, o Options) (*Result, error) {
	t := &Table{Unit: "share of right answers", Columns: names[1:],
		Method: "95 %: at the limits of the Wilson interval of the share of pairs answered differently; absent where no pair is"}
	add := func(key string, in func(p *Pair) bool) {
		row := TableRow{Key: key}
		asked := 0
		for _, v := range vs[1:] {
			var n, discordant int
			for i := range v.Pairs {
				if p := &v.Pairs[i]; in(p) {
					n++
					if p.BothCorrect() != vs[0].Pairs[i].BothCorrect() {
						discordant++
					}
				}
			}
			asked += n
			e := Estimate{N: n}
			if discordant > 0 {
				low, high := Wilson(discordant, n)
				e.Value, e.Low, e.High = number(detectable(float64(discordant)/float64(n), n)), number(detectable(low, n)), number(detectable(high, n))
			}
			row.Cells = append(row.Cells, e)
		}
		if asked > 0 {
			t.Rows = append(t.Rows, row)
		}
	}
	for _, axis := range Axes {
		add(axis, func(p *Pair) bool { return p.Axis == axis })
	}
	for _, l := range layouts {
		if l != LayoutUnknown {
			add(string(l), func(p *Pair) bool { return p.Axis == Axes[2] && p.Layout == l })
		}
	}
	add("overall", func(*Pair) bool { return true })
	return &Result{Table: t}, nil
}
