//go:build !amd64

package analyze

func bestUnit() vectorUnit { return portable }

func tile64(steps int, a []float64, row, step int, b []float64, c []float64, ldc int) {
	tile64Go(steps, a, row, step, b, c, ldc)
}

func tile32(steps int, a []float32, row, step int, b []float32, c []float64, ldc int) {
	tile32Go(steps, a, row, step, b, c, ldc)
}

func partners32(n int, u, w []float32, at []uint32, c *[partners]float64) {
	partners32Go(n, u, w, at, c)
}

func spread[T float32 | float64](dst []T, step int, src []T) { spreadGo(dst, step, src) }

func scatter32(dst []float32, step int, x []float32, s float32) { scatter32Go(dst, step, x, s) }
func sub32(dst, a, b []float32)                                 { sub32Go(dst, a, b) }
func subSum32(dst []float32, sum []float64, a, b []float32)     { subSum32Go(dst, sum, a, b) }
func addWide(dst []float64, x []float32)                        { addWideGo(dst, x) }
func widen(dst []float64, x []float32)                          { widenGo(dst, x) }
func square(x []float32) float64                                { return squareGo(x) }
func dots2(x []float32, a, b []float64, c *[2]float64)          { dots2Go(x, a, b, c) }
func dots3(x, y []float32, c *[3]float64)                       { dots3Go(x, y, c) }
func dots7(x, y, a, b []float64, c *[7]float64)                 { dots7Go(x, y, a, b, c) }
