package vision

import (
	"fmt"
	"math"
)

// SiglipPixels normalises square tiles as SiglipImageProcessor does and rounds the result to float16, as NVILA's
// generate_content does always: [tiles, 3, side, side], the float16 values widened to float32.
//
// A byte p becomes float32(float64(p)·0.00392156862745098), then (x − 0.5)/0.5 in float32. Source: transformers 4.46.0,
// image_transforms.py (rescale, normalize); NVlabs/VILA, llava_arch.py.
func SiglipPixels(tiles []*RGB) ([]float32, error) {
	level := siglipLevels()
	for i, v := range level {
		level[i] = roundHalf(v)
	}
	return planes(tiles, &level)
}

// siglipLevels maps a byte to its normalised value before the rounding to float16.
func siglipLevels() (level [256]float32) {
	for p := range level {
		level[p] = (float32(float64(p)*0.00392156862745098) - 0.5) / 0.5
	}
	return level
}

// planes puts channels first: [pictures, 3, height, width].
func planes(pictures []*RGB, level *[256]float32) ([]float32, error) {
	if len(pictures) == 0 {
		return nil, fmt.Errorf("no tiles")
	}
	w, h := pictures[0].W, pictures[0].H
	out := make([]float32, 3*w*h*len(pictures))
	for i, m := range pictures {
		if err := m.valid(); err != nil {
			return nil, fmt.Errorf("tile %d: %w", i, err)
		}
		if m.W != w || m.H != h {
			return nil, fmt.Errorf("tile %d has %d×%d pixels, the first one %d×%d", i, m.W, m.H, w, h)
		}
		for c := range 3 {
			plane := out[(3*i+c)*w*h:][:w*h]
			for p := range plane {
				plane[p] = level[m.Pix[3*p+c]]
			}
		}
	}
	return out, nil
}

// roundHalf rounds to float16, half to even. v must be zero or in the range of normal float16 values.
func roundHalf(v float32) float32 {
	b := math.Float32bits(v)
	b += 0xfff + b>>13&1
	return math.Float32frombits(b &^ 0x1fff)
}
