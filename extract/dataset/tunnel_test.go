package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplated(t *testing.T) {
	table := openString(t, `index	image	question	answer
0	aW1n	Is the red sphere to the left or right of the blue cube? Answer with only one word.	left
1	aW1n	Is the red sphere above or below the blue cube? Answer with only one word.	Below
2	aW1n	Compared to blue cube, is red sphere far or close from you? Answer with only one word.	far
3	aW1n	Is the red sphere above or below the blue cube? Answer with only one word.	left
4	aW1n	Is the red sphere above or below the blue cube? Answer with only one word.	yes
`)
	set := build(t, table, Options{Seed: 42})
	if set.Layout != Templated || len(set.Pairs) != 3 || set.Counts.Failed != 1 || set.Counts.Skipped != 1 {
		t.Fatalf("%s: %+v", set.Layout, set.Counts)
	}
	for i, p := range set.Pairs {
		if question := table.Value(i, 2).String(); p.Original.Text != question || p.First != "red sphere" || p.Second != "blue cube" {
			t.Errorf("%+v, want %q", p, question)
		}
	}
}

func TestPhaseSweep(t *testing.T) {
	const scenes = 2
	ordered, degrees, radians, steps := []string{"A\tB\timage\n"}, []string{"A\tB\timage\tangle1\tangle2\n"}, []string{"A\tB\timage\ttheta_1\ttheta_2\n"}, []string{"A\tB\timage\tphase1\tphase2\n"}
	var want [][2]int
	for i := range phaseSteps {
		for j := range phaseSteps {
			for range scenes {
				want = append(want, [2]int{i, j})
				row := "red cube\tblue sphere\taW1n"
				ordered = append(ordered, row+"\n")
				degrees = append(degrees, fmt.Sprintf("%s\t%g\t%g\n", row, float64(i)*22.5, float64(j)*22.5))
				radians = append(radians, fmt.Sprintf("%s\t%.4f\t%.4f\n", row, float64(i)*math.Pi/8, float64(j)*math.Pi/8))
				steps = append(steps, fmt.Sprintf("%s\t%d\t%d\n", row, i, j))
			}
		}
	}
	for _, c := range []struct {
		lines     []string
		kind      SweepKind
		placement string
	}{
		{ordered, PhaseSweep, "row order, assumed"}, {degrees, "", "columns angle1 and angle2, in degrees"},
		{radians, "", "columns theta_1 and theta_2, in radians"}, {steps, "", "columns phase1 and phase2, in steps"},
	} {
		s, err := BuildSweep(openString(t, strings.Join(c.lines, "")), c.kind)
		if err != nil {
			t.Fatal(err)
		}
		if s.Kind != PhaseSweep || !strings.HasPrefix(s.Placement, c.placement) {
			t.Errorf("%s %q, want %q", s.Kind, s.Placement, c.placement)
		}
		var cells [][2]int
		count := make(map[Agreement]int)
		for i, p := range s.Items {
			cells = append(cells, p.Cell)
			count[p.Agreement]++
			if p.Scene != i%scenes || len(p.Questions) != 4 || p.Image == "" {
				t.Fatalf("%+v", p)
			}
		}
		if d := cmp.Diff(want, cells); d != "" {
			t.Errorf("%s:\n%s", c.placement, d)
		}
		if d := cmp.Diff(map[Agreement]int{Consistent: 126 * scenes, Counter: 126 * scenes, Ambiguous: 4 * scenes}, count); d != "" {
			t.Error(d)
		}
		// The farther object, named first, is closer: no.
		if q := s.Items[0].Questions[0]; q.Text != "Is the red cube closer to the camera than the blue sphere? Answer with only yes or no." || q.Answer != "no" {
			t.Errorf("%+v", q)
		}
		if data, err := json.Marshal(s); err != nil || len(data) == 0 {
			t.Error(err)
		}
	}
}

func TestSizeSweep(t *testing.T) {
	var columns, ordered strings.Builder
	columns.WriteString("question\tanswer\timage\ts1\n")
	ordered.WriteString("question\tanswer\timage\n")
	for i := range sizeSteps {
		for range 3 {
			fmt.Fprintf(&columns, "Is the red cube closer?\tYes\taW1n\t%.2f\n", 0.10+0.02*float64(i))
			fmt.Fprint(&ordered, "Is the red cube closer?\tNo\taW1n\n")
		}
	}
	for _, text := range []string{columns.String(), ordered.String()} {
		s, err := BuildSweep(openString(t, text), SizeSweep)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range s.Items {
			if p.Cell != [2]int{i / 3, 0} || p.Scene != i%3 || len(p.Questions) != 1 {
				t.Errorf("%s: %+v", s.Placement, p)
			}
		}
		if s.Wording != "the table's own questions" || len(s.Items) != 3*sizeSteps {
			t.Errorf("%q, %d items", s.Wording, len(s.Items))
		}
	}
	s, err := BuildSweep(openString(t, strings.Replace(columns.String(), "0.12", "0.13", 1)), "")
	if err != nil || s.Outcomes[3].Status != Failed || !strings.Contains(s.Outcomes[3].Why, `5: size "0.13" is none`) {
		t.Errorf("%v %+v", err, s)
	}
	if _, err := BuildSweep(openString(t, "a\tb\n1\t2\n"), ""); err == nil || !strings.Contains(err.Error(), "which sweep is it?") {
		t.Errorf("%v", err)
	}
	if _, err := BuildSweep(openString(t, "angle1\tangle2\n1\tx\n"), ""); err == nil || !strings.Contains(err.Error(), `t.tsv:2:3: angle "x" is no number`) {
		t.Errorf("%v", err)
	}
}
