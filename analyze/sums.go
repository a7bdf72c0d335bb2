package analyze

import "math"

// sums are the weighted sums over the cells of one block that every Gram-type quantity is a function of.
// With all weights 1 they give the point estimate, with a draw's weights the draw's.
type sums struct {
	cells []cell
	w, w2 []float64 // Σ w and Σ w² by cell
	raw   []float64 // ⟨Σ w δ, Σ w δ⟩ of two cells, [cells, cells]
	unit  []float64 // ⟨Σ w δ/‖δ‖, Σ w δ/‖δ‖⟩ of two cells of one axis, else 0
	diag  []float64 // Σ w² ‖δ‖² by cell
	udiag []float64 // Σ w² ‖δ/‖δ‖‖²: a delta below tinyNorm adds next to nothing
	norm  []float64 // Σ w ‖δ‖ by cell
}

func newSums(cells []cell) *sums {
	c := len(cells)
	buf := make([]float64, 5*c+2*c*c)
	take := func(n int) []float64 { s := buf[:n:n]; buf = buf[n:]; return s }
	return &sums{cells: cells, w: take(c), w2: take(c), raw: take(c * c), unit: take(c * c), diag: take(c), udiag: take(c), norm: take(c)}
}

// weigh fills dst[j] with the sums under the weights w[j, :], w [len(dst), n] row-major with 0 for filling. Only the half of
// K that counts is multiplied. Weights other than 1 need a crossed gram.
func (g *gram) weigh(dst []*sums, w []float64) {
	f := newWeigher(g)
	f.weigh(dst, w, true)
}

// A weigher multiplies K with weights, many draws at a time. Rows of its K are g's; columns may be laid out anew.
type weigher[T float32 | float64] struct {
	g     *gram
	k     rows[T] // [n, columns]
	start []int   // column where each cell starts, and how many there are, filling included
}

// newWeigher multiplies in float64, in K as it is.
func newWeigher(g *gram) *weigher[float64] {
	return &weigher[float64]{g: g, k: plainRows(g.k, g.n()), start: g.start}
}

// newSingleWeigher multiplies in float32, in sums no longer than a cell; what they yield is added up in float64. A draw is then off by less than
// 1e-5 in the tests, by 1e-6 without rogue dimensions, where ten thousand draws leave a hundredth of a standard error open in an
// interval's ends. Point estimates have no part in it. release gives its memory back.
func newSingleWeigher(g *gram) (f *weigher[float32], release func()) {
	f = &weigher[float32]{g: g, start: []int{0}}
	for c := range g.cells {
		f.start = append(f.start, f.start[c]+filledTo(g.start[c+1]-g.start[c], lanes[float32]()))
	}
	n := g.n()
	f.k = borrowRows[float32](n, f.columns())
	f.k.fill(n, f.columns(), func(dst []float32, i int) { f.lay(dst, g.k[i*n:(i+1)*n]) })
	return f, func() { giveBack(f.k.x) }
}

func (f *weigher[T]) columns() int { return f.start[len(f.start)-1] }

// lay writes a row of g's columns to f's.
func (f *weigher[T]) lay(dst []T, row []float64) {
	clear(dst)
	for c := range f.g.cells {
		to := dst[f.start[c]:]
		for i, x := range row[f.g.start[c]:f.g.start[c+1]] {
			to[i] = T(x)
		}
	}
}

// weigh is gram.weigh; raw false leaves out the sums of deltas as they are.
func (f *weigher[T]) weigh(dst []*sums, w []float64, raw bool) {
	g := f.g
	n, m, cells := g.n(), len(dst), len(g.cells)
	scaled := borrowDirty[float64](m * n)
	defer giveBack(scaled)
	for j := range m {
		for i, x := range w[j*n : (j+1)*n] {
			scaled[j*n+i] = x * g.inv[i]
		}
	}
	diag := make([]float64, n)
	for i := range diag {
		diag[i] = g.k[i*n+i]
	}
	y, x := borrowDirty[float64](m*n), borrowRows[T](m, f.columns())
	defer giveBack(y)
	defer giveBack(x.x)
	lay := func(w []float64) {
		x.fill(m, f.columns(), func(dst []T, j int) { f.lay(dst, w[j*n:(j+1)*n]) })
	}
	// product multiplies rows from the given one on to the end of cell b with the weights of the cell.
	product := func(from, b int) {
		for j := range m {
			clear(y[j*n+from : j*n+g.start[b+1]])
		}
		multiply(y, n, f.k, x, from, g.start[b+1], m, f.start[b], f.start[b+1], false)
	}
	inner := func(w []float64, j, a int) float64 {
		return dot(w[j*n+g.start[a]:j*n+g.start[a+1]], y[j*n+g.start[a]:j*n+g.start[a+1]])
	}
	// first is the first cell of b's axis.
	first := func(b int) int {
		a := b
		for a > 0 && g.cells[a-1].category/2 == g.cells[b].category/2 {
			a--
		}
		return a
	}
	for b := range cells {
		lo, hi := g.start[b], g.start[b+1]
		for j, s := range dst {
			s.w[b], s.w2[b], s.diag[b], s.udiag[b], s.norm[b] = 0, 0, 0, 0, 0
			for i, x := range w[j*n+lo : j*n+hi] {
				i += lo
				s.w[b] += x
				s.w2[b] += x * x
				s.diag[b] += x * x * diag[i]
				s.udiag[b] += x * x * diag[i] * g.inv[i] * g.inv[i]
				s.norm[b] += x * g.norm[i]
			}
		}
	}
	if raw {
		lay(w)
		for b := range cells {
			from := 0
			if g.cross != nil {
				from = first(b)
			}
			product(g.start[from], b)
			for j, s := range dst {
				for a := 0; a <= b; a++ {
					var v float64
					if a >= from {
						v = inner(w, j, a)
					} else {
						v = g.cross[a*cells+b]
					}
					s.raw[a*cells+b], s.raw[b*cells+a] = v, v
				}
			}
		}
	}
	lay(scaled)
	for b := range cells {
		from := first(b)
		product(g.start[from], b)
		for j, s := range dst {
			for a := from; a <= b; a++ {
				v := inner(scaled, j, a)
				s.unit[a*cells+b], s.unit[b*cells+a] = v, v
			}
		}
	}
}

