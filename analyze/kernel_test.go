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
