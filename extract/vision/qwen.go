package vision

import (
	"fmt"
	"math"
)

// QwenParams says how a Qwen2-VL style processor cuts a picture into patches.
type QwenParams struct {
	Patch     int // side of a patch in pixels: 14 (Qwen2.5-VL), 16 (Qwen3-VL)
	Temporal  int // frames a patch spans; a still picture is repeated: 2
	Merge     int // side, in patches, of the block that becomes one token: 2
	MinPixels int // bounds of SmartResize
	MaxPixels int
	Mean, Std [3]float64 // per channel, on pixels scaled to 0..1
}

// A Grid counts patches: T frames (1 for a still picture), H rows, W columns.
type Grid struct{ T, H, W int }

// Tokens is the number of positions the picture takes in the language model.
func (g Grid) Tokens(merge int) int { return g.T * g.H * g.W / (merge * merge) }

// SmartResize returns the size to which a picture of h×w pixels is scaled: both sides multiples of factor, their
// product within [minPixels, maxPixels], the aspect ratio kept as far as that allows. The multiples are rounded
// half to even (Python's round), everything is computed in float64.
//
// It fails when one side is more than 200 times the other. Source: qwen-vl-utils 0.0.14, vision_process.py
// (smart_resize).
func SmartResize(h, w, factor, minPixels, maxPixels int) (rh, rw int, err error) {
	if h < 1 || w < 1 || factor < 1 || minPixels < 0 || maxPixels < minPixels {
		return 0, 0, fmt.Errorf("smart resize %d×%d by %d within [%d, %d]: sides and factor must be positive and the bounds in order",
			w, h, factor, minPixels, maxPixels)
	}
	if ratio := float64(max(h, w)) / float64(min(h, w)); ratio > 200 {
		return 0, 0, fmt.Errorf("smart resize %d×%d: aspect ratio %.4g, expected at most 200", w, h, ratio)
	}
	f := float64(factor)
	round := func(v int) int { return max(factor, int(math.RoundToEven(float64(v)/f))*factor) }
	rh, rw = round(h), round(w)
	switch area := float64(h) * float64(w); {
	case rh*rw > maxPixels:
		beta := math.Sqrt(area / float64(maxPixels))
		rh = max(factor, int(math.Floor(float64(h)/beta/f))*factor)
		rw = max(factor, int(math.Floor(float64(w)/beta/f))*factor)
	case rh*rw < minPixels:
		beta := math.Sqrt(float64(minPixels) / area)
		rh = int(math.Ceil(float64(h)*beta/f)) * factor
		rw = int(math.Ceil(float64(w)*beta/f)) * factor
	}
	return rh, rw, nil
}

// Resize scales the picture as qwen_vl_utils.fetch_image does: SmartResize with the factor Patch·Merge, then
// Pillow's bicubic filter on bytes.
func (p QwenParams) Resize(img *RGB) (*RGB, error) {
	if err := img.valid(); err != nil {
		return nil, err
	}
	h, w, err := SmartResize(img.H, img.W, p.Patch*p.Merge, p.MinPixels, p.MaxPixels)
	if err != nil {
		return nil, err
	}
	return Resize(img, w, h, Bicubic)
}

// Process resizes the picture and cuts it into patches: float32 [grid.H·grid.W, 3·Temporal·Patch²], and the grid.
func (p QwenParams) Process(img *RGB) ([]float32, Grid, error) {
	resized, err := p.Resize(img)
	if err != nil {
		return nil, Grid{}, err
	}
	return p.Patches(resized)
}

// Patches cuts a picture whose sides are multiples of Patch·Merge into normalised patches.
//
// Rows: blocks of Merge×Merge patches in raster order, and inside a block its patches in raster order. Columns:
// (channel, frame, y, x); all frames hold the same values. Normalising is (x − mean·255) / (std·255), x the byte as float32 and
// the two constants rounded to float32 after a float32 product.
//
// Source: transformers 4.57.6, image_processing_qwen2_vl_fast.py (_preprocess) and
// image_processing_utils_fast.py (_fuse_mean_std_and_rescale_factor, normalize).
func (p QwenParams) Patches(img *RGB) ([]float32, Grid, error) {
	if err := img.valid(); err != nil {
		return nil, Grid{}, err
	}
	if p.Patch < 1 || p.Merge < 1 || p.Temporal < 1 {
		return nil, Grid{}, fmt.Errorf("patches of side %d, %d frames, merged by %d: all must be positive", p.Patch, p.Temporal, p.Merge)
	}
	side := p.Patch * p.Merge
	if img.W%side != 0 || img.H%side != 0 {
		return nil, Grid{}, fmt.Errorf("picture of %d×%d pixels: sides must be multiples of %d", img.W, img.H, side)
	}
	grid := Grid{T: 1, H: img.H / p.Patch, W: img.W / p.Patch}
	level := p.levels()
	area := p.Patch * p.Patch
	columns := 3 * p.Temporal * area
	out := make([]float32, grid.H*grid.W*columns)
	rows(grid.H/p.Merge, img.W*img.H, func(lo, hi int) {
		row := out[lo*p.Merge*grid.W*columns:]
		for by := lo; by < hi; by++ {
			for bx := range grid.W / p.Merge {
				for m := range p.Merge * p.Merge {
					x, y := (bx*p.Merge+m%p.Merge)*p.Patch, (by*p.Merge+m/p.Merge)*p.Patch
					p.patch(row[:columns], img, x, y, level)
					row = row[columns:]
				}
			}
		}
	})
	return out, grid, nil
}

// patch writes the patch whose top left pixel is (x, y).
func (p QwenParams) patch(dst []float32, img *RGB, x, y int, level *[3][256]float32) {
	area := p.Patch * p.Patch
	for c := range 3 {
		frame := dst[c*p.Temporal*area:][:area]
		table := &level[c]
		for dy := range p.Patch {
			in := img.Pix[3*((y+dy)*img.W+x)+c:]
			out := frame[dy*p.Patch:][:p.Patch]
			for dx := range out {
				out[dx] = table[in[3*dx]]
			}
		}
		for t := 1; t < p.Temporal; t++ {
			copy(dst[(c*p.Temporal+t)*area:], frame)
		}
	}
}

// levels maps a byte to its normalised value, per channel.
func (p QwenParams) levels() *[3][256]float32 {
	var level [3][256]float32
	for c := range level {
		mean, std := float32(float32(p.Mean[c])*255), float32(float32(p.Std[c])*255)
		for v := range level[c] {
			level[c][v] = (float32(v) - mean) / std
		}
	}
	return &level
}