// moments are sums over whole categories, and what balanced compositions need.
type moments struct {
	w, w2, diag, udiag, norm [6]float64
	raw, unit                [6][6]float64

	// balanced is the distance axis with consistent and counter scenes weighing one half each:
	// ⟨m_V, m_D⟩ and ‖m_D‖²; NaN where one of the two is missing.
	balancedVD, balancedDD float64
}

// moments adds the cells of a subset up.
func (s *sums) moments(subset Subset) *moments {
	m := &moments{}
	c := len(s.cells)
	in := make([]bool, c, 32)
	for a, ca := range s.cells {
		in[a] = ca.in(subset)
	}
	for a, ca := range s.cells {
		if !in[a] {
			continue
		}
		i := ca.category
		m.w[i] += s.w[a]
		m.w2[i] += s.w2[a]
		m.diag[i] += s.diag[a]
		m.udiag[i] += s.udiag[a]
		m.norm[i] += s.norm[a]
		for b, cb := range s.cells {
			if in[b] {
				m.raw[i][cb.category] += s.raw[a*c+b]
				m.unit[i][cb.category] += s.unit[a*c+b]
			}
		}
	}
	var wv, cons, ctr float64
	for a, ca := range s.cells {
		switch {
		case !in[a]:
		case ca.category/2 == 1:
			wv += s.w[a]
		case ca.category/2 == 2 && ca.layout == Consistent:
			cons += s.w[a]
		case ca.category/2 == 2 && ca.layout == Counter:
			ctr += s.w[a]
		}
	}
	m.balancedVD, m.balancedDD = math.NaN(), math.NaN()
	if wv > 0 && cons > 0 && ctr > 0 {
		// The mean directions as combinations of the cells' sums.
		v, d := make([]float64, c), make([]float64, c)
		for a, ca := range s.cells {
			sign := signOf(ca.category)
			switch {
			case !in[a]:
			case ca.category/2 == 1:
				v[a] = sign / wv
			case ca.category/2 == 2 && ca.layout == Consistent:
				d[a] = sign / cons / 2
			case ca.category/2 == 2 && ca.layout == Counter:
				d[a] = sign / ctr / 2
			}
		}
		m.balancedVD, m.balancedDD = 0, 0
		for a := range c {
			for b := range c {
				m.balancedVD += v[a] * d[b] * s.raw[a*c+b]
				m.balancedDD += d[a] * d[b] * s.raw[a*c+b]
			}
		}
	}
	return m
}

// Each of the following is NaN where it is undefined.

// coherence is the mean cosine of pairs of signed deltas of an axis: under weights
// (wᵀGw − Σw²G_ii)/((Σw)² − Σw²), so that no delta is ever paired with its own copy.
func (m *moments) coherence(axis int) float64 {
	p, q := 2*axis, 2*axis+1
	square := m.unit[p][p] + m.unit[q][q] - 2*m.unit[p][q]
	return (square - m.udiag[p] - m.udiag[q]) / pairsOf(m.w[p]+m.w[q], m.w2[p]+m.w2[q])
}

// within is the mean cosine of pairs of deltas of one category.
func (m *moments) within(c int) float64 {
	return (m.unit[c][c] - m.udiag[c]) / pairsOf(m.w[c], m.w2[c])
}

// pairsOf is the number of ordered pairs of different items under weights, NaN if there are none.
func pairsOf(w, w2 float64) float64 {
	if p := w*w - w2; p > 0 {
		return p
	}
	return math.NaN()
}

