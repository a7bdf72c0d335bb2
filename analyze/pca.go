package analyze

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Metric{
		Name: "pca", Version: 1, Title: "Principal components", Shape: ShapeClouds, Subsets: []Subset{AllPairs, BothCorrect},
		About: "Scores on the leading principal components: of original and swapped states fitted jointly, and of the deltas. Exact, where the released " +
			"figures' randomised solver depends on the order of plotting; a component's largest loading is positive.",
		Compute: pcaClouds,
	})
}

// pcaClouds makes, for each block, the views "embedding" (2-D, originals then swapped), "delta" (2-D) and "delta3" (3-D).
func pcaClouds(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	clouds := make([][]Cloud, len(v.Blocks))
	notes := make([][]string, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) (err error) {
		clouds[b], notes[b], err = v.clouds(members, b)
		return err
	}); err != nil {
		return nil, err
	}
	r := &Result{}
	for b := range v.Blocks {
		r.Clouds = append(r.Clouds, clouds[b]...)
		r.Notes = append(r.Notes, notes[b]...)
	}
	return r, nil
}

func (v *Vectors) clouds(members []int, b int) (clouds []Cloud, notes []string, err error) {
	block := v.Blocks[b]
	var at []int
	for _, i := range members {
		if v.has(i, b) {
			at = append(at, i)
		}
	}
	n := len(at)
	mark := func(pair int, swapped bool, score []float64) Mark {
		return Mark{Pair: pair, Category: v.Pairs[pair].Category, Swapped: swapped, At: score}
	}
	add := func(view string, p *components, k int, marks func(row int, score []float64) Mark) {
		c := Cloud{Block: block, View: view, Explained: p.explained[:k]}
		for i := range k {
			c.Axes = append(c.Axes, fmt.Sprintf("PC%d (%.1f %%)", i+1, 100*p.explained[i]))
		}
		for r := range p.n {
			c.Points = append(c.Points, marks(r, p.scores[r*p.k:r*p.k+k:r*p.k+k]))
		}
		clouds = append(clouds, c)
	}
	if min(2*n, v.Width) >= 2 {
		state := func(r int) []float32 {
			if r < n {
				return v.original(at[r], b)
			}
			return v.swapped(at[r-n], b)
		}
		p, err := principal(2*n, v.Width, 2, func(dst []float64, r, from int) {
			widen(dst, state(r)[from:from+len(dst)])
		})
		if err != nil {
			return nil, nil, fmt.Errorf("block %d: states: %w", block, err)
		}
		add("embedding", p, 2, func(r int, score []float64) Mark { return mark(at[r%n], r >= n, score) })
	}
	k := min(3, n, v.Width)
	if k < 2 {
		return clouds, append(notes, fmt.Sprintf("block %d: %d deltas have no second component", block, n)), nil
	}
	p, err := principal(n, v.Width, k, widened(func(dst []float32, r, from int) {
		sub32(dst, v.swapped(at[r], b)[from:from+len(dst)], v.original(at[r], b)[from:from+len(dst)])
	}))
	if err != nil {
		return nil, nil, fmt.Errorf("block %d: deltas: %w", block, err)
	}
	marks := func(r int, score []float64) Mark { return mark(at[r], false, score) }
	add("delta", p, 2, marks)
	if k == 3 {
		add("delta3", p, 3, marks)
	} else {
		notes = append(notes, fmt.Sprintf("block %d: %d deltas have no third component", block, n))
	}
	return clouds, notes, nil
}

// components are the k leading principal components of n rows.
type components struct {
	n, k      int
	scores    []float64 // [n, k]
	explained []float64 // share of the total variance, [k]; 0 if there is no variance
}

// principal computes the k leading components of the n rows of length d that fill gives, k ≤ min(n, d). It is exact
// up to rounding: the eigenvectors of the smaller of the two matrices of inner products of the centred data.
// It fails if a value is not finite.
func principal(n, d, k int, fill filler[float64]) (*components, error) {
	mean := make([]float64, d)
	buf := make([]float64, d)
	for i := range n {
		fill(buf, i, 0)
		for j, x := range buf {
			mean[j] += x
		}
	}
	for j := range mean {
		mean[j] /= float64(n)
		if math.IsNaN(mean[j]) || math.IsInf(mean[j], 0) {
			return nil, fmt.Errorf("dimension %d holds a value that is not finite", j)
		}
	}
	centred := func(dst []float64, i, at int) {
		fill(dst, i, at)
		for j := range dst {
			dst[j] -= mean[at+j]
		}
	}
	p := &components{n: n, k: k, scores: make([]float64, n*k), explained: make([]float64, k)}
	if n <= d {
		p.fromRows(d, centred)
	} else {
		p.fromColumns(d, centred)
	}
	return p, nil
}

