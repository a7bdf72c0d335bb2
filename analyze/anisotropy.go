package analyze

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Metric{
		Name: "anisotropy", Version: 1, Title: "Coherence under corrections for anisotropy", Shape: ShapeCurve,
		About: "Coherence of the deltas as they are, centred on the axis' unflipped mean, without the states' three leading principal components (Mu and " +
			"Viswanath 2018), whitened (Ledoit and Wolf 2004) and with standardised dimensions (Timkey and van Schijndel 2021); a claim holds if it survives all.",
		Compute: anisotropy,
	})
}

// corrections in the order of lines.
var corrections = []string{"raw", "centred", "top-removed", "whitened", "standardised"}

const (
	// sampleStates is how many states, evenly spaced, stand for the distribution of states.
	sampleStates = 512
	// topComponents is how many leading components of the states are removed.
	topComponents = 3
)

// anisotropy makes a line for each correction and axis; the null of a point is the same number for random pairs, and
// two lines on the states themselves: the share of the most variable dimension, and the participation ratio
// (tr C)²/tr C² as a share of its largest possible value.
func anisotropy(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	cols := len(corrections) * len(Axes)
	points := make([][]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		points[b] = make([]Estimate, cols+2)
		return v.anisotropyAt(points[b], members, b, o)
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "mean cosine (states: share)", Range: cosineRange(),
		Method: fmt.Sprintf("95 %%: ± 1.96 standard errors of the Hájek projection over pairs; the distribution of states from at most %d of them; nulls: random pairs", sampleStates)}
	add := func(key string, at int) {
		c.Lines = append(c.Lines, lineOf(key, v.Blocks, func(b int) Estimate { return points[b][at] }))
	}
	for k, name := range corrections {
		for a, axis := range Axes {
			add(name+"-"+axis, k*len(Axes)+a)
		}
	}
	add("top-dimension", cols)
	add("participation", cols+1)
	return &Result{Curve: c}, nil
}

// A stateSample is some states of one block, and what corrections need to know of their distribution.
type stateSample struct {
	m, d          int
	x             []float64 // centred states, [m, d]
	deviation     []float64 // of each dimension, [d]
	top           []float64 // orthonormal leading directions, [t, d]
	t             int
	lower         mat.TriDense // Cholesky factor of cI + XXᵀ, if white
	white         bool
	participation float64
	topShare      float64
}

func (v *Vectors) sample(at []int, b int) *stateSample {
	all := 2 * len(at)
	s := &stateSample{m: min(all, sampleStates), d: v.Width}
	s.x = borrow[float64](s.m * s.d)
	mean := make([]float64, s.d)
	for r := range s.m {
		i := r * all / s.m
		state := v.original(at[i/2], b)
		if i%2 == 1 {
			state = v.swapped(at[i/2], b)
		}
		for k, f := range state {
			s.x[r*s.d+k] = float64(f)
			mean[k] += float64(f)
		}
	}
	s.deviation = make([]float64, s.d)
	for k := range mean {
		mean[k] /= float64(s.m)
	}
	var total, largest float64
	for r := range s.m {
		row := s.x[r*s.d : (r+1)*s.d]
		for k := range row {
			row[k] -= mean[k]
			s.deviation[k] += row[k] * row[k]
		}
	}
	for _, q := range s.deviation {
		total += q
		largest = max(largest, q)
	}
	for k, q := range s.deviation {
		s.deviation[k] = math.Sqrt(q / float64(s.m))
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return s
	}
	s.topShare = largest / total
	gram := borrowSymmetric(s.m)
	defer gram.giveBack()
	products(gram.x, gram.ld, s.d, func(dst []float64, i, from int) { copy(dst, s.x[i*s.d+from:]) }, 0, s.m)
	var square float64
	for _, g := range gram.x {
		square += g * g
	}
	s.participation = total * total / square / float64(min(s.m-1, s.d))
	s.leadingDirections(gram)
	s.shrink(gram, total, square)
	return s
}

// leadingDirections fills top.
func (s *stateSample) leadingDirections(gram symmetric) {
	k := min(topComponents, s.m-1, s.d)
	if k < 1 {
		return
	}
	values, vectors := leading(gram, k)
	for c := range k {
		if values[c] <= 1e-12*values[0] {
			break
		}
		dir := make([]float64, s.d)
		for r := range s.m {
			axpy(dir, vectors[r*k+c]/math.Sqrt(values[c]), s.x[r*s.d:(r+1)*s.d])
		}
		s.top = append(s.top, dir...)
		s.t++
	}
}

