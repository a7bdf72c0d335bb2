package vision

import (
	"fmt"
	"math"
)

// MolmoParams says how Molmo cuts a picture into crops.
type MolmoParams struct {
	Side     int // of a crop in pixels: 336
	Patch    int // side of a patch in pixels: 14
	MaxCrops int // high-resolution crops: 12
	Margin   int // patches that a crop shares with each neighbour, twice over: 4 (on either side)
	Pool     int // side, in patches, of the square that becomes one token: 2
	Mean     [3]float64
	Std      [3]float64
}

// A MolmoToken is a position of the image block in the language model's input.
type MolmoToken uint8

const (
	MolmoStart    MolmoToken = iota + 1 // <im_start>
	MolmoEnd                            // <im_end>
	MolmoPatch                          // <im_patch>: receives image features
	MolmoCol                            // <im_col>: ends a row
	MolmoLowStart                       // <low_res_im_start>, Molmo2 only
)

// MolmoCrops is a picture as Molmo reads it: the global crop first, then the high-resolution crops row by row.
type MolmoCrops struct {
	Rows, Cols int // tiling of the high-resolution picture
	Crops      int // Rows·Cols + 1
	Patches    int // patches of a crop: 576
	Cells      int // pooled cells of a crop: 144

	Pixels []float32 // [Crops, Patches, Patch·Patch·3], a patch's pixels in the order (y, x, channel)
	// Masks is the share of every patch that is picture, not padding: [Crops, Patches]. The reference hands out the masks
	// of the high-resolution crops alone and then a row of −1, so every crop has the mask of the one
	// after it, and the last one −1. The weights were trained so.
	Masks []float32
	// Tokens is the image block: the global picture, then the high-resolution one. Nothing of the text, and
	// no token before the block, is counted.
	Tokens []MolmoToken
	// Index is the position in Tokens to which a cell's feature is added, −100 if it is dropped because a
	// neighbouring crop has it too: [Crops, Cells].
	Index []int32
}

// Process cuts a picture into crops.
//
// Source: Molmo's image_preprocessing_molmo.py (MolmoImageProcessor.image_to_patches_and_tokens, resize_and_pad with
// torchvision's resizer).
func (p MolmoParams) Process(img *RGB) (*MolmoCrops, error) {
	if err := img.valid(); err != nil {
		return nil, err
	}
	if p.Patch < 1 || p.Side%max(p.Patch, 1) != 0 || p.Pool < 1 || p.Side/p.Patch%max(p.Pool, 1) != 0 || p.Margin < 0 || p.Margin%p.Pool != 0 {
		return nil, fmt.Errorf("crops of %d pixels, patches of %d, pooled by %d, margin %d: sizes must divide each other", p.Side, p.Patch, p.Pool, p.Margin)
	}
	t, err := newTiling(img.W, img.H, p.Side, 2*p.Margin*p.Patch, p.MaxCrops)
	if err != nil {
		return nil, err
	}
	w, h := t.canvas()
	high, err := p.fit(img, w, h)
	if err != nil {
		return nil, err
	}
	global, err := p.fit(img, p.Side, p.Side)
	if err != nil {
		return nil, err
	}
	side := p.Side / p.Patch
	c := &MolmoCrops{Rows: t.rows, Cols: t.cols, Crops: t.rows*t.cols + 1, Patches: side * side, Cells: side / p.Pool * (side / p.Pool)}
	columns := 3 * p.Patch * p.Patch
	c.Pixels = make([]float32, c.Crops*c.Patches*columns)
	c.Masks = make([]float32, c.Crops*c.Patches)
	global.cut(c.Pixels[:c.Patches*columns], nil, 0, 0, p.Side, p.Patch)
	for i := range t.rows {
		for j := range t.cols {
			n := i*t.cols + j
			high.cut(c.Pixels[(n+1)*c.Patches*columns:][:c.Patches*columns], c.Masks[n*c.Patches:][:c.Patches],
				j*t.window, i*t.window, p.Side, p.Patch)
		}
	}
	last := c.Masks[(c.Crops-1)*c.Patches:]
	for i := range last {
		last[i] = -1
	}
	c.layout(side/p.Pool, p.Margin/p.Pool)
	return c, nil
}

// A padded picture is normalised float32 [h, w, 3], with the picture proper in a rectangle of it.
type padded struct {
	w, h           int
	pix            []float32
	x0, y0, x1, y1 int
}

