package analyze

// A filler writes values at to at+len(dst) of row i to dst.
type filler[T float32 | float64] func(dst []T, i, at int)

// Inner products of long rows are taken in runs of runLength dimensions, so that the rows at hand stay in cache; runStride
// keeps rows from falling on the same cache lines.
//
// Where products are float32 (see singleWork), a run is also how far they go before they are added up in float64: eight lanes of 32 fused
// multiply-adds and three additions. Whatever the data, a cosine is then off by less than 35·2⁻²⁴ = 2.1e-6 (Higham 2002, §3.1), if rounding
// errors are independent by √35·2⁻²⁴ = 3.5e-7 (Higham and Mary 2019). Means and deviations over hundreds of pairs, which is
// all that is ever shown, are off by less than 1e-9 in the tests, rogue dimensions included.
const (
	runLength = 256
	runStride = runLength + 16
)

// singleWork is the number of multiply-adds (rows × rows × width) from which inner products of deltas are float32 within a run.
// Everything short of a large model's full benchmark is below it, and float64 throughout.
const singleWork = 1 << 30

// products writes ⟨row i, row j⟩ for lo ≤ i, j < hi to k, row-major with rows of length ld. Rows have length d
// and come from fill. Products are of type T, their sums over runs float64; k must be zero there.
func products[T float32 | float64](k []float64, ld, d int, fill filler[T], lo, hi int) {
	m := hi - lo
	if m == 0 {
		return
	}
	x := borrow[T](m * runStride)
	defer giveBack(x)
	for at := 0; at < d; at += runLength {
		w := min(runLength, d-at)
		fillRun(x, m, w, func(dst []T, i int) { fill(dst, lo+i, at) })
		// Only tiles that touch i ≤ j: the rest is their mirror image.
		runProducts(k[lo*ld+lo:], ld, x, m, x, m, w, func(i int) int { return i })
	}
	for j := lo; j < hi; j++ {
		for i := lo; i < j; i++ {
			k[i*ld+j] = k[j*ld+i]
		}
	}
}

// crossProducts writes ⟨row i of a, row j of b⟩ to c, [m, n], likewise.
func crossProducts[T float32 | float64](c []float64, m, n, d int, fillA, fillB filler[T]) {
	x, y := borrow[T](m*runStride), borrow[T](n*runStride)
	defer giveBack(x)
	defer giveBack(y)
	for at := 0; at < d; at += runLength {
		w := min(runLength, d-at)
		fillRun(x, m, w, func(dst []T, i int) { fillA(dst, i, at) })
		fillRun(y, n, w, func(dst []T, j int) { fillB(dst, j, at) })
		runProducts(c, n, y, n, x, m, w, nil)
	}
}

// fillRun fills rows of w values, and zeros behind them up to a whole number of lanes.
func fillRun[T float32 | float64](x []T, m, w int, fill func(dst []T, i int)) {
	for i := range m {
		row := x[i*runStride : (i+1)*runStride]
		fill(row[:w], i)
		clear(row[w:whole(w)])
	}
}

// whole is w filled up to a whole number of lanes of either type.
func whole(w int) int { return (w + 7) &^ 7 }

func runProducts[T float32 | float64](c []float64, ldc int, a []T, m int, b []T, n, w int, first func(i int) int) {
	switch a := any(a).(type) {
	case []float64:
		rowsByRows(c, ldc, a, runStride, any(b).([]float64), runStride, m, n, whole(w), first)
	case []float32:
		rowsByRows32(c, ldc, a, runStride, any(b).([]float32), runStride, m, n, whole(w), first)
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
