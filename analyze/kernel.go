package analyze

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// All matrix products here are of one form, rows against rows: c[j, i] = Σ_k a[i, k] b[j, k]. They are done in tiles of 4×3 inner
// products, each in four lanes with fused multiply-adds in a fixed order, so that a processor with vector units
// and one without give the same bits.
const (
	tileA, tileB = 4, 3
	lanes        = 4
)

// tileGo is tile without vector instructions: c[j*ldc+i] += Σ_k a[i*lda+k] b[j*ldb+k], i < 4, j < 3, k < n, n a
// positive multiple of 4.
func tileGo(n int, a []float64, lda int, b []float64, ldb int, c []float64, ldc int) {
	for j := range tileB {
		for i := range tileA {
			c[j*ldc+i] += innerLanes(a[i*lda:i*lda+n], b[j*ldb:j*ldb+n])
		}
	}
}

// innerLanes is one inner product of a tile.
func innerLanes(a, b []float64) float64 {
	var l0, l1, l2, l3 float64
	for k := 0; k+lanes <= len(a); k += lanes {
		x, y := a[k:k+lanes:k+lanes], b[k:k+lanes:k+lanes]
		l0 = math.FMA(x[0], y[0], l0)
		l1 = math.FMA(x[1], y[1], l1)
		l2 = math.FMA(x[2], y[2], l2)
		l3 = math.FMA(x[3], y[3], l3)
	}
	return (l0 + l1) + (l2 + l3)
}

// rowsByRows adds a·bᵀ to c, transposed: c[j*ldc+i] += Σ_k a[i*lda+k] b[j*ldb+k] for i < m, j < n, k < d.
// first(i) is the lowest j wanted for the tile that begins at row i of a; nil wants all.
func rowsByRows(c []float64, ldc int, a []float64, lda int, b []float64, ldb int, m, n, d int, first func(i int) int) {
	const panel = 96 // rows of b kept near: with the callers' run lengths they fit a second-level cache
	whole := d &^ (lanes - 1)
	var edge *edgeTile
	for from := 0; from < n; from += panel {
		to := min(from+panel, n)
		for i := 0; i < m; i += tileA {
			j := from
			if first != nil {
				j = max(j, first(i)/tileB*tileB)
			}
			for ; j < to; j += tileB {
				if i+tileA <= m && j+tileB <= to && whole == d {
					tile(d, a[i*lda:], lda, b[j*ldb:], ldb, c[j*ldc+i:], ldc)
					continue
				}
				if edge == nil {
					edge = newEdgeTile(d)
				}
				edge.add(c[j*ldc+i:], ldc, a[i*lda:], lda, b[j*ldb:], ldb, min(tileA, m-i), min(tileB, to-j), d)
			}
		}
	}
}

// An edgeTile fills up what is no whole tile with zeros: rows that are missing, and lengths that are no multiple of the lanes.
type edgeTile struct {
	d    int // length, filled up
	a, b []float64
	c    [tileA * tileB]float64
}

func newEdgeTile(d int) *edgeTile {
	d = (d + lanes - 1) &^ (lanes - 1)
	return &edgeTile{d: d, a: make([]float64, tileA*d), b: make([]float64, tileB*d)}
}

// add is tile for m ≤ 4 rows of a and n ≤ 3 rows of b of any length d.
func (e *edgeTile) add(c []float64, ldc int, a []float64, lda int, b []float64, ldb, m, n, d int) {
	clear(e.a)
	clear(e.b)
	clear(e.c[:])
	for i := range m {
		copy(e.a[i*e.d:], a[i*lda:i*lda+d])
	}
	for j := range n {
		copy(e.b[j*e.d:], b[j*ldb:j*ldb+d])
	}
	tile(e.d, e.a, e.d, e.b, e.d, e.c[:], tileA)
	for j := range n {
		for i := range m {
			c[j*ldc+i] += e.c[j*tileA+i]
		}
	}
}

// dot is Σ a_i b_i.
func dot(a, b []float64) float64 { return floats.Dot(a, b) }

// axpy adds s·x to y.
func axpy(y []float64, s float64, x []float64) { floats.AddScaled(y, s, x) }

// add adds x to y, which may be longer.
func add(y, x []float64) { floats.Add(y[:len(x)], x) }

// widenDelta writes swapped − original to dst, rounded to float32 first: that is the delta.
func widenDelta(dst []float64, original, swapped []float32) {
	original, swapped = original[:len(dst)], swapped[:len(dst)]
	for k := range dst {
		dst[k] = float64(swapped[k] - original[k])
	}
}
