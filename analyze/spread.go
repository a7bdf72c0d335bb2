package analyze

import "math"

// A gathering is the number, the mean and the summed squared deviations of some values. Gatherings of separate values add up (Chan, Golub and
// LeVeque 1983), so that every subset's spread follows from those of pairs of cells.
type gathering struct{ n, mean, square float64 }

func (a *gathering) add(b gathering) {
	if b.n == 0 {
		return
	}
	n, d := a.n+b.n, b.mean-a.mean
	a.square += b.square + d*d*a.n*b.n/n
	a.mean += d * b.n / n
	a.n = n
}

// cosines are the sign-corrected cosines of all pairs of different rows of one axis, gathered in one pass over half the matrix.
type cosines struct {
	of   []gathering // by pair of cells a ≥ b of one axis, [cells, cells]
	rows []float64   // Σ of each row's cosines with the other rows of a cell, [n, cells]; 0 between axes
}

func (g *gram) gather() *cosines {
	n, cells := g.n(), len(g.cells)
	c := &cosines{of: make([]gathering, cells*cells), rows: make([]float64, n*cells)}
	scale := make([]float64, n)
	for i := range scale {
		scale[i] = g.inv[i] * g.sign[i]
	}
	columns := make([]float64, n)
	for a := range cells {
		from, to := g.whole(a)
		for b := 0; b <= a; b++ {
			if g.cells[a].category/2 != g.cells[b].category/2 {
				continue
			}
			lo, hi := g.whole(b)
			first := from
			if a == b {
				first++
			}
			if first >= to {
				continue
			}
			// Sums are of differences from the first cosine, so that nothing is lost to cancellation where all are alike.
			shift := g.k[first*n+lo] * scale[lo] * scale[first]
			column := columns[lo:hi]
			clear(column)
			var sum, square, count float64
			for i := first; i < to; i++ {
				end := hi
				if a == b {
					end = i
				}
				s, q := differences2(g.k[i*n+lo:i*n+end], scale[lo:end], column[:end-lo], scale[i], shift)
				m := float64(end - lo)
				c.rows[i*cells+b] += s + m*shift
				sum += s
				square += q
				count += m
			}
			for y, s := range column {
				m := float64(to - first)
				if a == b {
					m = float64(to - lo - y - 1)
				}
				c.rows[(lo+y)*cells+a] += s + m*shift
			}
			mean := sum / count
			c.of[a*cells+b] = gathering{count, shift + mean, max(square-sum*mean, 0)}
		}
	}
	return c
}

// differences2 adds d_y = k_y·scale_y·own − shift to column, and returns Σd and Σd²; two sums of each, for speed.
func differences2(k, scale, column []float64, own, shift float64) (sum, square float64) {
	scale, column = scale[:len(k)], column[:len(k)]
	var a, b, aa, bb float64
	y := 0
	for ; y+2 <= len(k); y += 2 {
		d := k[y]*scale[y]*own - shift
		e := k[y+1]*scale[y+1]*own - shift
		column[y] += d
		column[y+1] += e
		a += d
		b += e
		aa += d * d
		bb += e * e
	}
	if y < len(k) {
		d := k[y]*scale[y]*own - shift
		column[y] += d
		a += d
		aa += d * d
	}
	return a + b, aa + bb
}

// whole are the rows of a cell, without its filling.
func (g *gram) whole(cell int) (from, to int) {
	from, to = g.start[cell], g.start[cell+1]
	for to > from && g.pairs[to-1] < 0 {
		to--
	}
	return from, to
}

// spread is mean and population deviation of the sign-corrected cosines of all pairs of a subset in the categories wanted, which must
// be of one axis; NaN for fewer than two rows. Within one category signs cancel.
func (g *gram) spread(c *cosines, s Subset, want func(category int) bool) (mean, sd float64) {
	var all gathering
	for a, ca := range g.cells {
		for b, cb := range g.cells[:a+1] {
			if ca.in(s) && cb.in(s) && want(ca.category) && want(cb.category) {
				all.add(c.of[a*len(g.cells)+b])
			}
		}
	}
	if all.n == 0 {
		return math.NaN(), math.NaN()
	}
	return all.mean, math.Sqrt(all.square / all.n)
}

// projections are the leave-one-out projections h_i = (Σ_j G_ij − G_ii)/(n−1) of the rows: the mean cosine of one signed
// delta with all others. Their mean is the coherence. Nil for fewer than two rows.
func (g *gram) projections(c *cosines, s Subset, want func(category int) bool) []float64 {
	rows := g.rows(s, want)
	if len(rows) < 2 {
		return nil
	}
	h := make([]float64, len(rows))
	cells := len(g.cells)
	for x, i := range rows {
		for b, cb := range g.cells {
			if cb.in(s) && want(cb.category) {
				h[x] += c.rows[i*cells+b]
			}
		}
		h[x] /= float64(len(rows) - 1)
	}
	return h
}
