package jpeg

// A progressive file may end before its coefficients are exact. libjpeg then estimates the lowest ones of each block,
// where they are still zero, from the DC values of the 5×5 blocks around it ("block smoothing", jdcoefct.c).

// smoothed reports whether that happens: the DC values are known, and some of the nine lowest other coefficients are
// not known to the last bit.
func (d *decoder) smoothed() bool {
	if !d.progressive {
		return false
	}
	useful := false
	for _, c := range d.components {
		if c.quant == nil || c.known[0] < 0 {
			return false
		}
		for _, k := range natural[:10] {
			if c.quant[k] == 0 {
				return false
			}
		}
		for _, al := range c.known[1:10] {
			useful = useful || al != 0
		}
	}
	return useful
}

// A kernel weighs the DC values of 5×5 blocks; sums are in units of 1/256.
type kernel [25]int64

// By zigzag position. Without any AC coefficient in the file, nine are estimated, and the mean is smoothed too.
var (
	fromDC = [10]kernel{
		{-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2},
		{-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1},
		{-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1},
		{2: 1, 6: 2, 7: 7, 8: 2, 11: -5, 12: -14, 13: -5, 16: 2, 17: 7, 18: 2, 22: 1},
		{0: -1, 4: 1, 6: 9, 8: -9, 16: -9, 18: 9, 20: 1, 24: -1},
		{6: 2, 7: -5, 8: 2, 10: 1, 11: 7, 12: -14, 13: 7, 14: 1, 16: 2, 17: -5, 18: 2},
		{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1},
		{6: 1, 7: -3, 8: 1, 16: -1, 17: 3, 18: -1},
		{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1},
		{6: 1, 7: 2, 8: 1, 16: -1, 17: -2, 18: -1},
	}
	fromSome = [6]kernel{
		1: {10: -7, 11: 50, 13: -50, 14: 7},
		2: {2: -7, 7: 50, 17: -50, 22: 7},
		3: {2: -1, 7: 13, 12: -24, 17: 13, 22: -1},
		4: {1: -1, 3: 1, 5: -1, 6: 10, 8: -10, 9: 1, 15: 1, 16: -10, 18: 10, 19: -1, 21: 1, 23: -1},
		5: {10: -1, 11: 13, 12: -24, 13: 13, 14: -1},
	}
)

// smooth transforms a component block by block, with estimates filled in.
func (d *decoder) smooth(c *component) {
	total := c.strideH / c.v
	for by := range c.blocksH {
		row, inRow := by/c.v, c.v
		if row == total-1 {
			inRow = c.blocksH - row*c.v
		}
		// Rows beyond what the last scan reached are as exact as the scan before left them.
		known := c.known[:10]
		if row > d.lastGood {
			known = c.before[:]
			if d.scanCount < 2 {
				known = []int{0, -1, -1, -1, -1, -1, -1, -1, -1, -1}
			}
		}
		// libjpeg numbers rows as if every row of MCUs were as high as the present one, which matters in the last.
		n, of := row*inRow+by%c.v, inRow*total
		var around [5]int // rows of blocks
		around[2] = by
		for i, have := range [5]bool{n > 1, n > 0, true, n < of-1, n < of-2} {
			if have {
				around[i] = by + i - 2
			}
		}
		if n <= 0 {
			around[1] = by
		}
		if n <= 1 {
			around[0] = around[1]
		}
		if n >= of-1 {
			around[3] = by
		}
		if n >= of-2 {
			around[4] = around[3]
		}
		for bx := range c.blocksW {
			var dc [25]int64
			for i := range dc {
				x := min(max(bx+i%5-2, 0), c.blocksW-1)
				dc[i] = int64(c.coef[64*(around[i/5]*c.strideW+x)])
			}
			block := *(*[64]int16)(c.coef[64*(by*c.strideW+bx):])
			estimate(&block, &dc, c.quant, known)
			idct(&block, c.quant, c.plane[64*by*c.strideW+8*bx:], 8*c.strideW)
		}
	}
}

// estimate fills in the coefficients that are zero and not known to the last bit.
func estimate(block *[64]int16, dc *[25]int64, quant *[64]uint16, known []int) {
	kernels, mean := fromDC[:], true
	for _, al := range known[1:] {
		mean = mean && al == -1
	}
	if !mean {
		kernels = fromSome[:]
	}
	for k := 1; k < len(kernels); k++ {
		pos, al := natural[k], known[k]
		if al == 0 || block[pos] != 0 {
			continue
		}
		block[pos] = kernels[k].predict(dc, quant[0], quant[pos], al)
	}
	if mean {
		block[0] = kernels[0].predict(dc, quant[0], quant[0], 0)
	}
}

// predict estimates a coefficient, in units of its quantiser q. If all but its al lowest bits are known to be
// zero, it stays below them.
func (k *kernel) predict(dc *[25]int64, q0, q uint16, al int) int16 {
	var num int64
	for i, w := range k {
		num += w * dc[i]
	}
	num *= int64(q0)
	size := num
	if num < 0 {
		size = -num
	}
	p := (int64(q)<<7 + size) / (int64(q) << 8)
	if al > 0 {
		p = min(p, 1<<uint(al)-1)
	}
	if num < 0 {
		p = -p
	}
	return int16(p)
}
