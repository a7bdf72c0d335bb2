package analyze

import (
	"math"
	"slices"
)

func init() {
	Register(Metric{
		Name: "effect-size", Version: 3, Title: "How well an axis' direction calls single pairs", Shape: ShapeCurve,
		About: "√coherence (typical cosine between a delta and its axis), leave-one-out sign accuracy (how often the other pairs' direction calls a pair right), " +
			"area under the ROC curve of canonical against opposite pairs, and the reliability of the mean direction (Spearman–Brown).",
		Compute: effectSize,
	})
}

// effectSize makes four lines for each axis.
func effectSize(v *Vectors, subset Subset, o Options) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	kinds := []struct {
		name string
		at   func(f *facts, a int) Estimate
	}{
		{"sqrt-coherence-", func(f *facts, a int) Estimate {
			return transform(f.estimates["coherence/"+Axes[a]], func(c float64) float64 { return math.Sqrt(max(c, 0)) })
		}},
		{"sign-accuracy-", func(f *facts, a int) Estimate { return signAccuracy(f.projection[Axes[a]]) }},
		{"auc-", func(f *facts, a int) Estimate { return auc(f.projection[Axes[a]], f.signs[Axes[a]]) }},
		{"reliability-", func(f *facts, a int) Estimate {
			n := float64(f.axisN(a))
			return transform(f.estimates["coherence/"+Axes[a]], func(c float64) float64 {
				if c <= 0 { // no reliability; and below −1/(n−1), beyond the pole, the formula would call it more than whole
					return 0
				}
				return n * c / (1 + (n-1)*c)
			})
		}},
	}
	c := &Curve{Unit: "share", Range: &[2]float64{0, 1}, Method: s.method + "; sign accuracy: Wilson, AUC: DeLong, both for the direction as it is"}
	for _, k := range kinds {
		for a, axis := range Axes {
			line := Line{Key: k.name + axis}
			for b, block := range v.Blocks {
				f := s.facts(b, subset)
				e := k.at(f, a)
				e.N = f.axisN(a)
				line.Points = append(line.Points, Point{Block: block, Estimate: e})
			}
			c.Lines = append(c.Lines, line)
		}
	}
	return &Result{Curve: c}, nil
}

// transform applies a monotone function to value and interval.
func transform(e Estimate, f func(float64) float64) Estimate {
	apply := func(x *float64) *float64 {
		if x == nil {
			return nil
		}
		return number(f(*x))
	}
	return Estimate{Value: apply(e.Value), N: e.N, Low: apply(e.Low), High: apply(e.High)}
}

// signAccuracy is the share of positive leave-one-out projections.
func signAccuracy(h []float64) Estimate {
	k := 0
	for _, x := range h {
		if x > 0 {
			k++
		}
	}
	return proportion(k, len(h))
}

// auc is how often a canonical pair's projection on the axis exceeds an opposite pair's, ties counting one half, with
// DeLong's standard error (DeLong, DeLong and Clarke-Pearson 1988). h are signed projections, s the signs.
func auc(h, s []float64) Estimate {
	var pos, neg []float64
	for i, x := range h {
		if s[i] > 0 {
			pos = append(pos, x)
		} else {
			neg = append(neg, -x)
		}
	}
	if len(pos) == 0 || len(neg) == 0 {
		return Estimate{}
	}
	slices.Sort(pos)
	slices.Sort(neg)
	// The placement of x among y is the share of y below it, ties counting one half.
	placements := func(x, y []float64) []float64 {
		out := make([]float64, len(x))
		for i, v := range x {
			below, _ := slices.BinarySearch(y, v)
			upto := below
			for upto < len(y) && y[upto] == v {
				upto++
			}
			out[i] = (float64(below) + float64(upto-below)/2) / float64(len(y))
		}
		return out
	}
	mean, sdPos := meanSD(placements(pos, neg))
	_, sdNeg := meanSD(placements(neg, pos))
	e := Estimate{Value: number(mean)}
	if len(pos) > 1 && len(neg) > 1 {
		se := math.Sqrt(sdPos*sdPos/float64(len(pos)-1) + sdNeg*sdNeg/float64(len(neg)-1))
		e.SE, e.Low, e.High = number(se), number(max(mean-z95*se, 0)), number(min(mean+z95*se, 1))
	}
	return e
}