// cosine is the cosine of two categories' mean deltas, as scikit-learn computes it: a mean below tinyNorm
// is not scaled.
func (m *moments) cosine(a, b int) float64 {
	return m.raw[a][b] / (m.w[a] * m.w[b]) / m.scale(a) / m.scale(b)
}

// scale is what the mean delta of a category is divided by.
func (m *moments) scale(c int) float64 {
	norm := math.Sqrt(max(m.raw[c][c], 0)) / m.w[c]
	if norm < tinyNorm {
		return 1
	}
	return norm
}

// meanDot is ⟨m_a, m_b⟩ of two axes' mean signed deltas.
func (m *moments) meanDot(a, b int) float64 {
	var dot float64
	for i := 2 * a; i < 2*a+2; i++ {
		for j := 2 * b; j < 2*b+2; j++ {
			dot += signOf(i) * signOf(j) * m.raw[i][j]
		}
	}
	return dot / (m.axisWeight(a) * m.axisWeight(b))
}

func (m *moments) axisWeight(a int) float64 { return m.w[2*a] + m.w[2*a+1] }

// released is the released form of the entanglement of two axes: cos(m_a, m_b) with 1e-12 added to the denominator.
func (m *moments) released(a, b int) float64 {
	return m.meanDot(a, b) / (math.Sqrt(max(m.meanDot(a, a), 0))*math.Sqrt(max(m.meanDot(b, b), 0)) + 1e-12)
}

// paper is the published form: the mean over like minus unlike pairs of the categories' cosines.
func (m *moments) paper(a, b int) float64 {
	p, q, r, s := 2*a, 2*a+1, 2*b, 2*b+1
	return (m.cosine(p, r) + m.cosine(q, s) - m.cosine(p, s) - m.cosine(q, r)) / 4
}

// ratio is ‖v_a‖‖v_b‖/(‖μ_a‖‖μ_b‖), the share of the mean deltas that flips with the truth: with balanced
// categories it is paper ÷ released.
func (m *moments) ratio(a, b int) float64 { return m.flipping(a) * m.flipping(b) }

// flipping is ‖v‖/‖μ‖ with v = (μ₊ − μ₋)/2 and ‖μ‖ the root mean square of the two norms.
func (m *moments) flipping(a int) float64 {
	p, q := 2*a, 2*a+1
	pp, qq := m.raw[p][p]/(m.w[p]*m.w[p]), m.raw[q][q]/(m.w[q]*m.w[q])
	pq := m.raw[p][q] / (m.w[p] * m.w[q])
	if !(pp+qq > 0) {
		return math.NaN()
	}
	return math.Sqrt(max((pp+qq-2*pq)/4, 0) / ((pp + qq) / 2))
}

// order is ‖c‖²/(‖v‖² + ‖c‖²) with c = (μ₊ + μ₋)/2: the share of the mean deltas that swapping as such
// produces, whatever the truth. The squares are unbiased (no delta meets itself), so it may leave [0, 1].
func (m *moments) order(a int) float64 {
	p, q := 2*a, 2*a+1
	pp := (m.raw[p][p] - m.diag[p]) / pairsOf(m.w[p], m.w2[p])
	qq := (m.raw[q][q] - m.diag[q]) / pairsOf(m.w[q], m.w2[q])
	pq := m.raw[p][q] / (m.w[p] * m.w[q])
	if !(pp+qq > 0) {
		return math.NaN()
	}
	return (pp + qq + 2*pq) / (2 * (pp + qq))
}

// disattenuated is the cosine of two axes' mean directions freed of the noise in their norms:
// ⟨m_a, m_b⟩/√(t_a t_b), t the unbiased square of a mean's norm. Undefined unless both t are positive.
func (m *moments) disattenuated(a, b int) float64 {
	ta, tb := m.trueSquare(a), m.trueSquare(b)
	if !(ta > 0 && tb > 0) {
		return math.NaN()
	}
	return m.meanDot(a, b) / math.Sqrt(ta*tb)
}

// trueSquare is (‖Σδ̃‖² − Σ‖δ‖²)/(n(n−1)).
func (m *moments) trueSquare(a int) float64 {
	p, q := 2*a, 2*a+1
	square := m.raw[p][p] + m.raw[q][q] - 2*m.raw[p][q]
	return (square - m.diag[p] - m.diag[q]) / pairsOf(m.w[p]+m.w[q], m.w2[p]+m.w2[q])
}

// balanced is the released form with consistent and counter scenes weighing one half each in the distance direction.
func (m *moments) balanced() float64 {
	return m.balancedVD / (math.Sqrt(max(m.meanDot(1, 1), 0))*math.Sqrt(max(m.balancedDD, 0)) + 1e-12)
}

// meanNorm is the mean of ‖δ‖ over a category.
func (m *moments) meanNorm(c int) float64 { return m.norm[c] / m.w[c] }
