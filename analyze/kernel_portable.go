package analyze

import "math"

// Kernels without vector instructions. They define what the others compute, to the bit.

// tile64Go is the tile of tileOf for float64, in four lanes.
func tile64Go(steps int, a []float64, row, step int, b []float64, c []float64, ldc int) {
	for j := range tileB {
		for i := range tileA {
			var l [4]float64
			for k := range steps {
				x, y := a[i*row+k*step:][:4], b[(k*tileB+j)*4:][:4]
				for t := range l {
					l[t] = math.FMA(x[t], y[t], l[t])
				}
			}
			c[j*ldc+i] += (l[0] + l[1]) + (l[2] + l[3])
		}
	}
}

// tile32Go is that for float32, in eight lanes.
func tile32Go(steps int, a []float32, row, step int, b []float32, c []float64, ldc int) {
	for j := range tileB {
		for i := range tileA {
			var l [8]float32
			for k := range steps {
				x, y := a[i*row+k*step:][:8], b[(k*tileB+j)*8:][:8]
				for t := range l {
					l[t] = fma32(x[t], y[t], l[t])
				}
			}
			c[j*ldc+i] += float64(sum8(&l))
		}
	}
}

// sum8 adds lanes in the order of every kernel.
func sum8(l *[8]float32) float32 {
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
}

// fma32 is x·y + z rounded once to float32. The product is exact in float64; the sum is rounded to odd there, so that rounding it again
// is no double rounding (Boldo and Melquiond 2008).
func fma32(x, y, z float32) float32 {
	p, q := float64(x)*float64(y), float64(z)
	s := p + q
	t := s - p
	e := (p - (s - t)) + (q - t) // what s lacks, exactly (Knuth's two-sum)
	if bits := math.Float64bits(s); e != 0 && bits&1 == 0 {
		if (e > 0) == (s > 0) {
			s = math.Float64frombits(bits + 1)
		} else {
			s = math.Float64frombits(bits - 1)
		}
	}
	return float32(s)
}

// spreadGo writes src, a whole number of lanes, with its lanes step values apart.
func spreadGo[T float32 | float64](dst []T, step int, src []T) {
	for l := lanes[T](); len(src) > 0; src = src[l:] {
		copy(dst[:l], src)
		if len(src) > l {
			dst = dst[step:]
		}
	}
}

// partners32Go adds to c[p] the inner products of the lanes of u's rows i < n with those of w that lie at[i, p] bytes from its beginning; at [n, partners]
// must not lead beyond w. Each p has lanes of its own, over all i.
func partners32Go(n int, u, w []float32, at []uint32, c *[partners]float64) {
	var l [partners][partnerLanes]float32
	for i := range n {
		x := u[i*partnerLanes:][:partnerLanes]
		for p := range partners {
			y := w[at[i*partners+p]/4:][:partnerLanes]
			for t := range x {
				l[p][t] = fma32(x[t], y[t], l[p][t])
			}
		}
	}
	for p := range c {
		var sum [8]float32
		for t := range sum {
			sum[t] = l[p][t] + l[p][8+t]
		}
		c[p] += float64(sum8(&sum))
	}
}

// scatter32Go writes s·x in sixteens, step values apart, the last one filled up with zeros.
func scatter32Go(dst []float32, step int, x []float32, s float32) {
	for k := 0; k < filledTo(len(x), partnerLanes); k++ {
		at := &dst[k/partnerLanes*step+k%partnerLanes]
		if *at = 0; k < len(x) {
			*at = s * x[k]
		}
	}
}

// sub32Go is dst = a − b, all as long as dst.
func sub32Go(dst, a, b []float32) {
	for k := range dst {
		dst[k] = a[k] - b[k]
	}
}

// subSum32Go is dst = a − b and sum += dst, all as long as dst.
func subSum32Go(dst []float32, sum []float64, a, b []float32) {
	sub32Go(dst, a, b)
	addWideGo(sum, dst)
}

// addWideGo is dst += x.
func addWideGo(dst []float64, x []float32) {
	for k, v := range x {
		dst[k] += float64(v)
	}
}

// widenGo is dst = x.
func widenGo(dst []float64, x []float32) {
	for k, v := range x {
		dst[k] = float64(v)
	}
}

// squareGo is Σ_k x[k]², the length of x a multiple of 16.
func squareGo(x []float32) float64 {
	var l [16]float64
	for k, v := range x {
		l[k%16] = math.FMA(float64(v), float64(v), l[k%16])
	}
	for t := range 4 {
		l[t] = (l[t] + l[4+t]) + (l[8+t] + l[12+t])
	}
	return (l[0] + l[1]) + (l[2] + l[3])
}

// dots2Go adds ⟨x, a⟩ and ⟨x, b⟩ to c, the length of x a multiple of 8.
func dots2Go(x []float32, a, b []float64, c *[2]float64) {
	for j, y := range [2][]float64{a, b} {
		var l [8]float64
		for k, v := range x {
			l[k%8] = math.FMA(float64(v), y[k], l[k%8])
		}
		c[j] += sumHalves(&l)
	}
}

// dots3Go adds ⟨x, x⟩, ⟨x, y⟩ and ⟨y, y⟩ to c, the length of both a multiple of 8.
func dots3Go(x, y []float32, c *[3]float64) {
	for j, p := range [3][2][]float32{{x, x}, {x, y}, {y, y}} {
		var l [8]float64
		for k, v := range p[0] {
			l[k%8] = math.FMA(float64(v), float64(p[1][k]), l[k%8])
		}
		c[j] += sumHalves(&l)
	}
}

// sumHalves adds two accumulators of four lanes, then the lanes.
func sumHalves(l *[8]float64) float64 {
	for t := range 4 {
		l[t] += l[4+t]
	}
	return (l[0] + l[1]) + (l[2] + l[3])
}

// dots7Go adds ⟨x, a⟩, ⟨x, b⟩, ⟨y, a⟩, ⟨y, b⟩, ⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩ to c, the length of x a multiple of 4 and no other shorter.
func dots7Go(x, y, a, b []float64, c *[7]float64) {
	for j, p := range [7][2][]float64{{x, a}, {x, b}, {y, a}, {y, b}, {x, x}, {y, y}, {x, y}} {
		var l [4]float64
		for k, v := range p[0] {
			l[k%4] = math.FMA(v, p[1][k], l[k%4])
		}
		c[j] += (l[0] + l[1]) + (l[2] + l[3])
	}
}
