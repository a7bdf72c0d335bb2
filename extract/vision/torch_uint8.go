package vision

import (
	"fmt"
	"math"
)

// torchStretch scales a picture to w×h as torchvision's functional resize does on a uint8 tensor made from
// rows of pixels (bilinear, antialias off): four taps in float32, the result rounded half to even.
//
// Positions are computed in float32 with one fused multiply-add, weights are products of the two axes' weights, and
// the sum is fused in the order in which the compiled loop takes it; all three decide bytes, because
// simple ratios put many values half-way between two levels. Reproduces PyTorch 2.8.0 (channels-last loop of
// aten/native/cpu/UpSampleKernel.cpp, index from UpSample.h, area_pixel_compute_source_index); 1.13 rounds differently.
func torchStretch(src *RGB, w, h int) (*RGB, error) {
	if err := src.valid(); err != nil {
		return nil, fmt.Errorf("resize: %w", err)
	}
	if w < 1 || h < 1 || w > maxPixels/h {
		return nil, fmt.Errorf("resize to %d×%d: sides must be at least 1 and the area at most %d", w, h, maxPixels)
	}
	if w == src.W && h == src.H {
		return src, nil
	}
	xs, ys := pairs(src.W, w), pairs(src.H, h)
	dst := NewRGB(w, h)
	rows(h, w*h, func(lo, hi int) {
		for y := lo; y < hi; y++ {
			v := ys[y]
			top, bottom := src.Pix[3*src.W*v.i0:], src.Pix[3*src.W*v.i1:]
			out := dst.Pix[3*w*y:]
			for x, u := range xs {
				w00, w01 := float32(v.l0*u.l0), float32(v.l0*u.l1)
				w10, w11 := float32(v.l1*u.l0), float32(v.l1*u.l1)
				for c := range 3 {
					a, b := 3*u.i0+c, 3*u.i1+c
					t := float32(float32(top[b]) * w01)
					t = fma32(float32(top[a]), w00, t)
					t = fma32(float32(bottom[a]), w10, t)
					t = fma32(float32(bottom[b]), w11, t)
					out[3*x+c] = uint8(math.RoundToEven(float64(t)))
				}
			}
		}
	})
	return dst, nil
}

// A pair is the two samples that an output position reads along one axis, and their weights.
type pair struct {
	i0, i1 int
	l0, l1 float32
}

func pairs(in, out int) []pair {
	scale := float32(in) / float32(out)
	ps := make([]pair, out)
	for i := range ps {
		x := max(fma32(scale, float32(i)+0.5, -0.5), 0)
		i0 := min(int(x), in-1)
		l1 := min(x-float32(i0), 1)
		ps[i] = pair{i0, min(i0+1, in-1), 1 - l1, l1}
	}
	return ps
}
