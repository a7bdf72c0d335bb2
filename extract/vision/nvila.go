package vision

import (
	"fmt"
	"math"
)

// NVILAParams says how NVILA cuts a picture into tiles.
type NVILAParams struct {
	Tile               int // side of a tile in pixels: 448
	MinTiles, MaxTiles int // of the grid, the thumbnail not counted: 1, 12
}

// Grid chooses the tiling of a picture of w×h pixels: the one whose aspect ratio is nearest. Of two equally near ones the larger is
// taken if the picture has more than half as many pixels as its tiles.
//
// Source: NVlabs/VILA, llava/mm_utils.py (dynamic_preprocess, find_closest_aspect_ratio).
func (p NVILAParams) Grid(w, h int) (cols, rows int, err error) {
	if w < 1 || h < 1 || p.MinTiles < 1 || p.MaxTiles < p.MinTiles || p.MaxTiles > 1024 || p.Tile < 1 {
		return 0, 0, fmt.Errorf("tiles of %d pixels, %d to %d of them, for a picture of %d×%d: expected positive sizes and at most 1024 tiles",
			p.Tile, p.MinTiles, p.MaxTiles, w, h)
	}
	aspect := float64(w) / float64(h)
	best := math.Inf(1)
	for area := p.MinTiles; area <= p.MaxTiles; area++ {
		for i := 1; i <= area; i++ {
			if area%i != 0 {
				continue
			}
			j := area / i
			switch d := math.Abs(aspect - float64(i)/float64(j)); {
			case d < best:
				best, cols, rows = d, i, j
			case d == best && float64(w)*float64(h) > 0.5*float64(p.Tile*p.Tile)*float64(area):
				cols, rows = i, j
			}
		}
	}
	return cols, rows, nil
}

// Tiles stretches the picture to the grid with Pillow's bicubic filter and cuts it, row by row. If there is more than
// one tile, the picture stretched to a single tile follows as the last one.
func (p NVILAParams) Tiles(img *RGB) ([]*RGB, error) {
	if err := img.valid(); err != nil {
		return nil, err
	}
	cols, rows, err := p.Grid(img.W, img.H)
	if err != nil {
		return nil, err
	}
	canvas, err := Resize(img, p.Tile*cols, p.Tile*rows, Bicubic)
	if err != nil {
		return nil, err
	}
	var tiles []*RGB
	for r := range rows {
		for c := range cols {
			tiles = append(tiles, canvas.crop(c*p.Tile, r*p.Tile, p.Tile, p.Tile))
		}
	}
	if len(tiles) > 1 {
		thumbnail, err := Resize(img, p.Tile, p.Tile, Bicubic)
		if err != nil {
			return nil, err
		}
		tiles = append(tiles, thumbnail)
	}
	return tiles, nil
}

// crop copies a rectangle that lies inside the picture.
func (m *RGB) crop(x, y, w, h int) *RGB {
	out := NewRGB(w, h)
	for i := range h {
		copy(out.Pix[3*w*i:3*w*(i+1)], m.Pix[3*(m.W*(y+i)+x):])
	}
	return out
}
