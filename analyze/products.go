package analyze

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// A filler writes values at to at+len(dst) of row i to dst.
type filler func(dst []float64, i, at int)

// products writes ⟨row i, row j⟩ for lo ≤ i, j < hi to k, [n, n], in float64. Rows have length d and come from fill.
func products(k []float64, n, d int, fill filler, lo, hi int) {
	const chunk = 256
	m := hi - lo
	if m == 0 {
		return
	}
	x := make([]float64, m*chunk)
	c := blas64.General{Rows: m, Cols: m, Stride: n, Data: k[lo*n+lo : (hi-1)*n+hi]}
	for at := 0; at < d; at += chunk {
		w := min(chunk, d-at)
		for i := range m {
			fill(x[i*w:(i+1)*w], lo+i, at)
		}
		a := blas64.General{Rows: m, Cols: w, Stride: w, Data: x[:m*w]}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, a, a, 1, c)
	}
	for i := range m {
		for j := range i {
			k[(lo+j)*n+lo+i] = k[(lo+i)*n+lo+j]
		}
	}
}

// multiply writes a·b to dst: a [m, k] with row stride sa, b [k, n] with stride sb, dst [m, n] dense.
func multiply(dst []float64, a []float64, sa int, b []float64, sb int, m, k, n int) {
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1,
		blas64.General{Rows: m, Cols: k, Stride: sa, Data: a[:(m-1)*sa+k]},
		blas64.General{Rows: k, Cols: n, Stride: sb, Data: b[:(k-1)*sb+n]},
		0, blas64.General{Rows: m, Cols: n, Stride: n, Data: dst[:m*n]})
}

// crossProducts writes ⟨row i of a, row j of b⟩ to c, [m, n], in float64.
func crossProducts(c []float64, m, n, d int, fillA, fillB filler) {
	const chunk = 256
	x, y := make([]float64, m*chunk), make([]float64, n*chunk)
	for at := 0; at < d; at += chunk {
		w := min(chunk, d-at)
		for i := range m {
			fillA(x[i*w:(i+1)*w], i, at)
		}
		for i := range n {
			fillB(y[i*w:(i+1)*w], i, at)
		}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, blas64.General{Rows: m, Cols: w, Stride: w, Data: x[:m*w]},
			blas64.General{Rows: n, Cols: w, Stride: w, Data: y[:n*w]}, 1, blas64.General{Rows: m, Cols: n, Stride: n, Data: c})
	}
}
