package analyze

import (
	"math"
	"unsafe"

	"gonum.org/v1/gonum/floats"
)

// All matrix products here are of one form, rows against rows: c[j, i] = Σ_k a[i, k] b[j, k]. They are done in tiles of 4×12 inner
// products, each in lanes (four of float64 or eight of float32, 32 bytes) with fused multiply-adds in a fixed order, so that a processor
// gives the same bits whatever its vector units are.
const (
	tileA     = 4
	tileB     = 12
	laneBytes = 32
)

// A vectorUnit is what kernels may use; each includes those before it.
type vectorUnit int

const (
	portable vectorUnit = iota
	avx2
	avx512
)

// unit is what kernels do use.
var unit = bestUnit()

// lanes is the number of values that are 32 bytes.
func lanes[T float32 | float64]() int { return laneBytes / int(unsafe.Sizeof(T(0))) }

// A rows is one operand of a product: lanes k to k+lanes of row i are at i/12·panel + i%12·row + k/lanes·step of x. Rows are packed in
// panels of twelve, lanes of all twelve side by side, so that a vector of 64 bytes holds two rows' lanes and serves two products; or
// they are plain, one after the other, which will do for a.
type rows[T float32 | float64] struct {
	x                []T
	panel, row, step int
}

// plainRows are rows as they lie in x, ld apart: a multiple of tileA, of a multiple of the lanes.
func plainRows[T float32 | float64](x []T, ld int) rows[T] {
	return rows[T]{x, tileB * ld, ld, lanes[T]()}
}

// borrowRows are n packed rows of up to d values of any kind; giveBack their x.
func borrowRows[T float32 | float64](n, d int) rows[T] {
	l := lanes[T]()
	panel := tileB * filledTo(d, l)
	return rows[T]{borrowDirty[T](filledTo(n, tileB) / tileB * panel), panel, l, tileB * l}
}

// filledTo is n rounded up to a multiple.
func filledTo(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// from is what begins with lanes k of row i.
func (r rows[T]) from(i, k int) []T {
	return r.x[i/tileB*r.panel+i%tileB*r.row+k/lanes[T]()*r.step:]
}

// set writes a row of a whole number of lanes.
func (r rows[T]) set(i int, row []T) { spread(r.from(i, 0), r.step, row) }

// fill sets the first w values of rows 0 to n by fill, and what fills them up to whole lanes and panels to zero.
func (r rows[T]) fill(n, w int, fill func(dst []T, i int)) {
	row := make([]T, filledTo(w, lanes[T]()))
	for i := range n {
		fill(row[:w], i)
		r.set(i, row)
	}
	clear(row)
	for i := n; i%tileB != 0; i++ {
		r.set(i, row)
	}
}

// multiply adds a·bᵀ to c, transposed: c[j*ldc+i] += Σ_k a[i, k] b[j, k] for lo ≤ i < hi, j < n and from ≤ k < to. b is packed; lo and from are
// multiples of tileA and of the lanes. Where to is not, what fills rows up must be zero in one of a and b and finite in the other.
// half leaves out tiles in which all j > i: so what a last panel lacks to twelve rows costs least.
func multiply[T float32 | float64](c []float64, ldc int, a, b rows[T], lo, hi, n, from, to int, half bool) {
	// Rows of a that stay in a second-level cache while panels of b pass by, each of which stays in the first-level one meanwhile.
	const block = 8 * tileB
	l := lanes[T]()
	steps := (to - from + l - 1) / l
	if steps <= 0 {
		return
	}
	tile := tileOf[T]()
	var edge [tileA * tileB]float64
	for top := lo; top < hi; top += block {
		for j := 0; j < n; j += tileB {
			y := b.from(j, from)
			first := top
			if half {
				first = max(top, j)
			}
			for i := first; i < min(top+block, hi); i += tileA {
				x := a.from(i, from)
				if i+tileA <= hi && j+tileB <= n {
					tile(steps, x, a.row, a.step, y, c[j*ldc+i:], ldc)
					continue
				}
				clear(edge[:])
				tile(steps, x, a.row, a.step, y, edge[:], tileA)
				for v := range min(tileB, n-j) {
					for u := range min(tileA, hi-i) {
						c[(j+v)*ldc+i+u] += edge[v*tileA+u]
					}
				}
			}
		}
	}
}

// tileOf is the tile of a type: c[j*ldc+i] += Σ_k a[i, k] b[j, k] for i < 4, j < 12 and steps > 0 times the lanes, rows of a being row values
// apart and their lanes step, b packed.
func tileOf[T float32 | float64]() func(steps int, a []T, row, step int, b []T, c []float64, ldc int) {
	if tile, ok := any(tile64).(func(int, []T, int, int, []T, []float64, int)); ok {
		return tile
	}
	return any(tile32).(func(int, []T, int, int, []T, []float64, int))
}

// dot is Σ a_i b_i.
func dot(a, b []float64) float64 { return floats.Dot(a, b) }

// axpy adds s·x to y.
func axpy(y []float64, s float64, x []float64) { floats.AddScaled(y, s, x) }

// norm32 is ‖x‖, in float64.
func norm32(x []float32) float64 {
	n := len(x) &^ 15
	sum := square(x[:n])
	for _, v := range x[n:] {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// dotsWith are ⟨x, a⟩ and ⟨x, b⟩ in float64.
func dotsWith(x []float32, a, b []float64) (s, t float64) {
	n := len(x) &^ 7
	var c [2]float64
	dots2(x[:n], a, b, &c)
	for k := n; k < len(x); k++ {
		c[0] += float64(x[k]) * a[k]
		c[1] += float64(x[k]) * b[k]
	}
	return c[0], c[1]
}
