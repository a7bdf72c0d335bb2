package analyze

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// All matrix products here are of one form, rows against rows: c[j, i] = Σ_k a[i, k] b[j, k]. They are done in tiles of 4×3 inner
// products, each in lanes with fused multiply-adds in a fixed order, so that a processor with vector units
// and one without give the same bits. Lanes are four of float64 or eight of float32.
const tileA, tileB = 4, 3

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
	for k := 0; k+4 <= len(a); k += 4 {
		x, y := a[k:k+4:k+4], b[k:k+4:k+4]
		l0 = math.FMA(x[0], y[0], l0)
		l1 = math.FMA(x[1], y[1], l1)
		l2 = math.FMA(x[2], y[2], l2)
		l3 = math.FMA(x[3], y[3], l3)
	}
	return (l0 + l1) + (l2 + l3)
}

// tile32Go is tile32 without vector instructions, n a positive multiple of 8.
func tile32Go(n int, a []float32, lda int, b []float32, ldb int, c []float64, ldc int) {
	for j := range tileB {
		for i := range tileA {
			x, y := a[i*lda:i*lda+n], b[j*ldb:j*ldb+n]
			var l [8]float32
			for k := range n {
				l[k%8] = fma32(x[k], y[k], l[k%8])
			}
			c[j*ldc+i] += float64(((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7])))
		}
	}
}

// four32Go is four32 without vector instructions: c[j] += Σ_k a[k] b[j][k], the length of a a multiple of 16.
func four32Go(a []float32, b [4][]float32, c *[4]float64) {
	for j := range c {
		var l [16]float32
		for k, x := range a {
			l[k%16] = fma32(x, b[j][k], l[k%16])
		}
		for t := range 8 {
			l[t] += l[8+t]
		}
		c[j] += float64(((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7])))
	}
}

// dots2Go is dots2 without vector instructions: c[0] += Σ_k x[k] a[k], c[1] += Σ_k x[k] b[k], the length of x a multiple of 8.
func dots2Go(x []float32, a, b []float64, c *[2]float64) {
	for j, y := range [2][]float64{a, b} {
		var l [8]float64
		for k, v := range x {
			l[k%8] = math.FMA(float64(v), y[k], l[k%8])
		}
		for t := range 4 {
			l[t] += l[4+t]
		}
		c[j] += (l[0] + l[1]) + (l[2] + l[3])
	}
}

// squareGo is square without vector instructions: Σ_k x[k]², the length of x a multiple of 16.
func squareGo(x []float32) float64 {
	var l [16]float64
	for k, v := range x {
		l[k%16] = math.FMA(float64(v), float64(v), l[k%16])
	}
	for t := range 4 {
		l[t] = (l[t] + l[4+t]) + (l[8+t] + l[12+t])
	}
	return (l[0] + l[1]) + (l[2] + l[3])
}

// fma32 is x·y + z rounded once to float32. The product is exact in float64; the sum is rounded to odd there, so that rounding it again
// is no double rounding (Boldo and Melquiond 2008).
func fma32(x, y, z float32) float32 {
	p, q := float64(x)*float64(y), float64(z)
	s := p + q
	t := s - p
	e := (p - (s - t)) + (q - t) // what s lacks, exactly (Knuth's two-sum)
	if bits := math.Float64bits(s); e != 0 && bits&1 == 0 {
		if (e > 0) == (s > 0) {
			s = math.Float64frombits(bits + 1)
		} else {
			s = math.Float64frombits(bits - 1)
		}
	}
	return float32(s)
}

// rowsByRows adds a·bᵀ to c, transposed: c[j*ldc+i] += Σ_k a[i*lda+k] b[j*ldb+k] for i < m, j < n, k < d.
// first(i) is the lowest j wanted for the tile that begins at row i of a, and must not fall with i; nil wants all.
func rowsByRows(c []float64, ldc int, a []float64, lda int, b []float64, ldb int, m, n, d int, first func(i int) int) {
	tiles(tile, 4, c, ldc, a, lda, b, ldb, m, n, d, first)
}

// rowsByRows32 is rowsByRows for float32 rows. Its sums over k are float32: see runLength for how far that goes.
func rowsByRows32(c []float64, ldc int, a []float32, lda int, b []float32, ldb int, m, n, d int, first func(i int) int) {
	tiles(tile32, 8, c, ldc, a, lda, b, ldb, m, n, d, first)
}

// tiles cuts the product into tiles, whose length must be a multiple of lanes.
func tiles[T float32 | float64](tile func(int, []T, int, []T, int, []float64, int), lanes int,
	c []float64, ldc int, a []T, lda int, b []T, ldb int, m, n, d int, first func(i int) int) {
	// Rows of b that stay in a second-level cache beside those of a that pass by, and rows of a, 12 kB, that stay in a first-level cache
	// beside three of b.
	const panelB = 48
	size := 32 / lanes // of a value, in bytes
	panelA := min(max(12<<10/(max(d, 1)*size)/tileA, 1), 16) * tileA
	var edge *edgeTile[T]
	for from := 0; from < n; from += panelB {
		to := min(from+panelB, n)
		for base := 0; base < m; base += panelA {
			end := min(base+panelA, m)
			j := from
			if first != nil {
				j = max(j, first(base)/tileB*tileB)
			}
			for ; j < to; j += tileB {
				for i := base; i < end; i += tileA {
					if first != nil && j+tileB <= first(i) {
						break
					}
					if i+tileA <= m && j+tileB <= to && d%lanes == 0 {
						tile(d, a[i*lda:], lda, b[j*ldb:], ldb, c[j*ldc+i:], ldc)
						continue
					}
					if edge == nil {
						edge = newEdgeTile[T](d, lanes)
					}
					rows, cols := min(tileB, to-j), min(tileA, m-i)
					edge.fill(a[i*lda:], lda, b[j*ldb:], ldb, cols, rows, d)
					tile(edge.d, edge.a, edge.d, edge.b, edge.d, edge.c[:], tileA)
					for y := range rows {
						for x := range cols {
							c[(j+y)*ldc+i+x] += edge.c[y*tileA+x]
						}
					}
				}
			}
		}
	}
}

// An edgeTile fills up what is no whole tile with zeros: rows that are missing, and lengths that are no multiple of the lanes.
type edgeTile[T float32 | float64] struct {
	d    int // length, filled up
	a, b []T
	c    [tileA * tileB]float64
}

func newEdgeTile[T float32 | float64](d, lanes int) *edgeTile[T] {
	d = (d + lanes - 1) / lanes * lanes
	return &edgeTile[T]{d: d, a: make([]T, tileA*d), b: make([]T, tileB*d)}
}

// fill copies m ≤ 4 rows of a and n ≤ 3 rows of b, of length d.
func (e *edgeTile[T]) fill(a []T, lda int, b []T, ldb, m, n, d int) {
	clear(e.a)
	clear(e.b)
	clear(e.c[:])
	for i := range m {
		copy(e.a[i*e.d:], a[i*lda:i*lda+d])
	}
	for j := range n {
		copy(e.b[j*e.d:], b[j*ldb:j*ldb+d])
	}
}

// dot is Σ a_i b_i.
func dot(a, b []float64) float64 { return floats.Dot(a, b) }

// axpy adds s·x to y.
func axpy(y []float64, s float64, x []float64) { floats.AddScaled(y, s, x) }
