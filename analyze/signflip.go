package analyze

import (
	"math"
	"math/rand/v2"
	"slices"
)

// The sign-flip null asks whether there is any common direction: every signed delta is as likely as its negative.
// T(ε) = (‖Uᵀε‖² − q)/(n(n−1)) over random signs ε, q = Σ‖u‖². With thousands of dimensions its spread is so small that
// significance against it is trivial; it is a floor to draw, not a headline.

// A signFlip is the null of one axis at one block.
type signFlip struct {
	sd    float64   // exact: √(2(‖G‖² − Σ‖u‖⁴))/(n(n−1)), the mean being 0
	draws []float64 // T of each draw; nil without draws
}

// newSignFlip is the null of n deltas whose pair cosines have a mean and a deviation.
func newSignFlip(n int, spread [2]float64, draws []float64) *signFlip {
	pairs := float64(n) * float64(n-1)
	mean, sd := spread[0], spread[1]
	return &signFlip{sd: math.Sqrt(2*(sd*sd+mean*mean)*pairs) / pairs, draws: draws} // Σ G² over i ≠ j is pairs × (sd² + mean²)
}

// signFlips returns T of each draw for every subset and axis, nil where fewer than two deltas leave nothing to flip.
// A pair has the same sign in a draw at every block and in every subset, so that maxima over blocks and axes are joint.
func (g *gram) signFlips(subsets []Subset, o Options) map[Subset][3][]float64 {
	out := map[Subset][3][]float64{}
	if o.Draws == 0 || g.n() == 0 {
		return out
	}
	in := map[Subset][3]bool{}
	for _, s := range subsets {
		var draws [3][]float64
		var enough [3]bool
		for a := range Axes {
			if enough[a] = len(g.axisRows(s, a)) > 1; enough[a] {
				draws[a] = make([]float64, o.Draws)
			}
		}
		out[s], in[s] = draws, enough
	}
	fill := func(w []float64, from, draws int) {
		n := g.n()
		for j := range draws {
			flips(w[j*n:(j+1)*n], g.pairs, rand.NewPCG(o.Seed^0x466c6970, uint64(from+j))) // "Flip"
		}
	}
	g.eachDraw(o.Draws, false, fill, func(d int, s *sums) {
		for _, subset := range subsets {
			m := s.moments(subset)
			for a := range Axes {
				if !in[subset][a] {
					continue
				}
				// Whatever the deltas' own signs: the flips make them irrelevant.
				p, q := 2*a, 2*a+1
				n := m.w2[p] + m.w2[q] // of pairs, as signs square to one
				out[subset][a][d] = (m.unit[p][p] + m.unit[q][q] + 2*m.unit[p][q] - m.udiag[p] - m.udiag[q]) / (n * (n - 1))
			}
		}
	})
	return out
}

// flips writes one draw's signs to eps [len(pairs)]: pair p has bit p of the stream, filling (a negative pair) none.
func flips(eps []float64, pairs []int, src *rand.PCG) {
	words := make([]uint64, max(slices.Max(pairs), 0)/64+1)
	for i := range words {
		words[i] = src.Uint64()
	}
	for i, p := range pairs {
		eps[i] = 0
		if p >= 0 {
			eps[i] = 1 - 2*float64(words[p/64]>>(p%64)&1)
		}
	}
}

// null is the band and the one-sided p-value of an observed coherence.
func (f *signFlip) null(observed float64) *Null {
	n := &Null{Low: -z95 * f.sd, High: z95 * f.sd}
	if len(f.draws) < 40 {
		return n
	}
	sorted := slices.Clone(f.draws)
	slices.Sort(sorted)
	n.Low, n.High = quantile(sorted, 0.025), quantile(sorted, 0.975)
	n.P = number(monteCarloP(f.draws, observed))
	return n
}

// monteCarloP is (b+1)/(B+1) with b the draws at least as large as observed.
func monteCarloP(draws []float64, observed float64) float64 {
	b := 0
	limit := observed - 1e-12*math.Abs(observed) // rounding must not decide ties
	for _, d := range draws {
		if d >= limit {
			b++
		}
	}
	return float64(b+1) / float64(len(draws)+1)
}

// adjustByMaximum fills the adjusted p-values of coherences: the share of draws whose largest standardised coherence over all
// axes and blocks reaches the observed one (single-step max-T; Westfall and Young 1993).
func (s *summary) adjustByMaximum(subset Subset, draws int) {
	if draws == 0 {
		return
	}
	largest := make([]float64, draws)
	for d := range largest {
		largest[d] = math.Inf(-1)
	}
	for _, subsets := range s.blocks {
		f := subsets[subset]
		for _, flip := range f.flips {
			if flip != nil && flip.sd > 0 {
				for d, x := range flip.draws {
					largest[d] = max(largest[d], x/flip.sd)
				}
			}
		}
	}
	for _, subsets := range s.blocks {
		f := subsets[subset]
		for a, flip := range f.flips {
			e := f.estimates["coherence/"+Axes[a]]
			if flip != nil && flip.sd > 0 && e.Null != nil && e.Value != nil {
				e.Null.Adjusted = number(monteCarloP(largest, *e.Value/flip.sd))
			}
			if flip != nil {
				flip.draws = nil // no longer needed
			}
		}
	}
}
