package vision

import (
	"fmt"
	"math"
	"sort"
)

// A tiling is how Molmo and Molmo2 lay overlapping square crops over a picture: crops of side pixels at steps of
// window pixels, so that neighbours share margin = side − window pixels.
type tiling struct {
	side, window, margin int
	rows, cols           int
}

// newTiling chooses rows and columns, at most limit crops in all, in float32 as the reference does: for each candidate
// the scale that fits the picture less its margin into the windows. If every candidate shrinks the picture,
// the largest scale wins, else the smallest one that does not; ties go to fewer crops, then to fewer rows.
//
// A side no longer than the margin makes a scale negative or infinite; that is computed as IEEE 754 says.
//
// Source: allenai/molmo, olmo/data/model_preprocessor.py (select_tiling).
func newTiling(w, h, side, margin, limit int) (tiling, error) {
	window := side - margin
	if w < 1 || h < 1 || margin < 0 || window < 1 || limit < 1 || limit > 1024 {
		return tiling{}, fmt.Errorf("crops of %d pixels with margin %d, at most %d, of a picture of %d×%d: expected positive sizes and at most 1024 crops",
			side, margin, limit, w, h)
	}
	t := tiling{side: side, window: window, margin: margin}
	var candidates [][2]int
	for i := 1; i <= limit; i++ {
		for j := 1; i*j <= limit; j++ {
			candidates = append(candidates, [2]int{i, j})
		}
	}
	sort.SliceStable(candidates, func(a, b int) bool {
		x, y := candidates[a], candidates[b]
		if x[0]*x[1] != y[0]*y[1] {
			return x[0]*x[1] < y[0]*y[1]
		}
		return x[0] < y[0]
	})
	largest, smallest := float32(math.Inf(-1)), float32(math.Inf(1))
	var down, up [2]int
	shrinks := true
	for _, c := range candidates {
		scale := min(float32(c[0]*window)/float32(h-margin), float32(c[1]*window)/float32(w-margin))
		if scale > largest {
			largest, down = scale, c
		}
		if scale < 1 {
			scale = 1e10
		} else {
			shrinks = false
		}
		if scale < smallest {
			smallest, up = scale, c
		}
	}
	best := up
	if shrinks {
		best = down
	}
	if best[0] == 0 {
		best = [2]int{1, 1}
	}
	t.rows, t.cols = best[0], best[1]
	return t, nil
}

// canvas is the size of the picture that the crops cover.
func (t tiling) canvas() (w, h int) { return t.cols*t.window + t.margin, t.rows*t.window + t.margin }
