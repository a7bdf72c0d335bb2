package analyze

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// answerVectors: vertical deltas are s(3e₀ + 4e₂), distance deltas s(3e₁ + 4e₂ ± 5e₃), horizontal ones ±e₄ whatever the truth. The head
// tells above and below apart along e₀, far and close along e₁ (and along e₁ + e₀ in another spelling).
func answerVectors() *Vectors {
	v := &Vectors{Blocks: []int{0}, Width: 5, Answered: true}
	add := func(i int, category string, original, swapped bool, delta ...float32) {
		v.Pairs = append(v.Pairs, Pair{ID: fmt.Sprint(len(v.Pairs)), Category: category, Axis: Axes[categoryOf(category)/2], Scene: fmt.Sprint("scene", i), CorrectOriginal: original, CorrectSwapped: swapped})
		v.Original = append(v.Original, make([]float32, 5))
		v.Swapped = append(v.Swapped, delta)
	}
	for i := range 4 {
		s, odd := float32(1), float32(1-2*(i/2))
		vertical, distance, horizontal := "above", "far", "left"
		if i%2 == 1 {
			s, vertical, distance, horizontal = -1, "below", "close", "right"
		}
		add(i, vertical, true, i < 2, 3*s, 0, 4*s, 0, 0)
		add(i, distance, i < 2, i < 2, 0, 3*s, 4*s, 5*s*odd, 0)
		add(i, horizontal, true, true, 0, 0, 0, 0, odd*s)
	}
	v.Readout = &Readout{Axes: [3][][]float32{{}, {{2, 0, 0, 0, 0}, {-4, 0, 0, 0, 0}}, {{0, 1, 0, 0, 0}, {1, 1, 0, 0, 0}}}}
	return v
}

func TestAnswerDirection(t *testing.T) {
	m, _ := Lookup("answer-direction")
	r, err := m.Run(answerVectors(), AllPairs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Estimate{}
	for _, l := range r.Curve.Lines {
		got[l.Key] = l.Points[0].Estimate
	}
	// cos of two distance deltas: signed, (9+16±25)/50; four of six pairs meet opposite e₃.
	for key, want := range map[string]struct {
		value float64
		n     int
	}{
		"with-answer-vertical":    {1, 4},
		"without-answer-vertical": {1, 4},
		"answer-share-vertical":   {9. / 25, 4},
		"with-answer-distance":    {(2*1 + 4*0) / 6., 4},
		"without-answer-distance": {(2*1 + 4*(16-25)/41.) / 6., 4}, // e₀ and e₁ are both gone
		"answer-share-distance":   {9. / 25, 4},
		"flipped-vertical":        {1, 2}, // i < 2: both right
		"unflipped-vertical":      {1, 2},
		"flipped-distance":        {(2*1 + 4*0) / 6., 4},
		"with-answer-horizontal":  {(2*1 + 4*-1) / 6., 4},
		"vd-ei-without-answers":   {1, 4}, // both means are along e₂
	} {
		e := got[key]
		if e.Value == nil || math.Abs(*e.Value-want.value) > 1e-12 || e.N != want.n {
			t.Errorf("%s: %s of %d, want %.6g of %d", key, showValue(e.Value), e.N, want.value, want.n)
		}
	}
	for _, key := range []string{"without-answer-horizontal", "answer-share-horizontal", "unflipped-distance"} {
		if e := got[key]; e.Value != nil {
			t.Errorf("%s: %s, want none", key, showValue(e.Value))
		}
	}
	if len(r.Notes) != 1 {
		t.Errorf("notes %q, want one about horizontal", r.Notes)
	}
	v := answerVectors()
	v.Readout = nil
	if _, err := m.Run(v, AllPairs, Options{}); !errors.Is(err, ErrNoReadout) {
		t.Errorf("without a readout: %v", err)
	}
	v.Readout = &Readout{Axes: [3][][]float32{{{1}}}}
	if _, err := m.Run(v, AllPairs, Options{}); err == nil {
		t.Error("a direction of another width was taken")
	}
}

// TestJackknife: of a mean it is the textbook standard error, clustered by scene.
func TestJackknife(t *testing.T) {
	mean := func(m ...[]float64) float64 { return m[0][0] / m[0][1] }
	single, paired := newSceneSums(2), newSceneSums(2)
	for i, x := range []float64{1, 2, 4, 9} {
		single.add(i, 1, []float64{x, 1})
		paired.add(i, 1, []float64{x, 1})
		paired.add(i, 1, []float64{x, 1}) // says nothing new
	}
	want := math.Sqrt((9 + 4 + 0 + 25) / 3. / 4) // mean 4
	for name, s := range map[string]*sceneSums{"single": single, "paired": paired} {
		if e := jackknife(mean, s); *e.Value != 4 || math.Abs(*e.SE-want) > 1e-12 {
			t.Errorf("%s: %g ± %g, want 4 ± %g", name, *e.Value, *e.SE, want)
		}
	}
}

func showValue(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprintf("%.6g", *v)
}

func TestRandomPairs(t *testing.T) {
	v := answerVectors()
	// A state of its own for every question tells where it went.
	for i := range v.Pairs {
		v.Swapped[i] = []float32{float32(i), 0, 0, 0, 0}
	}
	r := v.RandomPairs(7)
	used := map[float32]bool{}
	for i := range r.Pairs {
		from := int(r.Swapped[i][0])
		if from == i || v.Pairs[from].Axis != v.Pairs[i].Axis || v.Pairs[from].Scene == v.Pairs[i].Scene || used[r.Swapped[i][0]] {
			t.Errorf("pair %d (%s) meets %d (%s)", i, v.Pairs[i].Axis, from, v.Pairs[from].Axis)
		}
		used[r.Swapped[i][0]] = true
	}
	if r.Answered {
		t.Error("answers of different questions count as a pair's")
	}
	if int(v.Swapped[3][0]) != 3 {
		t.Error("the real pairs changed")
	}
	if again := v.RandomPairs(7); again.Swapped[0][0] != r.Swapped[0][0] {
		t.Error("the same seed gives other partners")
	}
}
