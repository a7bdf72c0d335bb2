package analyze

import (
	"fmt"
	"math"
	"slices"
)

// tinyNorm is the norm below which the released code leaves a delta as it is instead of scaling it to unit length:
// scikit-learn's row normalisation treats float32 norms under 10 ε as zero and divides by one.
// Such a delta counts in n and has a cosine of about 0 with everything.
const tinyNorm = 10 * 0x1p-23

// A cell is the set of pairs that share category and layout. Sums are kept per cell, so that every metric can weight
// categories and layouts as it needs.
type cell struct {
	category int
	layout   Layout
}

// A gram holds the inner products of one block's deltas.
type gram struct {
	pairs []int     // positions in Vectors.Pairs, sorted by cell, [n]
	cells []cell    // those with pairs, by category and layout
	start []int     // cell c has rows start[c] to start[c+1], [len(cells)+1]
	norm  []float64 // ‖δ‖, [n]
	inv   []float64 // what to scale δ with for unit length: 1/‖δ‖, or 1 below tinyNorm, [n]
	k     []float64 // ⟨δ_i, δ_j⟩, [n, n], both halves
}

func (g *gram) n() int { return len(g.pairs) }

// rows returns the half-open range of rows of a category.
func (g *gram) rows(category int) (lo, hi int) {
	lo, hi = -1, -1
	for c, cl := range g.cells {
		if cl.category == category {
			if lo < 0 {
				lo = g.start[c]
			}
			hi = g.start[c+1]
		}
	}
	if lo < 0 {
		return 0, 0
	}
	return lo, hi
}

// axisRows returns the half-open range of rows of an axis: its two categories follow each other.
func (g *gram) axisRows(axis int) (lo, hi int) {
	lo, mid := g.rows(2 * axis)
	lo2, hi := g.rows(2*axis + 1)
	switch {
	case lo == mid:
		return lo2, hi
	case lo2 == hi:
		return lo, mid
	}
	return lo, hi
}

// sign is s of a row.
func (g *gram) sign(row int) float64 {
	c, _ := slices.BinarySearch(g.start, row+1)
	return signOf(g.cells[c-1].category)
}

// newGram computes the inner products of all pairs that have position b of v.Blocks.
// cross false leaves out products between different axes: coherence needs none.
// A state that is not finite is an error that names the pair.
func newGram(v *Vectors, b int, cross bool) (*gram, error) {
	g := &gram{}
	for c := range Categories {
		for _, l := range layouts {
			at := len(g.pairs)
			for i := range v.Pairs {
				if v.Pairs[i].Layout == l && v.Pairs[i].Category == Categories[c] && v.has(i, b) {
					g.pairs = append(g.pairs, i)
				}
			}
			if len(g.pairs) > at {
				g.cells = append(g.cells, cell{c, l})
				g.start = append(g.start, at)
			}
		}
	}
	n := len(g.pairs)
	g.start = append(g.start, n)
	fill := func(dst []float64, r, at int) {
		i := g.pairs[r]
		original, swapped := v.original(i, b)[at:], v.swapped(i, b)[at:]
		for k := range dst {
			dst[k] = float64(swapped[k] - original[k]) // rounded to float32 first: that is the delta
		}
	}
	g.k = make([]float64, n*n)
	if cross {
		products(g.k, n, v.Width, fill, 0, n)
	} else {
		for a := range Axes {
			lo, hi := g.axisRows(a)
			products(g.k, n, v.Width, fill, lo, hi)
		}
	}
	g.norms()
	for r, norm := range g.norm {
		if math.IsNaN(norm) || math.IsInf(norm, 0) {
			p := g.pairs[r]
			return nil, fmt.Errorf("block %d, pair %d (%s): the delta is not finite", v.Blocks[b], p, v.Pairs[p].ID)
		}
	}
	return g, nil
}

// norms fills norm and inv from the diagonal of k.
func (g *gram) norms() {
	n := g.n()
	g.norm, g.inv = make([]float64, n), make([]float64, n)
	for i := range n {
		g.norm[i] = math.Sqrt(g.k[i*n+i])
		g.inv[i] = 1
		if g.norm[i] >= tinyNorm {
			g.inv[i] = 1 / g.norm[i]
		}
	}
}

// sub is the gram of the rows for which keep holds.
func (g *gram) sub(keep func(pair int) bool) *gram {
	s := &gram{}
	var at []int
	for c := range g.cells {
		first := len(at)
		for r := g.start[c]; r < g.start[c+1]; r++ {
			if keep(g.pairs[r]) {
				at = append(at, r)
				s.pairs = append(s.pairs, g.pairs[r])
			}
		}
		if len(at) > first {
			s.cells = append(s.cells, g.cells[c])
			s.start = append(s.start, first)
		}
	}
	s.start = append(s.start, len(at))
	s.k = make([]float64, len(at)*len(at))
	for i, r := range at {
		row, from := s.k[i*len(at):(i+1)*len(at)], g.k[r*g.n():(r+1)*g.n()]
		for j, c := range at {
			row[j] = from[c]
		}
	}
	s.norms()
	return s
}

// cosine is G_ij without signs.
func (g *gram) cosine(i, j int) float64 { return g.k[i*g.n()+j] * g.inv[i] * g.inv[j] }

// spread is mean and population deviation of the sign-corrected cosines of all pairs i < j of rows lo to hi, in two passes;
// NaN for fewer than two rows. Within one category signs cancel.
func (g *gram) spread(lo, hi int) (mean, sd float64) {
	if hi-lo < 2 {
		return math.NaN(), math.NaN()
	}
	n, m := g.n(), float64(hi-lo)*float64(hi-lo-1)/2
	scale := make([]float64, hi-lo)
	for i := range scale {
		scale[i] = g.inv[lo+i] * g.sign(lo+i)
	}
	var sum float64
	for i := lo + 1; i < hi; i++ {
		var part float64
		for j, x := range g.k[i*n+lo : i*n+i] {
			part += x * scale[j]
		}
		sum += part * scale[i-lo]
	}
	mean = sum / m
	var sq float64
	for i := lo + 1; i < hi; i++ {
		var part float64
		si := scale[i-lo]
		for j, x := range g.k[i*n+lo : i*n+i] {
			e := x*scale[j]*si - mean
			part += e * e
		}
		sq += part
	}
	return mean, math.Sqrt(sq / m)
}

// projections are the leave-one-out projections h_i = (Σ_j G_ij − G_ii)/(n−1) of rows lo to hi: the mean
// cosine of one signed delta with all others. Their mean is the coherence. Nil for fewer than two rows.
func (g *gram) projections(lo, hi int) []float64 {
	if hi-lo < 2 {
		return nil
	}
	h := make([]float64, hi-lo)
	n := g.n()
	for i := lo; i < hi; i++ {
		var sum float64
		for j := lo; j < hi; j++ {
			if j != i {
				sum += g.k[i*n+j] * g.inv[j] * g.sign(j)
			}
		}
		h[i-lo] = sum * g.inv[i] * g.sign(i) / float64(hi-lo-1)
	}
	return h
}
