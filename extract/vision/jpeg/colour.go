package jpeg

import (
	"runtime"
	"sync"
)

// A space is the colour space of the stored components.
type space uint8

const (
	grey space = iota + 1
	rgb
	ycc
	cmyk
	ycck
)

// space follows libjpeg's default_decompress_parms.
func (d *decoder) space() space {
	switch len(d.components) {
	case 1:
		return grey
	case 4:
		if d.sawAdobe && d.transform != 0 {
			return ycck
		}
		return cmyk
	}
	switch {
	case d.sawJFIF:
		return ycc
	case d.sawAdobe:
		if d.transform == 0 {
			return rgb
		}
		return ycc
	}
	if c := d.components; c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' {
		return rgb
	}
	return ycc
}

// Tables of the fixed-point conversion, 16 fraction bits (libjpeg's jdcolor.c), by chroma sample.
var crR, cbB, crG, cbG = func() (r, b, rg, bg [256]int32) {
	fix := func(x float64) int32 { return int32(float64(x*65536) + 0.5) }
	for i := range int32(256) {
		x := i - 128
		r[i] = (fix(1.40200)*x + 1<<15) >> 16
		b[i] = (fix(1.77200)*x + 1<<15) >> 16
		rg[i] = -fix(0.71414) * x
		bg[i] = -fix(0.34414)*x + 1<<15
	}
	return
}()

// image upsamples the planes and converts them to RGB.
func (d *decoder) image() *Image {
	img := &Image{W: d.width, H: d.height, Pix: make([]uint8, 3*d.width*d.height)}
	sp := d.space()
	inParallel(d.height, d.width*d.height, func(lo, hi int) {
		var up [4]*upsampler
		var buf, row [4][]uint8
		for i := range d.components {
			up[i] = d.upsampler(&d.components[i])
			buf[i] = make([]uint8, up[i].rx*d.components[i].w)
		}
		for y := lo; y < hi; y++ {
			for i := range d.components {
				row[i] = up[i].row(buf[i], y)[:d.width]
			}
			sp.convert(img.Pix[3*d.width*y:][:3*d.width], row)
		}
	})
	return img
}

// convert writes one row of pixels.
func (s space) convert(dst []uint8, c [4][]uint8) {
	n := len(dst) / 3
	switch s {
	case grey:
		for x, v := range c[0] {
			o := dst[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = v, v, v
		}
	case rgb:
		for x := range n {
			o := dst[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = c[0][x], c[1][x], c[2][x]
		}
	case ycc:
		luma, cb, cr := c[0][:n], c[1][:n], c[2][:n]
		for x, l := range luma {
			y, b, r := int32(l), cb[x], cr[x]
			o := dst[3*x : 3*x+3 : 3*x+3]
			o[0] = clamp(y + crR[r])
			o[1] = clamp(y + (cbG[b]+crG[r])>>16)
			o[2] = clamp(y + cbB[b])
		}
	case cmyk:
		for x := range n {
			ink(dst[3*x:3*x+3:3*x+3], c[0][x], c[1][x], c[2][x], c[3][x])
		}
	case ycck:
		for x := range n {
			y, b, r := int32(c[0][x]), c[1][x], c[2][x]
			ink(dst[3*x:3*x+3:3*x+3],
				clamp(255-(y+crR[r])), clamp(255-(y+(cbG[b]+crG[r])>>16)), clamp(255-(y+cbB[b])), c[3][x])
		}
	}
}

// ink converts CMYK to RGB as Pillow does: all four are taken to be stored inverted, as Adobe writes them.
func ink(o []uint8, cyan, magenta, yellow, black uint8) {
	nk := int32(black) // 255 − (255 − black)
	for i, v := range [3]uint8{cyan, magenta, yellow} {
		t := int32(255-v)*nk + 128
		o[i] = clamp(nk - (t>>8+t)>>8)
	}
}

// inParallel calls f on ranges that cover [0, n), on two goroutines if there are pixels enough to make up for it.
func inParallel(n, pixels int, f func(lo, hi int)) {
	if pixels < 1<<16 || n < 2 || runtime.GOMAXPROCS(0) < 2 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { f(0, n/2) })
	f(n/2, n)
	wg.Wait()
}
