//go:build !amd64

package analyze

func tile(n int, a []float64, lda int, b []float64, ldb int, c []float64, ldc int) {
	tileGo(n, a, lda, b, ldb, c, ldc)
}
