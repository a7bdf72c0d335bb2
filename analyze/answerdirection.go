package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "answer-direction", Version: 1, Title: "What is left without the coming answer", Shape: ShapeCurve, Readout: true, Answers: true, Subsets: []Subset{AllPairs, BothCorrect},
		About: "Coherence with the directions projected out along which the head tells the two answers apart (rows of the unembedding, W_left − W_right and so on, times the " +
			"final norm's gains, in every spelling), the share of the mean movement that lies in them, coherence apart for pairs whose answer flipped with the swap and for those " +
			"whose did not, and the entanglement of vertical and distance without both axes' answers.",
		Compute: answerDirection,
	})
}

// answerLines are the lines of each axis; vd-ei-removed follows.
var answerLines = []string{"with-answer", "without-answer", "answer-share", "flipped", "unflipped"}

func answerDirection(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	unit, _, _ := v.scenes()
	points := make([][]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		points[b], err = v.answersAt(members, unit, b)
		return err
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "mean cosine (share: of the squared norm)", Range: cosineRange(),
		Method: "95 %: ± 1.96 standard errors of the Hájek projection over pairs; share and vd-ei: of the jackknife over scenes"}
	for k, name := range answerLines {
		for a, axis := range Axes {
			c.Lines = append(c.Lines, lineOf(name+"-"+axis, v.Blocks, func(b int) Estimate { return points[b][k*len(Axes)+a] }))
		}
	}
	c.Lines = append(c.Lines, lineOf("vd-ei-without-answers", v.Blocks, func(b int) Estimate { return points[b][len(answerLines)*len(Axes)] }))
	r := &Result{Curve: c}
	for a, axis := range Axes {
		if len(orthonormal(v.Readout.Axes[a])) == 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: the head has no direction between %q and %q: nothing was removed", axis, Categories[2*a], Categories[2*a+1]))
		}
	}
	return r, nil
}

// answersAt computes one block's estimates.
func (v *Vectors) answersAt(members, unit []int, b int) ([]Estimate, error) {
	d := v.Width
	out := make([]Estimate, len(answerLines)*len(Axes)+1)
	both := orthonormal(append(append([][]float32{}, v.Readout.Axes[1]...), v.Readout.Axes[2]...))
	var mean [3]*sceneSums // signed deltas, without both axes' answers
	row := make([]float32, d)
	for a, axis := range Axes {
		var at []int
		var signs []float64
		for _, i := range members {
			if v.Pairs[i].Axis == axis && v.has(i, b) {
				at = append(at, i)
				signs = append(signs, signOf(categoryOf(v.Pairs[i].Category)))
			}
		}
		n := len(at)
		deltas := borrow[float64](n * d)
		basis := orthonormal(v.Readout.Axes[a])
		whole := newSceneSums(d)
		mean[a] = newSceneSums(d)
		for r, i := range at {
			DeltaTo(row, v.original(i, b), v.swapped(i, b))
			x := deltas[r*d : (r+1)*d]
			widen(x, row)
			for _, f := range x {
				if math.IsNaN(f) || math.IsInf(f, 0) {
					giveBack(deltas)
					return nil, fmt.Errorf("block %d: pair %s: the delta is not finite", v.Blocks[b], v.Pairs[i].ID)
				}
			}
			whole.add(unit[i], signs[r], x)
			if a > 0 {
				y := append([]float64{}, x...)
				projectOut(y, both)
				mean[a].add(unit[i], signs[r], y)
			}
		}
		set := func(line int, x, s []float64) {
			e := &out[line*len(Axes)+a]
			e.N = len(s)
			if len(s) < 2 {
				return
			}
			h := leaveOneOut(x, s, d)
			m, _ := meanSD(h)
			e.Value = number(m)
			hajek(e, h)
		}
		set(0, deltas, signs)
		// Pairs whose two answers were different words flipped: both right, or both wrong.
		for side, flipped := range []bool{true, false} {
			var x, s []float64
			for r, i := range at {
				if p := &v.Pairs[i]; (p.CorrectOriginal == p.CorrectSwapped) == flipped {
					x, s = append(x, deltas[r*d:(r+1)*d]...), append(s, signs[r])
				}
			}
			set(3+side, x, s)
		}
		if len(basis) > 0 {
			for r := range n {
				projectOut(deltas[r*d:(r+1)*d], basis)
			}
			set(1, deltas, signs)
			out[2*len(Axes)+a] = jackknife(func(m ...[]float64) float64 {
				var inside float64
				for _, e := range basis {
					p := dot(m[0], e)
					inside += p * p
				}
				return inside / dot(m[0], m[0])
			}, whole)
		}
		giveBack(deltas)
	}
	if len(both) > 0 {
		out[len(out)-1] = jackknife(func(m ...[]float64) float64 {
			return dot(m[0], m[1]) / math.Sqrt(dot(m[0], m[0])*dot(m[1], m[1]))
		}, mean[1], mean[2])
	}
	return out, nil
}

