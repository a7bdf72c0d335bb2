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

// signFlips returns the null of every axis from the mean and deviation of its pair cosines, nil where fewer than two deltas
// leave nothing to flip.
// Draw b has the same sign for a pair at every block, so that maxima over blocks and axes are joint.
func (g *gram) signFlips(subset Subset, spreads [3][2]float64, o Options) [3]*signFlip {
	var out [3]*signFlip
	for a := range Axes {
		rows := g.axisRows(subset, a)
		n := len(rows)
		if n < 2 {
			continue
		}
		pairs := float64(n) * float64(n-1)
		mean, sd := spreads[a][0], spreads[a][1]
		f := &signFlip{sd: math.Sqrt(2*(sd*sd+mean*mean)*pairs) / pairs} // Σ G² over i ≠ j is pairs × (sd² + mean²)
		out[a] = f
		if o.Draws == 0 {
			continue
		}
		ld := whole(n)
		at, u := make([]int, n), borrow[float64](n*ld) // G up to signs, which the flips make irrelevant, without its diagonal
		for x, i := range rows {
			at[x] = g.pairs[i]
			for y, j := range rows {
				if i != j {
					u[x*ld+y] = g.cosine(i, j)
				}
			}
		}
		eps, y := borrow[float64](batch*ld), borrow[float64](batch*ld)
		for from := 0; from < o.Draws; from += batch {
			m := min(batch, o.Draws-from)
			for j := range m {
				flips(eps[j*ld:j*ld+n], at, rand.NewPCG(o.Seed^0x466c6970, uint64(from+j))) // "Flip"
			}
			clear(y)
			rowsByRows(y, ld, u, ld, eps, ld, n, m, ld, nil)
			for j := range m {
				f.draws = append(f.draws, dot(eps[j*ld:j*ld+n], y[j*ld:j*ld+n])/pairs)
			}
		}
		giveBack(u)
		giveBack(eps)
		giveBack(y)
	}
	return out
}

// flips writes one draw's signs to eps [len(pairs)]: pair p has bit p of the stream.
func flips(eps []float64, pairs []int, src *rand.PCG) {
	words := make([]uint64, slices.Max(pairs)/64+1)
	for i := range words {
		words[i] = src.Uint64()
	}
	for i, p := range pairs {
		eps[i] = 1 - 2*float64(words[p/64]>>(p%64)&1)
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