// shrink prepares inner products under the inverse of the shrunk covariance Σ = (1−ρ)XᵀX/m + ρμI (Ledoit and Wolf 2004), by Woodbury's
// identity: xᵀΣ⁻¹y = (x·y − (Xx)ᵀ(cI + XXᵀ)⁻¹(Xy))/(ρμ), c = ρμm/(1−ρ). The factor 1/(ρμ) cancels in cosines.
func (s *stateSample) shrink(gram symmetric, total, square float64) {
	m, d := float64(s.m), float64(s.d)
	mu := total / m / d
	// δ² = ‖S − μI‖²/d; β² = (Σ‖x‖⁴/m − ‖S‖²)/(m d), at most δ².
	norm := square / (m * m)
	delta := (norm - d*mu*mu) / d
	var fourth float64
	for r := range s.m {
		fourth += gram.x[r*gram.ld+r] * gram.x[r*gram.ld+r]
	}
	beta := min((fourth/m-norm)/(m*d), delta)
	if !(delta > 0) || !(beta > 0) {
		return
	}
	rho := beta / delta
	if rho >= 1 {
		return // the covariance shrinks to a multiple of the identity: whitening changes nothing, and is left out
	}
	c := rho * mu * m / (1 - rho)
	a := mat.NewSymDense(s.m, nil)
	for i := range s.m {
		for j := i; j < s.m; j++ {
			a.SetSym(i, j, gram.x[i*gram.ld+j])
		}
		a.SetSym(i, i, gram.x[i*gram.ld+i]+c)
	}
	var chol mat.Cholesky
	if s.white = chol.Factorize(a); s.white {
		chol.LTo(&s.lower)
	}
}

// anisotropyAt fills one block's estimates.
func (v *Vectors) anisotropyAt(out []Estimate, members []int, b int, o Options) error {
	var all []int
	for _, i := range members {
		if v.has(i, b) {
			all = append(all, i)
		}
	}
	cols := len(corrections) * len(Axes)
	out[cols].N, out[cols+1].N = len(all), len(all)
	if len(all) < 2 {
		return nil
	}
	s := v.sample(all, b)
	defer func() { giveBack(s.x) }()
	if s.participation > 0 {
		out[cols].Value, out[cols+1].Value = number(s.topShare), number(s.participation)
	}
	for a, axis := range Axes {
		var at []int
		var signs []float64
		for _, i := range all {
			if v.Pairs[i].Axis == axis {
				at = append(at, i)
				signs = append(signs, signOf(categoryOf(v.Pairs[i].Category)))
			}
		}
		n := len(at)
		deltas := borrow[float64](n * v.Width)
		row := make([]float32, v.Width)
		fill := func(partner func(r int) int) {
			for r, i := range at {
				DeltaTo(row, v.original(i, b), v.swapped(at[partner(r)], b))
				widen(deltas[r*v.Width:(r+1)*v.Width], row)
			}
		}
		fill(func(r int) int { return r })
		for k, name := range corrections {
			e := &out[k*len(Axes)+a]
			e.N = n
			h := s.corrected(deltas, signs, name)
			if len(h) < 2 {
				continue
			}
			mean, _ := meanSD(h)
			if e.Value = number(mean); e.Value == nil {
				return fmt.Errorf("block %d: %s: a delta is not finite", v.Blocks[b], axis)
			}
			hajek(e, h)
		}
		if n > 1 {
			next := newShuffle(n, o.Seed^0x416e6973, uint64(a)) // "Anis"
			fill(func(r int) int { return next[r] })
		}
		for k, name := range corrections {
			e := &out[k*len(Axes)+a]
			if h := s.corrected(deltas, signs, name); len(h) > 2 && e.Value != nil {
				mean, sd := meanSD(h)
				se := 2 * sd / math.Sqrt(float64(n-1))
				e.Null = &Null{Mean: mean, Low: mean - z95*se, High: mean + z95*se}
			}
		}
		giveBack(deltas)
	}
	return nil
}

// newShuffle is a permutation of n without fixed points (n > 1): a random cycle.
func newShuffle(n int, seed, sequence uint64) []int {
	rng := newStream(seed, sequence)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := rng.below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	next := make([]int, n)
	for i, x := range order {
		next[x] = order[(i+1)%n]
	}
	return next
}

