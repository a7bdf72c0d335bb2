package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "relative-norm", Version: 1, Title: "Delta norm against the state's", Shape: ShapeCurve,
		About: "Mean over a category of ‖δ‖ divided by the mean norm of the pair's two states: how much of a state the swap moves, which norms alone, growing with depth, do " +
			"not tell.",
		Compute: relativeNorm,
	})
}

func relativeNorm(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	unit, count, known := v.scenes()
	points := make([][6]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		var shares [6][]float64
		var of [6][]int // scenes
		delta := make([]float32, v.Width)
		for _, i := range members {
			if !v.has(i, b) {
				continue
			}
			DeltaTo(delta, v.original(i, b), v.swapped(i, b))
			states := (norm32(v.original(i, b)) + norm32(v.swapped(i, b))) / 2
			share := norm32(delta) / states
			if states == 0 {
				share = 0 // both states are zero, and so is the delta
			}
			if math.IsNaN(share) || math.IsInf(share, 0) {
				return fmt.Errorf("block %d, pair %d (%s): a state is not finite", v.Blocks[b], i, v.Pairs[i].ID)
			}
			c := categoryOf(v.Pairs[i].Category)
			shares[c], of[c] = append(shares[c], share), append(of[c], unit[i])
		}
		for c := range shares {
			points[b][c] = meanOverScenes(shares[c], of[c], count)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "share of the state's norm", Range: &[2]float64{0, 2}, Method: "95 %: ± 1.96 standard errors over " + resampled(known)}
	for k, category := range Categories {
		c.Lines = append(c.Lines, lineOf(category, v.Blocks, func(b int) Estimate { return points[b][k] }))
	}
	return &Result{Curve: c}, nil
}

// meanOverScenes is the mean of values with its standard error clustered by scene: the root of Σ over scenes of (Σ(x − mean))², over n, with
// the factor c/(c−1) of c scenes.
func meanOverScenes(values []float64, scene []int, count int) Estimate {
	e := Estimate{N: len(values)}
	if len(values) == 0 {
		return e
	}
	mean, _ := meanSD(values)
	e.Value = number(mean)
	moved, seen := make([]float64, count), map[int]bool{}
	for i, x := range values {
		moved[scene[i]] += x - mean
		seen[scene[i]] = true
	}
	if c := float64(len(seen)); c >= 3 {
		se := math.Sqrt(dot(moved, moved)*c/(c-1)) / float64(len(values))
		e.SE, e.Low, e.High = number(se), number(max(mean-z95*se, 0)), number(mean+z95*se)
	}
	return e
}
