package analyze

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// bestUnit is the best this processor has; GODEBUG=cpu.avx512f=off and cpu.avx2=off take from it.
func bestUnit() vectorUnit {
	switch {
	case !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return portable
	case !cpu.X86.HasAVX512F:
		return avx2
	}
	return avx512
}

// The assembly does not check bounds; its callers here do, but for where partners32 is led.

//go:noescape
func tile64AVX2(steps int, a *float64, row, step int, b *float64, c *float64, ldc int)

//go:noescape
func tile64AVX512(steps int, a *float64, row, step int, b *float64, c *float64, ldc int)

//go:noescape
func tile32AVX2(steps int, a *float32, row, step int, b *float32, c *float64, ldc int)

//go:noescape
func tile32AVX512(steps int, a *float32, row, step int, b *float32, c *float64, ldc int)

//go:noescape
func partners32AVX2(n int, u, w *float32, at *uint32, c *float64)

//go:noescape
func partners32AVX512(n int, u, w *float32, at *uint32, c *float64)

//go:noescape
func spreadAVX2(n int, dst unsafe.Pointer, step int, src unsafe.Pointer)

//go:noescape
func scatter32AVX2(n int, dst *float32, step int, x *float32, s float32)

//go:noescape
func sub32AVX2(n int, dst, a, b *float32)

//go:noescape
func subSum32AVX2(n int, dst *float32, sum *float64, a, b *float32)

//go:noescape
func addWideAVX2(n int, dst *float64, x *float32)

//go:noescape
func widenAVX2(n int, dst *float64, x *float32)

//go:noescape
func squareAVX2(n int, x *float32) float64

//go:noescape
func dots2AVX2(n int, x *float32, a, b *float64, c *float64)

//go:noescape
func dots3AVX2(n int, x, y *float32, c *float64)

//go:noescape
func dots7AVX2(n int, x, y, a, b *float64, c *float64)

func tile64(steps int, a []float64, row, step int, b []float64, c []float64, ldc int) {
	if unit == portable {
		tile64Go(steps, a, row, step, b, c, ldc)
		return
	}
	_, _, _ = a[3*row+(steps-1)*step+3], b[steps*tileB*4-1], c[(tileB-1)*ldc+tileA-1]
	if unit == avx512 {
		tile64AVX512(steps, &a[0], row, step, &b[0], &c[0], ldc)
		return
	}
	tile64AVX2(steps, &a[0], row, step, &b[0], &c[0], ldc)
}

func tile32(steps int, a []float32, row, step int, b []float32, c []float64, ldc int) {
	if unit == portable {
		tile32Go(steps, a, row, step, b, c, ldc)
		return
	}
	_, _, _ = a[3*row+(steps-1)*step+7], b[steps*tileB*8-1], c[(tileB-1)*ldc+tileA-1]
	if unit == avx512 {
		tile32AVX512(steps, &a[0], row, step, &b[0], &c[0], ldc)
		return
	}
	tile32AVX2(steps, &a[0], row, step, &b[0], &c[0], ldc)
}

func partners32(n int, u, w []float32, at []uint32, c *[partners]float64) {
	if unit == portable || n == 0 {
		partners32Go(n, u, w, at, c)
		return
	}
	_, _ = u[n*partnerLanes-1], at[n*partners-1]
	if unit == avx512 {
		partners32AVX512(n, &u[0], &w[0], &at[0], &c[0])
		return
	}
	partners32AVX2(n, &u[0], &w[0], &at[0], &c[0])
}

func spread[T float32 | float64](dst []T, step int, src []T) {
	l := lanes[T]()
	n := len(src) / l
	if unit == portable || n == 0 {
		spreadGo(dst, step, src)
		return
	}
	_ = dst[(n-1)*step+l-1]
	spreadAVX2(n, unsafe.Pointer(&dst[0]), step*int(unsafe.Sizeof(T(0))), unsafe.Pointer(&src[0]))
}

func scatter32(dst []float32, step int, x []float32, s float32) {
	n := vectorPart(len(x), partnerLanes)
	if n > 0 {
		_ = dst[(n/partnerLanes-1)*step+partnerLanes-1]
		scatter32AVX2(n/partnerLanes, &dst[0], step*4, &x[0], s)
	}
	if n < len(x) {
		scatter32Go(dst[n/partnerLanes*step:], step, x[n:], s)
	}
}

func sub32(dst, a, b []float32) {
	n := vectorPart(len(dst), 8)
	a, b = a[:len(dst)], b[:len(dst)]
	if n > 0 {
		sub32AVX2(n, &dst[0], &a[0], &b[0])
	}
	sub32Go(dst[n:], a[n:], b[n:])
}

func subSum32(dst []float32, sum []float64, a, b []float32) {
	n := vectorPart(len(dst), 8)
	sum, a, b = sum[:len(dst)], a[:len(dst)], b[:len(dst)]
	if n > 0 {
		subSum32AVX2(n, &dst[0], &sum[0], &a[0], &b[0])
	}
	subSum32Go(dst[n:], sum[n:], a[n:], b[n:])
}

func addWide(dst []float64, x []float32) {
	n := vectorPart(len(x), 8)
	if dst = dst[:len(x)]; n > 0 {
		addWideAVX2(n, &dst[0], &x[0])
	}
	addWideGo(dst[n:], x[n:])
}

func widen(dst []float64, x []float32) {
	n := vectorPart(len(x), 8)
	if dst = dst[:len(x)]; n > 0 {
		widenAVX2(n, &dst[0], &x[0])
	}
	widenGo(dst[n:], x[n:])
}

// vectorPart is how many of n values are done with vectors, a whole number at a time.
func vectorPart(n, lanes int) int {
	if unit == portable {
		return 0
	}
	return n / lanes * lanes
}

func square(x []float32) float64 {
	if unit == portable || len(x) == 0 {
		return squareGo(x)
	}
	return squareAVX2(len(x), &x[0])
}

func dots2(x []float32, a, b []float64, c *[2]float64) {
	n := len(x)
	if unit == portable || n == 0 {
		dots2Go(x, a, b, c)
		return
	}
	_, _ = a[n-1], b[n-1]
	dots2AVX2(n, &x[0], &a[0], &b[0], &c[0])
}

func dots3(x, y []float32, c *[3]float64) {
	n := len(x)
	if unit == portable || n == 0 {
		dots3Go(x, y, c)
		return
	}
	_ = y[n-1]
	dots3AVX2(n, &x[0], &y[0], &c[0])
}

func dots7(x, y, a, b []float64, c *[7]float64) {
	n := len(x)
	if unit == portable || n == 0 {
		dots7Go(x, y, a, b, c)
		return
	}
	_, _, _ = y[n-1], a[n-1], b[n-1]
	dots7AVX2(n, &x[0], &y[0], &a[0], &b[0], &c[0])
}
