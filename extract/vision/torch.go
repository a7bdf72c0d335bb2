package vision

import (
	"fmt"
	"math"
)

// torchAntialias scales a picture as torchvision's functional resize does on a float tensor (bilinear,
// antialias on): bytes divided by 255, a horizontal and a vertical pass in float32 without rounding in between, a side
// that does not change skipped. It returns [h, w, 3], not clamped.
//
// Source: PyTorch 2.8.0, aten/native/cpu/UpSampleKernel.cpp (the AVX2 build; builds without fused multiply-add
// differ in the last bit).
func torchAntialias(src *RGB, w, h int) ([]float32, error) {
	if err := src.valid(); err != nil {
		return nil, fmt.Errorf("resize: %w", err)
	}
	if w < 1 || h < 1 || w > maxPixels/h || w > maxPixels/src.H || max(src.W, src.H, w, h) > maxSide {
		return nil, fmt.Errorf("resize %d×%d to %d×%d: sides must be 1 to %d and the area at most %d", src.W, src.H, w, h, maxSide, maxPixels)
	}
	var level [256]float32
	for v := range level {
		level[v] = float32(v) / 255
	}
	pix := make([]float32, 3*w*src.H)
	taps := newTaps(src.W, w)
	rows(src.H, w*src.H, func(lo, hi int) {
		row := make([]float32, 3*src.W)
		for y := lo; y < hi; y++ {
			for i, v := range src.Pix[3*src.W*y : 3*src.W*(y+1)] {
				row[i] = level[v]
			}
			if out := pix[3*w*y : 3*w*(y+1)]; w == src.W {
				copy(out, row)
			} else {
				taps.across(out, row)
			}
		}
	})
	if h != src.H {
		out := make([]float32, 3*w*h)
		taps := newTaps(src.H, h)
		rows(h, w*h, func(lo, hi int) {
			for y := lo; y < hi; y++ {
				taps.down(out[3*w*y:3*w*(y+1)], pix, y)
			}
		})
		pix = out
	}
	return pix, nil
}

// taps holds the float32 weights of every output position along one axis, as weights does in fixed point.
type taps struct {
	first, n []int
	w        []float32
	stride   int
}

func newTaps(in, out int) *taps {
	scale := float32(in) / float32(out)
	support, inv := float32(1), float32(1)
	if scale >= 1 {
		support, inv = scale, 1/scale
	}
	stride := int(math.Ceil(float64(support)))*2 + 1
	t := &taps{first: make([]int, out), n: make([]int, out), w: make([]float32, out*stride), stride: stride}
	for i := range out {
		center := float32(scale * (float32(i) + 0.5))
		// The source adds a double literal, so that the 0.5 of the bounds and of the weights is added in float64.
		lo := max(int(float64(float32(center-support))+0.5), 0)
		hi := min(int(float64(float32(center+support))+0.5), in)
		w := t.w[i*stride:][:hi-lo]
		var sum float32
		for j := range w {
			x := float32((float64(float32(lo+j)-center) + 0.5) * float64(inv))
			if x < 0 {
				x = -x
			}
			if x < 1 {
				w[j] = 1 - x
			}
			sum += w[j]
		}
		for j := range w {
			w[j] /= sum
		}
		t.first[i], t.n[i] = lo, hi-lo
	}
	return t
}

// unfused is the number of taps after the first that the compiled loop takes in groups of four, product and sum
// rounded separately. It fuses the up to three taps that remain.
func unfused(n int) int { return (n - 1) / 4 * 4 }

// across resamples one row of pixels.
func (t *taps) across(dst, src []float32) {
	for x := range len(dst) / 3 {
		w := t.w[x*t.stride:][:t.n[x]]
		s := src[3*t.first[x]:][:3*len(w)]
		r, g, b := float32(s[0]*w[0]), float32(s[1]*w[0]), float32(s[2]*w[0])
		split := 1 + unfused(len(w))
		for i := 1; i < split; i++ {
			v := w[i]
			r += float32(s[3*i] * v)
			g += float32(s[3*i+1] * v)
			b += float32(s[3*i+2] * v)
		}
		for i := split; i < len(w); i++ {
			v := w[i]
			r, g, b = fma32(s[3*i], v, r), fma32(s[3*i+1], v, g), fma32(s[3*i+2], v, b)
		}
		o := dst[3*x : 3*x+3 : 3*x+3]
		o[0], o[1], o[2] = r, g, b
	}
}

// down computes row y of a vertical pass.
func (t *taps) down(dst, src []float32, y int) {
	w := t.w[y*t.stride:][:t.n[y]]
	row := func(i int) []float32 { return src[len(dst)*(t.first[y]+i):][:len(dst)] }
	for i, s := range row(0) {
		dst[i] = float32(s * w[0])
	}
	split := 1 + unfused(len(w))
	for j := 1; j < split; j++ {
		v := w[j]
		for i, s := range row(j) {
			dst[i] += float32(s * v)
		}
	}
	for j := split; j < len(w); j++ {
		v := w[j]
		for i, s := range row(j) {
			dst[i] = fma32(s, v, dst[i])
		}
	}
}

// fma32 returns x·y + z rounded once to float32.
func fma32(x, y, z float32) float32 {
	p, q := float64(float64(x)*float64(y)), float64(z) // the product is exact: 24 + 24 bits
	sum := p + q
	if math.Float64bits(sum)&(1<<29-1) == 1<<28 {
		// Half-way between two float32 values: what the float64 sum lost decides.
		back := sum - p
		switch lost := (p - (sum - back)) + (q - back); {
		case lost > 0:
			sum = math.Nextafter(sum, math.Inf(1))
		case lost < 0:
			sum = math.Nextafter(sum, math.Inf(-1))
		}
	}
	return float32(sum)
}
