package report

import (
	"fmt"
	"slices"

	"swaprun/analyze"
)

// maxBlock bounds block numbers: figures label blocks one by one.
const maxBlock = 1 << 14

// sound checks that a result has the shape its fields promise. Results may come from a file somebody sent.
func sound(r *analyze.Result) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("result %s of %s: %s", r.Metric, r.Subset, fmt.Sprintf(format, args...))
	}
	if c := r.Curve; c != nil {
		if n := len(c.Places); n > 0 {
			for _, l := range c.Lines {
				for _, p := range l.Points {
					if p.Block < 0 || p.Block >= n {
						return bad("line %q has place %d of %d", l.Key, p.Block, n)
					}
				}
			}
		}
		for _, l := range c.Lines {
			last := -1
			for _, p := range l.Points {
				if p.Block <= last || p.Block > maxBlock {
					return bad("line %q has block %d after %d, expected ascending numbers up to %d", l.Key, p.Block, last, maxBlock)
				}
				last = p.Block
			}
		}
	}
	for _, g := range r.Grids {
		if g.Block < -1 || g.Block > maxBlock {
			return bad("grid of block %d, expected −1 to %d", g.Block, maxBlock)
		}
		if len(g.Cells) != len(g.Rows) {
			return bad("grid of block %d has %d rows of cells and %d names", g.Block, len(g.Cells), len(g.Rows))
		}
		for i, row := range g.Cells {
			if len(row) != len(g.Cols) {
				return bad("grid of block %d, row %d has %d cells, expected %d", g.Block, i, len(row), len(g.Cols))
			}
		}
		if g.Groups != nil && (len(g.Groups) != len(g.Rows) || slices.ContainsFunc(g.Groups, func(row []string) bool { return len(row) != len(g.Cols) })) {
			return bad("grid of block %d names the groups of %d rows, expected %d of %d cells", g.Block, len(g.Groups), len(g.Rows), len(g.Cols))
		}
		if g.Range != nil && !(g.Range[0] < g.Range[1]) {
			return bad("grid of block %d has the range %v", g.Block, *g.Range)
		}
	}
	for _, c := range r.Clouds {
		if c.Block < -1 || c.Block > maxBlock {
			return bad("cloud of block %d, expected −1 to %d", c.Block, maxBlock)
		}
		for _, m := range c.Points {
			if len(m.At) != len(c.Axes) || len(m.At) < 2 {
				return bad("cloud of block %d has a point of %d coordinates for %d axes", c.Block, len(m.At), len(c.Axes))
			}
		}
	}
	if t := r.Table; t != nil {
		for _, row := range t.Rows {
			if len(row.Cells) != len(t.Columns) {
				return bad("table row %q has %d cells for %d columns", row.Key, len(row.Cells), len(t.Columns))
			}
		}
	}
	return nil
}