// orthonormal spans the given directions, leaving out those that add nothing (modified Gram–Schmidt).
func orthonormal(directions [][]float32) [][]float64 {
	var basis [][]float64
	for _, direction := range directions {
		x := make([]float64, len(direction))
		widen(x, direction)
		norm := math.Sqrt(dot(x, x))
		if !(norm > 0) {
			continue
		}
		projectOut(x, basis)
		projectOut(x, basis) // once more, for what rounding left
		rest := math.Sqrt(dot(x, x))
		if rest < 1e-5*norm {
			continue
		}
		for k := range x {
			x[k] /= rest
		}
		basis = append(basis, x)
	}
	return basis
}

// projectOut subtracts from x what lies in the span of an orthonormal basis.
func projectOut(x []float64, basis [][]float64) {
	for _, e := range basis {
		axpy(x, -dot(x, e), e)
	}
}

// sceneSums are weighted sums of vectors, by scene for the jackknife.
type sceneSums struct {
	n     int
	total []float64
	order []int // scenes as they came
	of    map[int]*sceneSum
}

type sceneSum struct {
	n   int
	sum []float64
}

func newSceneSums(d int) *sceneSums {
	return &sceneSums{total: make([]float64, d), of: map[int]*sceneSum{}}
}

func (s *sceneSums) add(scene int, sign float64, x []float64) {
	s.n++
	axpy(s.total, sign, x)
	c := s.of[scene]
	if c == nil {
		c = &sceneSum{sum: make([]float64, len(x))}
		s.of[scene] = c
		s.order = append(s.order, scene)
	}
	c.n++
	axpy(c.sum, sign, x)
}

// jackknife is a function of mean vectors, which may be scaled by anything positive, with the standard error of leaving out one scene
// at a time. Undefined values are left out; fewer than three scenes give no interval.
func jackknife(f func(means ...[]float64) float64, groups ...*sceneSums) Estimate {
	e := Estimate{N: groups[0].n}
	totals := make([][]float64, len(groups))
	var scenes []int
	known := map[int]bool{}
	for g, s := range groups {
		totals[g] = s.total
		e.N = min(e.N, s.n)
		for _, scene := range s.order {
			if !known[scene] {
				known[scene] = true
				scenes = append(scenes, scene)
			}
		}
	}
	if e.N == 0 {
		return e
	}
	if e.Value = number(f(totals...)); e.Value == nil || len(scenes) < 3 {
		return e
	}
	without := make([][]float64, len(groups))
	for g := range without {
		without[g] = make([]float64, len(totals[g]))
	}
	var values []float64
	for _, scene := range scenes {
		for g, s := range groups {
			copy(without[g], s.total)
			if c := s.of[scene]; c != nil {
				axpy(without[g], -1, c.sum)
			}
		}
		if x := f(without...); !math.IsNaN(x) && !math.IsInf(x, 0) {
			values = append(values, x)
		}
	}
	if len(values) < 3 {
		return e
	}
	_, sd := meanSD(values)
	se := sd * math.Sqrt(float64(len(values)-1))
	e.SE, e.Low, e.High = number(se), number(*e.Value-z95*se), number(*e.Value+z95*se)
	return e
}
