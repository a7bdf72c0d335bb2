package vision

import (
	"fmt"
	"math"
)

// A Filter is a resampling kernel of Pillow. The zero value is invalid.
type Filter uint8

const (
	Box Filter = iota + 1
	Bilinear
	Bicubic // a = −0.5; the default of Pillow's Image.resize
	Lanczos // three lobes
)

func (f Filter) String() string {
	switch f {
	case Box:
		return "box"
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	case Lanczos:
		return "lanczos"
	}
	return fmt.Sprintf("Filter(%d)", uint8(f))
}

// fraction is the number of fraction bits of Pillow's fixed-point weights (PRECISION_BITS in
// libImaging/Resample.c: 32 − 8 − 2, leaving the eight bits of a pixel and two of overshoot).
const fraction = 32 - 8 - 2

// maxSide is longer than any picture a model can use.
const maxSide = 1 << 20

// Resize returns src scaled to w×h exactly as Pillow's Image.resize does on an RGB picture: one pass along each side that
// changes, rounded to bytes in between. The horizontal pass comes first, unless the height loses more than twice the pixels
// the width loses. When shrinking, the kernel is widened by the factor, so there is no aliasing. src itself is returned
// when neither side changes.
//
// Source: Pillow 13.0.0, libImaging/Resample.c (ImagingResample), which the reference vectors were made with. Pillow 12
// always begins with the horizontal pass, and then differs by a level here and there where 13 does not.
func Resize(src *RGB, w, h int, filter Filter) (*RGB, error) {
	if err := src.valid(); err != nil {
		return nil, fmt.Errorf("resize: %w", err)
	}
	if w < 1 || h < 1 {
		return nil, fmt.Errorf("resize to %d×%d: both sides must be at least 1", w, h)
	}
	if w > maxPixels/h || w > maxPixels/src.H || src.W > maxPixels/h {
		return nil, fmt.Errorf("resize %d×%d to %d×%d: more than %d pixels", src.W, src.H, w, h, maxPixels)
	}
	if filter < Box || filter > Lanczos {
		return nil, fmt.Errorf("resize: unknown filter %v", filter)
	}
	// Weights take about six times a side; a strip a hundred million pixels long would take gigabytes.
	if max(src.W, src.H, w, h) > maxSide {
		return nil, fmt.Errorf("resize %d×%d to %d×%d: sides must be at most %d", src.W, src.H, w, h, maxSide)
	}
	out := src
	pass := func(along bool) {
		switch {
		case along && w != src.W:
			out = horizontal(out, w, newWeights(src.W, w, filter))
		case !along && h != src.H:
			out = vertical(out, h, newWeights(src.H, h, filter))
		}
	}
	horizontalFirst := src.H <= h || src.H-h <= 2*(src.W-w)
	pass(horizontalFirst)
	pass(!horizontalFirst)
	return out, nil
}

// weights holds the taps of every output position along one axis: position x reads
// n[x] samples from first[x] on, weighted by k[x·stride : x·stride+n[x]].
type weights struct {
	first, n []int32
	k        []int32
	stride   int
}

// newWeights follows precompute_coeffs and normalize_coeffs_8bpc: weights in float64, divided by their sum, then
// rounded half away from zero to 22 fraction bits.
func newWeights(in, out int, filter Filter) *weights {
	scale := float64(in) / float64(out)
	widen := max(scale, 1)
	support := float64(filter.support() * widen)
	stride := int(math.Ceil(support))*2 + 1
	wt := &weights{first: make([]int32, out), n: make([]int32, out), k: make([]int32, out*stride), stride: stride}
	w := make([]float64, stride)
	inv := 1 / widen
	for x := range out {
		center := float64((float64(x) + 0.5) * scale)
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), in)
		n := hi - lo
		sum := 0.0
		for i := range n {
			w[i] = float64(filter.kernel(float64((float64(i+lo) - center + 0.5) * inv)))
			sum += w[i]
		}
		for i := range n {
			v := w[i]
			if sum != 0 {
				v /= sum
			}
			if v < 0 {
				wt.k[x*stride+i] = int32(float64(v*(1<<fraction)) - 0.5)
			} else {
				wt.k[x*stride+i] = int32(float64(v*(1<<fraction)) + 0.5)
			}
		}
		wt.first[x], wt.n[x] = int32(lo), int32(n)
	}
	return wt
}

// support is half the kernel's width at scale 1.
func (f Filter) support() float64 {
	switch f {
	case Box:
		return 0.5
	case Bilinear:
		return 1
	case Bicubic:
		return 2
	}
	return 3
}

