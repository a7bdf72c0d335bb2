package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "persistence", Version: 1, Title: "Does an axis' direction persist from block to block?", Shape: ShapeCurve,
		About: "Cosine between the mean sign-corrected deltas of a block and of the block analysed before it: near one where a block passes a direction on, " +
			"lower where it writes another.",
		Compute: persistence,
	})
}

func persistence(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	unit, count, known := v.scenes()
	points := make([][3]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		before := max(b-1, 0) // the first is compared with itself, for its states to be checked, and not shown
		for a, axis := range Axes {
			var at []int
			for _, i := range members {
				if v.Pairs[i].Axis == axis && v.has(i, before) && v.has(i, b) {
					at = append(at, i)
				}
			}
			var err error
			if points[b][a], err = v.persists(at, [2]int{before, b}, unit, count); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "cosine", Range: cosineRange(), Method: "95 %: ± 1.96 standard errors by the delta method over " + resampled(known)}
	for a, axis := range Axes {
		line := Line{Key: axis}
		for b := 1; b < len(v.Blocks); b++ {
			line.Points = append(line.Points, Point{Block: v.Blocks[b], Estimate: points[b][a]})
		}
		c.Lines = append(c.Lines, line)
	}
	return &Result{Curve: c}, nil
}

// persists is cos(m, k) of the mean signed deltas m and k at two positions of v.Blocks. A pair with signed deltas x and y moves it by
// (x·k + y·m)/(‖m‖‖k‖) − cos·(x·m/‖m‖² + y·k/‖k‖²), divided by n; the standard error follows from the sums of that over scenes.
func (v *Vectors) persists(at []int, b [2]int, unit []int, count int) (Estimate, error) {
	n := float64(len(at))
	e := Estimate{N: len(at)}
	var mean [2][]float64
	delta := make([]float32, v.Width)
	wide := make([]float64, v.Width)
	signed := func(i, side int) float64 {
		DeltaTo(delta, v.original(i, b[side]), v.swapped(i, b[side]))
		return signOf(categoryOf(v.Pairs[i].Category))
	}
	for side := range mean {
		mean[side] = make([]float64, v.Width)
		for _, i := range at {
			s := signed(i, side)
			widen(wide, delta)
			axpy(mean[side], s/n, wide)
		}
	}
	m, k := mean[0], mean[1]
	mm, kk := dot(m, m), dot(k, k)
	if math.IsNaN(mm+kk) || math.IsInf(mm+kk, 0) {
		return e, fmt.Errorf("block %d or %d: a delta is not finite", v.Blocks[b[0]], v.Blocks[b[1]])
	}
	if !(mm > 0 && kk > 0) {
		return e, nil
	}
	scale := math.Sqrt(mm * kk)
	cosine := dot(m, k) / scale
	e.Value = number(cosine)
	moved, scenes := make([]float64, count), map[int]bool{}
	for _, i := range at {
		s := signed(i, 0)
		xm, xk := dotsWith(delta, m, k)
		moved[unit[i]] += s * (xk/scale - cosine*xm/mm)
		s = signed(i, 1)
		ym, yk := dotsWith(delta, m, k)
		moved[unit[i]] += s * (ym/scale - cosine*yk/kk)
		scenes[unit[i]] = true
	}
	if c := float64(len(scenes)); c >= 3 {
		se := math.Sqrt(dot(moved, moved)*c/(c-1)) / n
		e.SE, e.Low, e.High = number(se), number(max(cosine-z95*se, -1)), number(min(cosine+z95*se, 1))
	}
	return e, nil
}
