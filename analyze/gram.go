package analyze

import (
	"fmt"
	"math"
)

// tinyNorm is the norm below which the released code leaves a delta as it is instead of scaling it to unit length:
// scikit-learn's row normalisation treats float32 norms under 10 ε as zero and divides by one.
// Such a delta counts in n and has a cosine of about 0 with everything.
const tinyNorm = 10 * 0x1p-23

// A cell is the set of pairs that share category, layout and whether both answers are right. Sums are kept per cell, so
// that every subset and every metric can combine categories and layouts as it needs.
type cell struct {
	category int
	layout   Layout
	both     bool
}

// layoutOf is a distance pair's layout; the other axes are never combined by it.
func layoutOf(p *Pair) Layout {
	if p.Axis != Axes[2] {
		return LayoutUnknown
	}
	return p.Layout
}

// in reports whether the cell's pairs belong to a subset.
func (c cell) in(s Subset) bool { return c.both || s != BothCorrect }

// A gram holds the inner products of one block's deltas. Rows are sorted by cell; each cell is filled up with
// zero deltas to a multiple of the tile, so that products over a cell need no special cases.
type gram struct {
	pairs []int     // positions in Vectors.Pairs, −1 for filling, [n]
	cells []cell    // those with pairs
	start []int     // cell c has rows start[c] to start[c+1], [len(cells)+1]
	norm  []float64 // ‖δ‖, [n]
	inv   []float64 // what to scale δ with for unit length: 1/‖δ‖, or 1 below tinyNorm; 0 for filling; [n]
	sign  []float64 // s, [n]
	k     []float64 // ⟨δ_i, δ_j⟩, [n, n], both halves; anything between axes unless crossed
	cross []float64 // ⟨Σδ, Σδ⟩ of two cells, [cells, cells]; nil if crossed: then k says it
}

func (g *gram) n() int { return len(g.pairs) }

// rows lists the rows of a subset for which the category satisfies want.
func (g *gram) rows(s Subset, want func(category int) bool) []int {
	var out []int
	for c, cl := range g.cells {
		if cl.in(s) && want(cl.category) {
			for r := g.start[c]; r < g.start[c+1] && g.pairs[r] >= 0; r++ {
				out = append(out, r)
			}
		}
	}
	return out
}

// onAxis and inCategory say which categories make up an axis, or one category.
func onAxis(axis int) func(category int) bool     { return func(c int) bool { return c/2 == axis } }
func inCategory(want int) func(category int) bool { return func(c int) bool { return c == want } }

func (g *gram) axisRows(s Subset, axis int) []int { return g.rows(s, onAxis(axis)) }

// newGram computes the inner products of all pairs that have position b of v.Blocks. crossed true computes those between
// different axes too: draws need them one by one, a point estimate only their sums over cells.
// A state that is not finite is an error that names the pair.
func newGram(v *Vectors, b int, crossed bool) (*gram, error) {
	g := &gram{}
	members := map[cell][]int{}
	for i := range v.Pairs {
		if p := &v.Pairs[i]; v.has(i, b) {
			c := cell{categoryOf(p.Category), layoutOf(p), v.Answered && p.BothCorrect()}
			members[c] = append(members[c], i)
		}
	}
	axisStart := [4]int{}
	for c := range Categories {
		axisStart[c/2+1] = len(g.pairs)
		for _, l := range layouts {
			for _, both := range []bool{true, false} {
				of := cell{c, l, both}
				if len(members[of]) == 0 {
					continue
				}
				g.cells, g.start = append(g.cells, of), append(g.start, len(g.pairs))
				g.pairs = append(g.pairs, members[of]...)
				for len(g.pairs)%tileA != 0 {
					g.pairs = append(g.pairs, -1)
				}
			}
		}
		axisStart[c/2+1] = len(g.pairs)
	}
	n := len(g.pairs)
	g.start = append(g.start, n)
	cellOf := make([]int, n)
	g.sign = make([]float64, n)
	for c := range g.cells {
		for r := g.start[c]; r < g.start[c+1]; r++ {
			cellOf[r] = c
			g.sign[r] = signOf(g.cells[c].category)
		}
	}
	var sums []float64 // Σδ by cell, [cells, d]
	if !crossed {
		sums = make([]float64, len(g.cells)*v.Width)
	}
	fill := func(dst []float32, r, at int) {
		i := g.pairs[r]
		if i < 0 {
			clear(dst)
			return
		}
		swapped, original := v.swapped(i, b)[at:at+len(dst)], v.original(i, b)[at:at+len(dst)]
		if crossed {
			sub32(dst, swapped, original)
		} else {
			subSum32(dst, sums[cellOf[r]*v.Width+at:], swapped, original)
		}
	}
	multiply := func(lo, hi int) { products(g.k, n, v.Width, widened(fill), lo, hi) }
	if n*n*v.Width >= singleWork {
		multiply = func(lo, hi int) { products(g.k, n, v.Width, fill, lo, hi) }
	}
	g.k = borrowDirty[float64](n * n)
	if crossed {
		multiply(0, n)
	} else {
		for a := range Axes {
			multiply(axisStart[a], axisStart[a+1])
		}
		g.cross = make([]float64, len(g.cells)*len(g.cells))
		products(g.cross, len(g.cells), v.Width, func(dst []float64, c, at int) { copy(dst, sums[c*v.Width+at:]) }, 0, len(g.cells))
	}
	g.norm, g.inv = make([]float64, n), make([]float64, n)
	for r, p := range g.pairs {
		if p < 0 {
			continue
		}
		g.norm[r] = math.Sqrt(g.k[r*n+r])
		if math.IsNaN(g.norm[r]) || math.IsInf(g.norm[r], 0) {
			g.release()
			return nil, fmt.Errorf("block %d, pair %d (%s): the delta is not finite", v.Blocks[b], p, v.Pairs[p].ID)
		}
		g.inv[r] = 1
		if g.norm[r] >= tinyNorm {
			g.inv[r] = 1 / g.norm[r]
		}
	}
	return g, nil
}

// release gives the matrix back; the gram must not be used after.
func (g *gram) release() {
	giveBack(g.k)
	g.k = nil
}

// cosine is G_ij without signs.
func (g *gram) cosine(i, j int) float64 { return g.k[i*g.n()+j] * g.inv[i] * g.inv[j] }