func (f Filter) kernel(x float64) float64 {
	switch f {
	case Box:
		if x > -0.5 && x <= 0.5 {
			return 1
		}
	case Bilinear:
		if x = math.Abs(x); x < 1 {
			return 1 - x
		}
	case Bicubic:
		const a = -0.5
		x = math.Abs(x)
		if x < 1 {
			return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
		}
		if x < 2 {
			return float64(float64(float64(float64(float64(x-5)*x)+8)*x)-4) * a
		}
	case Lanczos:
		if x >= -3 && x < 3 {
			return float64(sinc(x) * sinc(x/3))
		}
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// horizontal resamples every row. The rows are independent, so they are shared out.
func horizontal(src *RGB, w int, wt *weights) *RGB {
	dst := NewRGB(w, src.H)
	rows(src.H, src.H*w, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			wt.across(dst.Pix[3*w*y:3*w*(y+1)], src.Pix[3*src.W*y:3*src.W*(y+1)])
		}
	})
	return dst
}

// across resamples one row of pixels.
func (wt *weights) across(dst, src []uint8) {
	for x, n := range wt.n {
		k := wt.k[x*wt.stride:][:n]
		in := src[3*wt.first[x]:][:3*n]
		r, g, b := int32(1<<(fraction-1)), int32(1<<(fraction-1)), int32(1<<(fraction-1))
		for len(k) >= 4 && len(in) >= 12 {
			k0, k1, k2, k3 := k[0], k[1], k[2], k[3]
			r += int32(in[0])*k0 + int32(in[3])*k1 + int32(in[6])*k2 + int32(in[9])*k3
			g += int32(in[1])*k0 + int32(in[4])*k1 + int32(in[7])*k2 + int32(in[10])*k3
			b += int32(in[2])*k0 + int32(in[5])*k1 + int32(in[8])*k2 + int32(in[11])*k3
			k, in = k[4:], in[12:]
		}
		for i := 0; i < len(k) && len(in) >= 3; i++ {
			kv := k[i]
			r += int32(in[0]) * kv
			g += int32(in[1]) * kv
			b += int32(in[2]) * kv
			in = in[3:]
		}
		o := dst[3*x : 3*x+3 : 3*x+3]
		o[0], o[1], o[2] = clip(r>>fraction), clip(g>>fraction), clip(b>>fraction)
	}
}

// vertical resamples every column, along rows so that memory is read in order.
func vertical(src *RGB, h int, wt *weights) *RGB {
	dst := NewRGB(src.W, h)
	pitch := 3 * src.W
	rows(h, h*src.W, func(y0, y1 int) {
		acc := make([]int32, pitch)
		for y := y0; y < y1; y++ {
			k := wt.k[y*wt.stride:][:wt.n[y]]
			in := src.Pix[pitch*int(wt.first[y]):][:pitch*len(k)]
			down(dst.Pix[pitch*y:][:pitch], in, k, acc)
		}
	})
	return dst
}

// down computes one row from len(k) rows that follow each other in in.
func down(out, in []uint8, k, acc []int32) {
	const round = 1 << (fraction - 1)
	n := len(out)
	if len(k) == 4 { // bicubic, enlarging: no need to go through acc
		k0, k1, k2, k3 := k[0], k[1], k[2], k[3]
		r0, r1, r2, r3 := in[:n], in[n:2*n], in[2*n:3*n], in[3*n:4*n]
		for i := range out {
			out[i] = clip((round + int32(r0[i])*k0 + int32(r1[i])*k1 + int32(r2[i])*k2 + int32(r3[i])*k3) >> fraction)
		}
		return
	}
	acc = acc[:n]
	for i := range acc {
		acc[i] = round
	}
	for ; len(k) >= 4; k, in = k[4:], in[4*n:] {
		k0, k1, k2, k3 := k[0], k[1], k[2], k[3]
		r0, r1, r2, r3 := in[:n], in[n:2*n], in[2*n:3*n], in[3*n:4*n]
		for i := range out {
			acc[i] += int32(r0[i])*k0 + int32(r1[i])*k1 + int32(r2[i])*k2 + int32(r3[i])*k3
		}
	}
	for ; len(k) > 0; k, in = k[1:], in[n:] {
		for i, v := range in[:n] {
			acc[i] += int32(v) * k[0]
		}
	}
	for i := range out {
		out[i] = clip(acc[i] >> fraction)
	}
}

func clip(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // 0 below the range, 255 above it
}
