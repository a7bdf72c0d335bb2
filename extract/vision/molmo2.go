package vision

import "fmt"

// Molmo2Params says how Molmo2 cuts a picture into crops.
type Molmo2Params struct {
	Side      int // of a crop in pixels: 378
	Patch     int // side of a patch in pixels: 14
	MaxCrops  int // high-resolution crops: 8
	Margin    int // patches that a crop shares with each neighbour, twice over: 4
	Pool      int // side, in patches, of the square that becomes one token: 2
	Mean, Std [3]float64
}

// Molmo2Crops is a picture as Molmo2 reads it: the global crop first, then the high-resolution crops row by row.
type Molmo2Crops struct {
	Rows, Cols int // tiling of the high-resolution picture
	Crops      int // Rows·Cols + 1
	Patches    int // patches of a crop: 729

	Pixels []float32 // [Crops, Patches, Patch·Patch·3], a patch's pixels in the order (y, x, channel)
	// Pooling names, for every MolmoPatch token in order, the patches that it pools, as indices into
	// Crops·Patches, −1 where the square reaches beyond the picture: [tokens, Pool·Pool].
	Pooling []int32
	Tokens  []MolmoToken // the image block: the global picture without row ends, then the high-resolution one
}

// Process cuts a picture into crops. The pictures are stretched, not padded.
//
// Source: allenai/molmo2, olmo/hf_model/image_processing_molmo2.py and processing_molmo2.py, with the flags of its
// trainer (column tokens for the high-resolution picture only, a start token of its own for the global one).
func (p Molmo2Params) Process(img *RGB) (*Molmo2Crops, error) {
	if err := img.valid(); err != nil {
		return nil, err
	}
	if p.Patch < 1 || p.Side%max(p.Patch, 1) != 0 || p.Pool < 1 || p.Margin < 0 {
		return nil, fmt.Errorf("crops of %d pixels, patches of %d, pooled by %d, margin %d: sizes must divide each other", p.Side, p.Patch, p.Pool, p.Margin)
	}
	t, err := newTiling(img.W, img.H, p.Side, 2*p.Margin*p.Patch, p.MaxCrops)
	if err != nil {
		return nil, err
	}
	w, h := t.canvas()
	high, err := p.stretch(img, w, h)
	if err != nil {
		return nil, err
	}
	global, err := p.stretch(img, p.Side, p.Side)
	if err != nil {
		return nil, err
	}
	side := p.Side / p.Patch
	c := &Molmo2Crops{Rows: t.rows, Cols: t.cols, Crops: t.rows*t.cols + 1, Patches: side * side}
	size := c.Patches * 3 * p.Patch * p.Patch
	c.Pixels = make([]float32, c.Crops*size)
	global.cut(c.Pixels[:size], nil, 0, 0, p.Side, p.Patch)
	for n := range t.rows * t.cols {
		high.cut(c.Pixels[(n+1)*size:][:size], nil, n%t.cols*t.window, n/t.cols*t.window, p.Side, p.Patch)
	}
	c.layout(side, p.Margin, p.Pool)
	return c, nil
}

// stretch scales the picture to w×h and normalises it.
func (p Molmo2Params) stretch(img *RGB, w, h int) (*padded, error) {
	m, err := torchStretch(img, w, h)
	if err != nil {
		return nil, err
	}
	var level [3][256]float32
	for c := range level {
		for v := range level[c] {
			level[c][v] = (float32(v)/255 - float32(p.Mean[c])) / float32(p.Std[c])
		}
	}
	out := &padded{w: w, h: h, x1: w, y1: h, pix: make([]float32, len(m.Pix))}
	for i, v := range m.Pix {
		out.pix[i] = level[i%3][v]
	}
	return out, nil
}

// layout fills Pooling and Tokens. Crops have side×side patches; a crop leaves its outer margin patches to the
// neighbour it shares them with.
func (c *Molmo2Crops) layout(side, margin, pool int) {
	gw, gh := c.pool(side, side, pool, func(y, x int) int { return y*side + x })
	c.Tokens = append(c.Tokens, MolmoLowStart)
	for range gw * gh {
		c.Tokens = append(c.Tokens, MolmoPatch)
	}
	c.Tokens = append(c.Tokens, MolmoEnd, MolmoStart)

	window := side - 2*margin
	crop := func(i, n int) int { return max(0, min((i-margin)/window, n-1)) } // that keeps patch i of an axis
	hw, hh := c.pool(c.Cols*window+2*margin, c.Rows*window+2*margin, pool, func(y, x int) int {
		cy, cx := crop(y, c.Rows), crop(x, c.Cols)
		return (1+cy*c.Cols+cx)*c.Patches + (y-cy*window)*side + x - cx*window
	})
	for range hh {
		for range hw {
			c.Tokens = append(c.Tokens, MolmoPatch)
		}
		c.Tokens = append(c.Tokens, MolmoCol)
	}
	c.Tokens = append(c.Tokens, MolmoEnd)
}

// pool appends the squares of a grid of w×h patches to Pooling and returns how many there are along each axis.
func (c *Molmo2Crops) pool(w, h, pool int, index func(y, x int) int) (pw, ph int) {
	pw, ph = (w+pool-1)/pool, (h+pool-1)/pool
	for i := range ph * pw {
		for k := range pool * pool {
			y, x := i/pw*pool+k/pool, i%pw*pool+k%pool
			v := -1
			if y < h && x < w {
				v = index(y, x)
			}
			c.Pooling = append(c.Pooling, int32(v))
		}
	}
	return pw, ph
}