// fromRows takes the eigenvectors e of the n×n matrix: scores √λ·e, loadings Xᵀe/√λ.
func (p *components) fromRows(d int, centred filler[float64]) {
	gram := borrowSymmetric(p.n)
	defer gram.giveBack()
	products(gram.x, gram.ld, d, centred, 0, p.n)
	values, vectors := leading(gram, p.k)
	total := gram.trace()
	loading := make([]float64, p.k*d)
	buf := make([]float64, d)
	for i := range p.n {
		centred(buf, i, 0)
		for c := range p.k {
			e, to := vectors[i*p.k+c], loading[c*d:(c+1)*d]
			for j, x := range buf {
				to[j] += e * x
			}
		}
	}
	for c := range p.k {
		if total > 0 {
			p.explained[c] = max(values[c], 0) / total
		}
		scale := math.Sqrt(max(values[c], 0)) * leadingSign(loading[c*d:(c+1)*d])
		for i := range p.n {
			p.scores[i*p.k+c] = vectors[i*p.k+c] * scale
		}
	}
}

// fromColumns takes the eigenvectors e of the d×d matrix: loadings e, scores Xe.
func (p *components) fromColumns(d int, centred filler[float64]) {
	x := borrow[float64](p.n * d) // d < n, so this is no larger than the other way's matrix
	for i := range p.n {
		centred(x[i*d:(i+1)*d], i, 0)
	}
	defer giveBack(x)
	cov := borrowSymmetric(d)
	defer cov.giveBack()
	products(cov.x, cov.ld, p.n, func(dst []float64, j, at int) {
		for i := range dst {
			dst[i] = x[(at+i)*d+j]
		}
	}, 0, d)
	values, vectors := leading(cov, p.k)
	total := cov.trace()
	loading := make([]float64, d)
	for c := range p.k {
		if total > 0 {
			p.explained[c] = max(values[c], 0) / total
		}
		for j := range d {
			loading[j] = vectors[j*p.k+c]
		}
		sign := leadingSign(loading)
		for i := range p.n {
			var sum float64
			for j, v := range x[i*d : (i+1)*d] {
				sum += v * loading[j]
			}
			p.scores[i*p.k+c] = sum * sign
		}
	}
}

// A symmetric is a matrix [n, n] whose rows and columns are filled up with zeros to whole tiles, rows ld apart.
type symmetric struct {
	n, ld int
	x     []float64
}

// borrowSymmetric returns zeros.
func borrowSymmetric(n int) symmetric {
	ld := filledTo(n, tileA)
	return symmetric{n, ld, borrow[float64](ld * ld)}
}

func (a symmetric) giveBack() { giveBack(a.x) }

func (a symmetric) trace() float64 {
	var sum float64
	for i := range a.n {
		sum += a.x[i*a.ld+i]
	}
	return sum
}

// leadingSign makes the loading of largest magnitude positive, the first of equals.
func leadingSign(loading []float64) float64 {
	best := 0.0
	for _, x := range loading {
		if math.Abs(x) > math.Abs(best) {
			best = x
		}
	}
	if best < 0 {
		return -1
	}
	return 1
}

// denseEigen is the order up to which a full eigendecomposition is cheaper than a Krylov space.
const denseEigen = 160

// leading returns the k largest eigenvalues of a, descending, and their eigenvectors [n, k].
func leading(a symmetric, k int) (values, vectors []float64) {
	if a.n > denseEigen {
		return krylov(a, k)
	}
	dense := mat.NewSymDense(a.n, nil)
	for i := range a.n {
		for j := i; j < a.n; j++ {
			dense.SetSym(i, j, a.x[i*a.ld+j])
		}
	}
	return ritz(dense, k)
}