// fit scales the picture into w×h, keeping its aspect ratio, centres it on black and normalises. The scaled sides
// are truncated products of float32 numbers, so 1920×1080 fits 1008×784 as 1007×567.
func (p MolmoParams) fit(img *RGB, w, h int) (*padded, error) {
	scale := min(float32(h)/float32(img.H), float32(w)/float32(img.W))
	sw, sh := int(float32(img.W)*scale), int(float32(img.H)*scale)
	if sw < 1 || sh < 1 {
		return nil, fmt.Errorf("picture of %d×%d pixels shrinks to %d×%d, which has no area", img.W, img.H, sw, sh)
	}
	if sw > w || sh > h {
		return nil, fmt.Errorf("picture of %d×%d pixels scales to %d×%d, which does not fit %d×%d", img.W, img.H, sw, sh, w, h)
	}
	scaled, err := torchAntialias(img, sw, sh)
	if err != nil {
		return nil, err
	}
	out := &padded{w: w, h: h, pix: make([]float32, 3*w*h), x0: (w - sw) / 2, y0: (h - sh) / 2}
	out.x1, out.y1 = out.x0+sw, out.y0+sh
	var mean, std, padding [3]float32
	for c := range 3 {
		mean[c], std[c] = float32(p.Mean[c]), float32(p.Std[c])
		padding[c] = (0 - mean[c]) / std[c]
	}
	for i := range out.pix {
		out.pix[i] = padding[i%3]
	}
	for y := range sh {
		in, row := scaled[3*sw*y:3*sw*(y+1)], out.pix[3*((out.y0+y)*w+out.x0):]
		for x := 0; x < len(in); x += 3 {
			for c := range 3 {
				row[x+c] = (float32(math.Max(0, math.Min(1, float64(in[x+c])))) - mean[c]) / std[c]
			}
		}
	}
	return out, nil
}

// cut writes the patches of the square of side pixels at (x, y), and the share of each that is picture if mask is not nil.
func (m *padded) cut(dst, mask []float32, x, y, side, patch int) {
	n := side / patch
	for py := range n {
		for px := range n {
			left, top := x+px*patch, y+py*patch
			for dy := range patch {
				dst = dst[copy(dst[:3*patch], m.pix[3*((top+dy)*m.w+left):]):]
			}
			if mask != nil {
				covered := overlap(left, left+patch, m.x0, m.x1) * overlap(top, top+patch, m.y0, m.y1)
				mask[py*n+px] = float32(covered) / float32(patch*patch)
			}
		}
	}
}

// overlap is the length that two intervals share.
func overlap(a0, a1, b0, b1 int) int { return max(0, min(a1, b1)-max(a0, b0)) }

// layout fills Tokens and Index. Crops have cells×cells cells; a crop drops its outer trim cells where it has a
// neighbour that keeps its own next to them.
func (c *MolmoCrops) layout(cells, trim int) {
	c.Index = make([]int32, c.Crops*c.Cells)
	for i := range c.Index {
		c.Index[i] = -100
	}
	block := func(rows, cols int) (first int) {
		c.Tokens = append(c.Tokens, MolmoStart)
		first = len(c.Tokens)
		for range rows {
			for range cols {
				c.Tokens = append(c.Tokens, MolmoPatch)
			}
			c.Tokens = append(c.Tokens, MolmoCol)
		}
		c.Tokens = append(c.Tokens, MolmoEnd)
		return first
	}
	first := block(cells, cells)
	for y := range cells {
		for x := range cells {
			c.Index[y*cells+x] = int32(first + y*(cells+1) + x)
		}
	}
	inner := cells - 2*trim
	width := c.Cols*inner + 2*trim
	first = block(c.Rows*inner+2*trim, width)
	for i := range c.Rows {
		y0, y1 := kept(i, c.Rows, cells, trim)
		for j := range c.Cols {
			x0, x1 := kept(j, c.Cols, cells, trim)
			index := c.Index[(1+i*c.Cols+j)*c.Cells:]
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					index[y*cells+x] = int32(first + (i*inner+y)*(width+1) + j*inner + x)
				}
			}
		}
	}
}

// kept is the range of cells, of crop i of n along one axis, that no neighbour stands in for.
func kept(i, n, cells, trim int) (lo, hi int) {
	lo, hi = trim, cells-trim
	if i == 0 {
		lo = 0
	}
	if i == n-1 {
		hi = cells
	}
	return lo, hi
}
