//go:build !amd64

package analyze

func tile(n int, a []float64, lda int, b []float64, ldb int, c []float64, ldc int) {
	tileGo(n, a, lda, b, ldb, c, ldc)
}

func tile32(n int, a []float32, lda int, b []float32, ldb int, c []float64, ldc int) {
	tile32Go(n, a, lda, b, ldb, c, ldc)
}

func four32(a []float32, b [4][]float32, c *[4]float64) { four32Go(a, b, c) }

func sub32(dst, a, b []float32) {
	for k := range dst {
		dst[k] = a[k] - b[k]
	}
}

func addWide(dst []float64, x []float32) {
	for k, v := range x {
		dst[k] += float64(v)
	}
}

func widen(dst []float64, x []float32) {
	for k, v := range x {
		dst[k] = float64(v)
	}
}

func dots2(x []float32, a, b []float64, c *[2]float64) { dots2Go(x, a, b, c) }

func square(x []float32) float64 { return squareGo(x) }