// ritz is leading by a full decomposition.
func ritz(a *mat.SymDense, k int) (values, vectors []float64) {
	n := a.SymmetricDim()
	values, vectors = make([]float64, k), make([]float64, n*k)
	var eig mat.EigenSym
	if !eig.Factorize(a, true) {
		panic("analyze: eigendecomposition of a finite symmetric matrix failed")
	}
	all := eig.Values(nil)
	var v mat.Dense
	eig.VectorsTo(&v)
	for c := range k {
		values[c] = all[n-1-c]
		for i := range n {
			vectors[i*k+c] = v.At(i, n-1-c)
		}
	}
	return values, vectors
}

// krylov is leading by a block Krylov space with full orthogonalisation: the space grows by blocks of width until the
// residuals ‖Ae − λe‖ vanish to rounding. A block wider than k converges at the gap behind its last
// vector, which matters where the third component lies in the noise.
func krylov(a symmetric, k int) (values, vectors []float64) {
	const width = 9
	n := a.n
	const tolerance = 1e-13
	limit := n / width * width
	rng := rand.NewPCG(42, uint64(n)) // any start will do; a fixed one gives the same bits
	next := make([]float64, width*n)
	for i := range next {
		next[i] = float64(rng.Uint64()>>11)*0x1p-53 - 0.5
	}
	var basis [][]float64 // orthonormal vectors [n]
	var image [][]float64 // A times them
	packed := borrowRows[float64](width, n)
	defer giveBack(packed.x)
	check := 6 * width
	for len(basis) < limit {
		q := make([]float64, 0, width*n)
		for c := range width {
			x := next[c*n : (c+1)*n]
			if orthonormalise(x, basis) {
				q = append(q, x...)
				basis = append(basis, q[len(q)-n:])
			}
		}
		fresh := len(q) / n
		if fresh == 0 {
			break // the space is invariant
		}
		next = make([]float64, width*n)
		y := make([]float64, fresh*n)
		packed.fill(fresh, n, func(dst []float64, c int) { copy(dst, q[c*n:]) })
		multiply(y, n, plainRows(a.x, a.ld), packed, 0, n, fresh, 0, n, false)
		copy(next, y)
		for c := range fresh {
			image = append(image, y[c*n:(c+1)*n])
		}
		if len(basis) >= check {
			check = len(basis) + max(4*width, len(basis)/3/width*width)
			if v, e, ok := rayleighRitz(basis, image, n, k, tolerance); ok {
				return v, e
			}
		}
	}
	v, e, _ := rayleighRitz(basis, image, n, k, 0)
	return v, e
}

// orthonormalise removes the basis from q twice, for full precision, and scales it; false if nothing is left.
func orthonormalise(q []float64, basis [][]float64) bool {
	before := math.Sqrt(dot(q, q))
	for range 2 {
		for _, b := range basis {
			axpy(q, -dot(q, b), b)
		}
	}
	norm := math.Sqrt(dot(q, q))
	if !(norm > 1e-12*before) {
		return false
	}
	for i := range q {
		q[i] /= norm
	}
	return true
}

// rayleighRitz solves the eigenproblem in the space of the basis; ok if the k leading residuals are below
// tolerance times the largest eigenvalue.
func rayleighRitz(basis, image [][]float64, n, k int, tolerance float64) (values, vectors []float64, ok bool) {
	m := len(basis)
	k0 := min(k, m)
	t := mat.NewSymDense(m, nil)
	for i := range m {
		for j := range i + 1 {
			t.SetSym(j, i, dot(basis[i], image[j]))
		}
	}
	small, coef := ritz(t, k0)
	values, vectors = make([]float64, k), make([]float64, n*k)
	copy(values, small)
	ok = true
	for c := range k0 {
		e, ae := make([]float64, n), make([]float64, n)
		for j := range m {
			axpy(e, coef[j*k0+c], basis[j])
			axpy(ae, coef[j*k0+c], image[j])
		}
		for i := range e {
			vectors[i*k+c] = e[i]
		}
		axpy(ae, -values[c], e)
		if math.Sqrt(dot(ae, ae)) > tolerance*values[0] {
			ok = false
		}
	}
	return values, vectors, ok
}
