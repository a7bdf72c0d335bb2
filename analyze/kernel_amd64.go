package analyze

import "golang.org/x/sys/cpu"

var hasTile = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func tileAVX2(n int, a *float64, lda int, b *float64, ldb int, c *float64, ldc int)

func tile(n int, a []float64, lda int, b []float64, ldb int, c []float64, ldc int) {
	if !hasTile {
		tileGo(n, a, lda, b, ldb, c, ldc)
		return
	}
	// The assembly does not check bounds.
	_, _, _ = a[3*lda+n-1], b[2*ldb+n-1], c[2*ldc+3]
	tileAVX2(n, &a[0], lda, &b[0], ldb, &c[0], ldc)
}
