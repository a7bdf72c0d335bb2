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
	support := filter.support() * widen
	stride := int(math.Ceil(support))*2 + 1
	wt := &weights{first: make([]int32, out), n: make([]int32, out), k: make([]int32, out*stride), stride: stride}
	w := make([]float64, stride)
	inv := 1 / widen
	for x := range out {
		center := (float64(x) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), in)
		n := hi - lo
		sum := 0.0
		for i := range n {
			w[i] = filter.kernel((float64(i+lo) - center + 0.5) * inv)
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
			return sinc(x) * sinc(x/3)
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
			in := src.Pix[3*src.W*y : 3*src.W*(y+1)]
			out := dst.Pix[3*w*y : 3*w*(y+1)]
			for x := range w {
				k := wt.k[x*wt.stride:][:wt.n[x]]
				px := in[3*wt.first[x]:][:3*len(k)]
				r, g, b := int32(1<<(fraction-1)), int32(1<<(fraction-1)), int32(1<<(fraction-1))
				for i, kv := range k {
					p := px[3*i : 3*i+3 : 3*i+3]
					r += int32(p[0]) * kv
					g += int32(p[1]) * kv
					b += int32(p[2]) * kv
				}
				o := out[3*x : 3*x+3 : 3*x+3]
				o[0], o[1], o[2] = clip(r>>fraction), clip(g>>fraction), clip(b>>fraction)
			}
		}
	})
	return dst
}

// vertical resamples every column, a row of sums at a time so that memory is read along rows.
func vertical(src *RGB, h int, wt *weights) *RGB {
	dst := NewRGB(src.W, h)
	pitch := 3 * src.W
	rows(h, h*src.W, func(y0, y1 int) {
		acc := make([]int32, pitch)
		for y := y0; y < y1; y++ {
			for i := range acc {
				acc[i] = 1 << (fraction - 1)
			}
			for j, kv := range wt.k[y*wt.stride:][:wt.n[y]] {
				in := src.Pix[pitch*(int(wt.first[y])+j):][:len(acc)]
				for i, v := range in {
					acc[i] += int32(v) * kv
				}
			}
			out := dst.Pix[pitch*y:][:len(acc)]
			for i, v := range acc {
				out[i] = clip(v >> fraction)
			}
		}
	})
	return dst
}

func clip(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // 0 below the range, 255 above it
}