// corrected returns the leave-one-out projections of signed deltas [n, d] after a correction; their mean is the coherence. Nil
// where the correction is undefined.
func (s *stateSample) corrected(deltas, signs []float64, name string) []float64 {
	n, d := len(signs), s.d
	if n < 2 {
		return nil
	}
	x := deltas
	own := func() {
		x = borrow[float64](len(deltas))
		copy(x, deltas)
	}
	defer func() {
		if name == "centred" || name == "top-removed" && s.t > 0 || name == "standardised" {
			giveBack(x)
		}
	}()
	switch name {
	case "centred":
		own()
		centreUnflipped(x, signs, d)
	case "top-removed":
		if s.t == 0 {
			return nil
		}
		own()
		for r := range n {
			row := x[r*d : (r+1)*d]
			for t := range s.t {
				dir := s.top[t*d : (t+1)*d]
				axpy(row, -dot(row, dir), dir)
			}
		}
	case "standardised":
		own()
		for r := range n {
			for k := range d {
				if s.deviation[k] > 0 {
					x[r*d+k] /= s.deviation[k]
				} else {
					x[r*d+k] = 0 // a dimension that never varies says nothing
				}
			}
		}
	case "whitened":
		if !s.white {
			return nil
		}
		return s.whitened(x, signs)
	}
	return leaveOneOut(x, signs, d)
}

// leaveOneOut are the mean cosines of each signed delta [n, d] with the others; their mean is the coherence.
func leaveOneOut(x, signs []float64, d int) []float64 {
	n := len(signs)
	sum := make([]float64, d)
	inv := make([]float64, n)
	for r := range n {
		row := x[r*d : (r+1)*d]
		inv[r] = 1
		if norm := math.Sqrt(dot(row, row)); norm >= tinyNorm {
			inv[r] = 1 / norm
		}
		axpy(sum, inv[r]*signs[r], row)
	}
	h := make([]float64, n)
	for r := range n {
		row := x[r*d : (r+1)*d]
		h[r] = (inv[r]*signs[r]*dot(row, sum) - inv[r]*inv[r]*dot(row, row)) / float64(n-1)
	}
	return h
}

// centreUnflipped subtracts c = (μ₊ + μ₋)/2, the part of the deltas that does not flip with the truth; subtracting the
// sign-corrected mean instead would remove what is to be measured.
func centreUnflipped(x, signs []float64, d int) {
	c := make([]float64, d)
	var count [2]float64
	for _, s := range signs {
		count[int(1-s)/2]++
	}
	sides := 0.0
	for _, n := range count {
		if n > 0 {
			sides++
		}
	}
	if sides < 2 {
		return // one category only: its mean would take the axis with it
	}
	for r, s := range signs {
		axpy(c, 1/(2*count[int(1-s)/2]), x[r*d:(r+1)*d])
	}
	for r := range signs {
		axpy(x[r*d:(r+1)*d], -1, c)
	}
}

// whitened is corrected under the inverse of the shrunk covariance: z = L⁻¹Xδ replaces what lies in the sample's span.
func (s *stateSample) whitened(x, signs []float64) []float64 {
	n, d, m := len(signs), s.d, s.m
	z := borrow[float64](m * n)
	defer giveBack(z)
	crossProducts(z, m, n, d, func(dst []float64, i, at int) { copy(dst, s.x[i*d+at:]) }, func(dst []float64, i, at int) { copy(dst, x[i*d+at:]) })
	blas64.Trsm(blas.Left, blas.NoTrans, 1, s.lower.RawTriangular(), blas64.General{Rows: m, Cols: n, Stride: n, Data: z})
	inner := func(r int, sum, zsum []float64) float64 {
		v := dot(x[r*d:(r+1)*d], sum)
		for k := range m {
			v -= z[k*n+r] * zsum[k]
		}
		return v
	}
	column := func(r int) []float64 {
		c := make([]float64, m)
		for k := range m {
			c[k] = z[k*n+r]
		}
		return c
	}
	inv, square := make([]float64, n), make([]float64, n)
	sum, zsum := make([]float64, d), make([]float64, m)
	for r := range n {
		c := column(r)
		square[r] = max(inner(r, x[r*d:(r+1)*d], c), 0)
		inv[r] = 1
		if norm := math.Sqrt(square[r]); norm >= tinyNorm {
			inv[r] = 1 / norm
		}
		axpy(sum, inv[r]*signs[r], x[r*d:(r+1)*d])
		axpy(zsum, inv[r]*signs[r], c)
	}
	h := make([]float64, n)
	for r := range n {
		h[r] = (inv[r]*signs[r]*inner(r, sum, zsum) - inv[r]*inv[r]*square[r]) / float64(n-1)
	}
	return h
}
