package analyze

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

func noise(n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// TestTileIsTheSameEverywhere holds the vector kernel to the portable one, bit by bit.
func TestTileIsTheSameEverywhere(t *testing.T) {
	for _, n := range []int{4, 8, 12, 64, 256} {
		lda, ldb, ldc := n+5, n+3, 7
		a, b := noise(4*lda, 1), noise(3*ldb, 2)
		c := noise(3*ldc, 3)
		d := append([]float64(nil), c...)
		tile(n, a, lda, b, ldb, c, ldc)
		tileGo(n, a, lda, b, ldb, d, ldc)
		for i := range c {
			if math.Float64bits(c[i]) != math.Float64bits(d[i]) {
				t.Fatalf("n = %d: value %d is %v with vector instructions, %v without", n, i, c[i], d[i])
			}
		}
	}
}

// TestTile32IsTheSameEverywhere does so for float32, over a range of exponents and with cancellation.
func TestTile32IsTheSameEverywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{8, 16, 64, 256, 4096} {
		lda, ldb, ldc := n+5, n+3, 7
		a, b := make([]float32, 4*lda), make([]float32, 3*ldb)
		for _, x := range [][]float32{a, b} {
			for i := range x {
				x[i] = float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(40)-20)))
			}
		}
		c := noise(3*ldc, 3)
		d := append([]float64(nil), c...)
		tile32(n, a, lda, b, ldb, c, ldc)
		tile32Go(n, a, lda, b, ldb, d, ldc)
		for i := range c {
			if math.Float64bits(c[i]) != math.Float64bits(d[i]) {
				t.Fatalf("n = %d: value %d is %v with vector instructions, %v without", n, i, c[i], d[i])
			}
		}
		if n%16 == 0 {
			rows := [4][]float32{b[:n], b[1 : n+1], a[lda:][:n], a[2*lda:][:n]}
			var x, y [4]float64
			four32(a[:n], rows, &x)
			four32Go(a[:n], rows, &y)
			if x != y {
				t.Fatalf("n = %d: %v with vector instructions, %v without", n, x, y)
			}
		}
	}
}

// TestSinglePrecisionRuns measures what float32 products within runs cost on vectors of real width, with dimensions that
// dominate and without.
func TestSinglePrecisionRuns(t *testing.T) {
	const n, d = 120, 4096
	for _, rogue := range []float32{1, 30, 300} {
		rng := rand.New(rand.NewPCG(3, 3))
		g := &gram{cells: []cell{{}}, start: []int{0, n}}
		rows := make([][]float32, n)
		common := noise(d, 8)
		for i := range rows {
			rows[i] = make([]float32, d)
			for k := range rows[i] {
				rows[i][k] = float32(rng.NormFloat64() + 0.7*common[k])
			}
			rows[i][7] *= rogue
			g.pairs, g.sign, g.inv = append(g.pairs, i), append(g.sign, 1), append(g.inv, 1/norm32(rows[i]))
		}
		fill := func(dst []float32, i, at int) { copy(dst, rows[i][at:]) }
		single, double := make([]float64, n*n), make([]float64, n*n)
		products(single, n, d, fill, 0, n)
		products(double, n, d, widened(fill), 0, n)
		var worst float64
		for i := range n {
			for j := range n {
				worst = max(worst, math.Abs(single[i*n+j]-double[i*n+j])*g.inv[i]*g.inv[j])
			}
		}
		g.k = single
		mean, sd := g.spread(g.gather(), AllPairs, onAxis(0))
		g.k = double
		exactMean, exactSD := g.spread(g.gather(), AllPairs, onAxis(0))
		if worst > 2.1e-6 || math.Abs(mean-exactMean) > 1e-8 || math.Abs(sd-exactSD) > 1e-8 {
			t.Errorf("factor %v: a cosine off by %.2g, their mean by %.2g, their deviation by %.2g", rogue, worst, mean-exactMean, sd-exactSD)
		}
		t.Logf("factor %v: a cosine off by %.2g, their mean by %.2g, their deviation by %.2g", rogue, worst, mean-exactMean, sd-exactSD)
	}
}

// TestWideSumsAreTheSameEverywhere does so for the sums of float32 in float64.
func TestWideSumsAreTheSameEverywhere(t *testing.T) {
	for _, n := range []int{16, 32, 48, 4096} {
		x := make([]float32, n)
		for i, v := range noise(n, 5) {
			x[i] = float32(v * math.Exp2(float64(i%40-20)))
		}
		a, b := noise(n, 6), noise(n, 7)
		c := [2]float64{1, 2}
		d := c
		dots2(x, a, b, &c)
		dots2Go(x, a, b, &d)
		if c != d || square(x) != squareGo(x) {
			t.Fatalf("n = %d: %v and %v with vector instructions, %v and %v without", n, c, square(x), d, squareGo(x))
		}
		var p, q, r float64
		for i, v := range x {
			p, q, r = p+float64(v)*a[i], q+float64(v)*b[i], r+float64(v)*float64(v)
		}
		if math.Abs(c[0]-1-p) > 1e-10*r || math.Abs(c[1]-2-q) > 1e-10*r || math.Abs(square(x)-r) > 1e-12*r {
			t.Fatalf("n = %d: %v and %v, one by one %v, %v and %v", n, c, square(x), p+1, q+2, r)
		}
	}
}

func TestRowsByRows(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {4, 3, 4}, {5, 4, 7}, {9, 100, 12}, {13, 7, 3}, {8, 200, 17}} {
		m, n, d := s[0], s[1], s[2]
		lda, ldb, ldc := d+2, d+1, m+3
		a, b, c := noise(m*lda, 1), noise(n*ldb, 2), make([]float64, n*ldc)
		rowsByRows(c, ldc, a, lda, b, ldb, m, n, d, nil)
		for j := range n {
			for i := range m {
				var want float64
				for k := range d {
					want += a[i*lda+k] * b[j*ldb+k]
				}
				if math.Abs(c[j*ldc+i]-want) > 1e-12*float64(d) {
					t.Fatalf("%v: c[%d, %d] = %v, expected %v", s, j, i, c[j*ldc+i], want)
				}
			}
		}
	}
}

func TestProducts(t *testing.T) {
	for _, s := range [][2]int{{1, 3}, {7, 300}, {13, 256}, {110, 1000}} {
		n, d := s[0], s[1]
		x := noise(n*d, 4)
		fill := func(dst []float64, i, at int) { copy(dst, x[i*d+at:]) }
		k, c := make([]float64, n*n), make([]float64, n*n)
		products(k, n, d, fill, 0, n)
		crossProducts(c, n, n, d, fill, fill)
		for i := range n {
			for j := range n {
				want := dot(x[i*d:(i+1)*d], x[j*d:(j+1)*d])
				if math.Abs(k[i*n+j]-want) > 1e-11 || math.Abs(c[i*n+j]-want) > 1e-11 {
					t.Fatalf("%v: [%d, %d]: %v and %v, expected %v", s, i, j, k[i*n+j], c[i*n+j], want)
				}
			}
		}
	}
}

func setProcessors(t *testing.T, n int) {
	t.Helper()
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// jsonOf also proves that a result has a JSON form: no NaN, no infinity.
func jsonOf(t *testing.T, r *Result) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%s: %v", r.Metric, err)
	}
	return string(text)
}
