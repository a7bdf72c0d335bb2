package analyze

// A filler writes values at to at+len(dst) of row i to dst.
type filler[T float32 | float64] func(dst []T, i, at int)

// Long rows are fetched in stretches, long enough for memory to stream, and multiplied in runs, short enough to stay in cache.
//
// Where products are float32 (see singleWork), a run is also how far they go before they are added up in float64: eight lanes of 64 fused
// multiply-adds and three additions. Whatever the data, a cosine is then off by less than 67·2⁻²⁴ = 4e-6 (Higham 2002, §3.1), if rounding
// errors are independent by √67·2⁻²⁴ = 4.9e-7 (Higham and Mary 2019). Means and deviations over hundreds of pairs, which is
// all that is ever shown, are off by less than 1e-9 in the tests, rogue dimensions included.
const (
	stretchLength = 512 // of float64; twice as many of float32, and so for the other
	runLength     = 256
)

// perRow is a number of float64 as a number of T that takes the same memory.
func perRow[T float32 | float64](n int) int { return n * lanes[T]() / lanes[float64]() }

// singleWork is the number of multiply-adds (rows × rows × width) from which inner products of deltas are float32 within a run.
// Everything short of a large model's full benchmark is below it, and float64 throughout.
const singleWork = 1 << 30

// products writes ⟨row i, row j⟩ for lo ≤ i, j < hi to k, row-major with rows of length ld. Rows have length d
// and come from fill. Products are of type T, their sums over runs float64.
func products[T float32 | float64](k []float64, ld, d int, fill filler[T], lo, hi int) {
	m := hi - lo
	if m == 0 {
		return
	}
	for i := lo; i < hi; i++ {
		clear(k[i*ld+lo : i*ld+hi])
	}
	length := perRow[T](stretchLength)
	x := borrowRows[T](m, min(length, d))
	defer giveBack(x.x)
	for at := 0; at < d; at += length {
		w := min(length, d-at)
		x.fill(m, w, func(dst []T, i int) { fill(dst, lo+i, at) })
		// Only tiles that touch j ≤ i: the rest is their mirror image.
		runs(k[lo*ld+lo:], ld, x, x, m, m, w, true)
	}
	mirror(k, ld, lo, hi)
}

// mirror copies what lies above the diagonal below it, in squares that stay in cache both ways.
func mirror(k []float64, ld, lo, hi int) {
	const side = 16
	for top := lo; top < hi; top += side {
		for left := lo; left <= top; left += side {
			for j := top; j < min(top+side, hi); j++ {
				for i := left; i < min(left+side, j); i++ {
					k[j*ld+i] = k[i*ld+j]
				}
			}
		}
	}
}

// crossProducts writes ⟨row i of a, row j of b⟩ to c, [m, n], likewise.
func crossProducts[T float32 | float64](c []float64, m, n, d int, fillA, fillB filler[T]) {
	clear(c[:m*n])
	length := perRow[T](stretchLength)
	x, y := borrowRows[T](m, min(length, d)), borrowRows[T](n, min(length, d))
	defer giveBack(x.x)
	defer giveBack(y.x)
	for at := 0; at < d; at += length {
		w := min(length, d-at)
		x.fill(m, w, func(dst []T, i int) { fillA(dst, i, at) })
		y.fill(n, w, func(dst []T, j int) { fillB(dst, j, at) })
		runs(c, n, y, x, n, m, w, false)
	}
}

// runs adds the products of one stretch, m rows of a and n of b, run by run.
func runs[T float32 | float64](c []float64, ldc int, a, b rows[T], m, n, w int, half bool) {
	length := perRow[T](runLength)
	for at := 0; at < w; at += length {
		multiply(c, ldc, a, b, 0, m, n, at, min(at+length, w), half)
	}
}

// widened is a filler of float64 from one of float32. It is not safe for concurrent use.
func widened(fill filler[float32]) filler[float64] {
	var buf []float32
	return func(dst []float64, i, at int) {
		if cap(buf) < len(dst) {
			buf = make([]float32, len(dst))
		}
		buf = buf[:len(dst)]
		fill(buf, i, at)
		widen(dst, buf)
	}
}
