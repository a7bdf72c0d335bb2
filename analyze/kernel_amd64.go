package analyze

import "golang.org/x/sys/cpu"

var hasVectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// The assembly does not check bounds; its callers here do.

//go:noescape
func tileAVX2(n int, a *float64, lda int, b *float64, ldb int, c *float64, ldc int)

//go:noescape
func tile32AVX2(n int, a *float32, lda int, b *float32, ldb int, c *float64, ldc int)

//go:noescape
func four32AVX2(n int, a, b0, b1, b2, b3 *float32, c *float64)

//go:noescape
func dots2AVX2(n int, x *float32, a, b *float64, c *float64)

//go:noescape
func squareAVX2(n int, x *float32) float64

//go:noescape
func sub32AVX2(n int, dst, a, b *float32)

//go:noescape
func addWideAVX2(n int, dst *float64, x *float32)

//go:noescape
func widenAVX2(n int, dst *float64, x *float32)

func tile(n int, a []float64, lda int, b []float64, ldb int, c []float64, ldc int) {
	if !hasVectors {
		tileGo(n, a, lda, b, ldb, c, ldc)
		return
	}
	_, _, _ = a[3*lda+n-1], b[2*ldb+n-1], c[2*ldc+3]
	tileAVX2(n, &a[0], lda, &b[0], ldb, &c[0], ldc)
}

func tile32(n int, a []float32, lda int, b []float32, ldb int, c []float64, ldc int) {
	if !hasVectors {
		tile32Go(n, a, lda, b, ldb, c, ldc)
		return
	}
	_, _, _ = a[3*lda+n-1], b[2*ldb+n-1], c[2*ldc+3]
	tile32AVX2(n, &a[0], lda, &b[0], ldb, &c[0], ldc)
}

func four32(a []float32, b [4][]float32, c *[4]float64) {
	n := len(a)
	if !hasVectors || n == 0 {
		four32Go(a, b, c)
		return
	}
	_, _, _, _ = b[0][n-1], b[1][n-1], b[2][n-1], b[3][n-1]
	four32AVX2(n, &a[0], &b[0][0], &b[1][0], &b[2][0], &b[3][0], &c[0])
}

func sub32(dst, a, b []float32) {
	n := len(dst)
	a, b = a[:n], b[:n]
	whole := 0
	if hasVectors && n >= 8 {
		whole = n &^ 7
		sub32AVX2(whole, &dst[0], &a[0], &b[0])
	}
	for k := whole; k < n; k++ {
		dst[k] = a[k] - b[k]
	}
}

func addWide(dst []float64, x []float32) {
	n := len(x)
	dst = dst[:n]
	whole := 0
	if hasVectors && n >= 4 {
		whole = n &^ 3
		addWideAVX2(whole, &dst[0], &x[0])
	}
	for k := whole; k < n; k++ {
		dst[k] += float64(x[k])
	}
}

func widen(dst []float64, x []float32) {
	n := len(x)
	dst = dst[:n]
	whole := 0
	if hasVectors && n >= 4 {
		whole = n &^ 3
		widenAVX2(whole, &dst[0], &x[0])
	}
	for k := whole; k < n; k++ {
		dst[k] = float64(x[k])
	}
}

func dots2(x []float32, a, b []float64, c *[2]float64) {
	n := len(x)
	if !hasVectors || n == 0 {
		dots2Go(x, a, b, c)
		return
	}
	_, _ = a[n-1], b[n-1]
	dots2AVX2(n, &x[0], &a[0], &b[0], &c[0])
}

func square(x []float32) float64 {
	if !hasVectors || len(x) == 0 {
		return squareGo(x)
	}
	return squareAVX2(len(x), &x[0])
}
