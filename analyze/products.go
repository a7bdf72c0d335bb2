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
	stretchLength = 512               // of float64; twice as many of float32, and so for the other two
	stretchStride = stretchLength + 8 // keeps rows from falling on the same cache lines
	runLength     = 256
)

// perRow is a number of float64 as a number of T that takes the same memory.
func perRow[T float32 | float64](n int) int {
	if _, single := any(T(0)).(float32); single {
		return 2 * n
	}
	return n
}

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
	length, stride := perRow[T](stretchLength), perRow[T](stretchStride)
	x := borrow[T](m * stride)
	defer giveBack(x)
	for at := 0; at < d; at += length {
		w := min(length, d-at)
		fillStretch(x, m, w, func(dst []T, i int) { fill(dst, lo+i, at) })
		// Only tiles that touch i ≤ j: the rest is their mirror image.
		runProducts(k[lo*ld+lo:], ld, x, m, x, m, w, func(i int) int { return i })
	}
	mirror(k, ld, lo, hi)
}

// mirror copies what lies below the diagonal above it, in squares that stay in cache both ways.
func mirror(k []float64, ld, lo, hi int) {
	const side = 16
	for top := lo; top < hi; top += side {
		for left := lo; left <= top; left += side {
			for j := top; j < min(top+side, hi); j++ {
				for i := left; i < min(left+side, j); i++ {
					k[i*ld+j] = k[j*ld+i]
				}
			}
		}
	}
}

// crossProducts writes ⟨row i of a, row j of b⟩ to c, [m, n], likewise.
func crossProducts[T float32 | float64](c []float64, m, n, d int, fillA, fillB filler[T]) {
	clear(c[:m*n])
	length, stride := perRow[T](stretchLength), perRow[T](stretchStride)
	x, y := borrow[T](m*stride), borrow[T](n*stride)
	defer giveBack(x)
	defer giveBack(y)
	for at := 0; at < d; at += length {
		w := min(length, d-at)
		fillStretch(x, m, w, func(dst []T, i int) { fillA(dst, i, at) })
		fillStretch(y, n, w, func(dst []T, j int) { fillB(dst, j, at) })
		runProducts(c, n, y, n, x, m, w, nil)
	}
}

// fillStretch fills rows of w values, and zeros behind them up to a whole number of lanes.
func fillStretch[T float32 | float64](x []T, m, w int, fill func(dst []T, i int)) {
	stride := perRow[T](stretchStride)
	for i := range m {
		row := x[i*stride : (i+1)*stride]
		fill(row[:w], i)
		clear(row[w:whole(w)])
	}
}

// whole is w filled up to a whole number of lanes of either type.
func whole(w int) int { return (w + 7) &^ 7 }

// runProducts adds the products of one stretch, run by run.
func runProducts[T float32 | float64](c []float64, ldc int, a []T, m int, b []T, n, w int, first func(i int) int) {
	w = whole(w)
	length, stride := perRow[T](runLength), perRow[T](stretchStride)
	for at := 0; at < w; at += length {
		switch a := any(a[at:]).(type) {
		case []float64:
			rowsByRows(c, ldc, a, stride, any(b[at:]).([]float64), stride, m, n, min(length, w-at), first)
		case []float32:
			rowsByRows32(c, ldc, a, stride, any(b[at:]).([]float32), stride, m, n, min(length, w-at), first)
		}
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
