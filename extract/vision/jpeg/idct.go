package jpeg

// Constants of the Loeffler–Ligtenberg–Moschytz inverse DCT, 13 fraction bits (libjpeg's jidctint.c).
const (
	f0298 = 2446
	f0390 = 3196
	f0541 = 4433
	f0765 = 6270
	f0899 = 7373
	f1175 = 9633
	f1501 = 12299
	f1847 = 15137
	f1961 = 16069
	f2053 = 16819
	f2562 = 20995
	f3072 = 25172
)

// idct dequantises a block, transforms it and writes 8×8 samples.
//
// It is libjpeg's accurate integer transform in the form of the SIMD code that runs on x86 and ARM: products and the
// first sums are 16-bit and wrap, results of either pass saturate. The C code agrees with it on everything an
// encoder can produce.
func idct(coef *[64]int16, quant *[64]uint16, dst []uint8, pitch int) {
	var ws [64]int16
	var rest int16
	for _, c := range coef[8:] {
		rest |= c
	}
	if rest == 0 {
		// Only means of columns: every output is the mean, with the two extra bits that the first pass keeps.
		if coef[1]|coef[2]|coef[3]|coef[4]|coef[5]|coef[6]|coef[7] == 0 {
			v := sample((int32(coef[0]*int16(quant[0])<<2)<<13 + 1<<17) >> 18)
			for y := range 8 {
				row := dst[y*pitch:][:8]
				for x := range row {
					row[x] = v
				}
			}
			return
		}
		for i := range ws {
			ws[i] = coef[i&7] * int16(quant[i&7]) << 2
		}
	} else {
		columns(coef, quant, &ws)
	}
	for y := range 8 {
		r := ws[8*y : 8*y+8 : 8*y+8]
		out := dst[y*pitch:][:8]
		for x, v := range pass(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]) {
			out[x] = sample((v + 1<<17) >> 18)
		}
	}
}

// columns is the first pass: down the columns, keeping two fraction bits.
func columns(coef *[64]int16, quant *[64]uint16, ws *[64]int16) {
	for x := range 8 {
		c := coef[x : 57+x : 57+x]
		q := quant[x : 57+x : 57+x]
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			v := saturate(int32(c[0]*int16(q[0])) << 2)
			for y := range 8 {
				ws[8*y+x] = v
			}
			continue
		}
		o := pass(
			c[0]*int16(q[0]), c[8]*int16(q[8]), c[16]*int16(q[16]), c[24]*int16(q[24]),
			c[32]*int16(q[32]), c[40]*int16(q[40]), c[48]*int16(q[48]), c[56]*int16(q[56]))
		for y, v := range o {
			ws[8*y+x] = saturate((v + 1<<10) >> 11)
		}
	}
}

// pass is one 8-point transform.
func pass(x0, x1, x2, x3, x4, x5, x6, x7 int16) [8]int32 {
	z1 := (int32(x2) + int32(x6)) * f0541
	e2 := z1 - int32(x6)*f1847
	e3 := z1 + int32(x2)*f0765
	e0, e1 := int32(x0+x4)<<13, int32(x0-x4)<<13
	a, d, b, c := e0+e3, e0-e3, e1+e2, e1-e2

	p1, p2 := int32(x7)+int32(x1), int32(x5)+int32(x3)
	p3, p4 := int32(x7+x3), int32(x5+x1)
	p5 := (p3 + p4) * f1175
	p3, p4 = p5-p3*f1961, p5-p4*f0390
	o0 := int32(x7)*f0298 - p1*f0899 + p3
	o1 := int32(x5)*f2053 - p2*f2562 + p4
	o2 := int32(x3)*f3072 - p2*f2562 + p3
	o3 := int32(x1)*f1501 - p1*f0899 + p4
	return [8]int32{a + o3, b + o2, c + o1, d + o0, d - o0, c - o1, b - o2, a - o3}
}

func saturate(v int32) int16 {
	if v != int32(int16(v)) {
		return int16(0x7fff ^ v>>31)
	}
	return int16(v)
}

// sample centres a value at 128 and clamps it.
func sample(v int32) uint8 { return clamp(v + 128) }

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}
