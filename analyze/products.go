package analyze

// A filler writes values at to at+len(dst) of row i to dst.
type filler func(dst []float64, i, at int)

// Inner products of long rows are taken in runs of runLength dimensions, so that the widened rows stay in cache; runStride
// keeps rows from falling on the same cache lines.
const (
	runLength = 256
	runStride = runLength + 8
)

// products writes ⟨row i, row j⟩ for lo ≤ i, j < hi to k, row-major with rows of length ld, in float64. Rows have length d
// and come from fill.
func products(k []float64, ld, d int, fill filler, lo, hi int) {
	m := hi - lo
	if m == 0 {
		return
	}
	x := make([]float64, m*runStride)
	for at := 0; at < d; at += runLength {
		w := min(runLength, d-at)
		for i := range m {
			fill(x[i*runStride:i*runStride+w], lo+i, at)
		}
		// Only tiles that touch i ≤ j: the rest is their mirror image.
		rowsByRows(k[lo*ld+lo:], ld, x, runStride, x, runStride, m, m, w, func(i int) int { return i })
	}
	for j := lo; j < hi; j++ {
		for i := lo; i < j; i++ {
			k[i*ld+j] = k[j*ld+i]
		}
	}
}

// crossProducts writes ⟨row i of a, row j of b⟩ to c, [m, n], in float64.
func crossProducts(c []float64, m, n, d int, fillA, fillB filler) {
	x, y := make([]float64, m*runStride), make([]float64, n*runStride)
	for at := 0; at < d; at += runLength {
		w := min(runLength, d-at)
		for i := range m {
			fillA(x[i*runStride:i*runStride+w], i, at)
		}
		for j := range n {
			fillB(y[j*runStride:j*runStride+w], j, at)
		}
		rowsByRows(c, n, y, runStride, x, runStride, n, m, w, nil)
	}
}
