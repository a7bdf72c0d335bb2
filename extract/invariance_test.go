package extract

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
)

// largest is the largest absolute difference of two sets of captures, states and first logits together.
func largest(a, b []*Capture) float64 {
	worst := 0.0
	for i := range a {
		for j := range a[i].States {
			worst = max(worst, math.Abs(float64(a[i].States[j])-float64(b[i].States[j])))
		}
		for j := range a[i].First {
			worst = max(worst, math.Abs(float64(a[i].First[j].Logit)-float64(b[i].First[j].Logit)))
		}
	}
	return worst
}

func sameAnswers(t *testing.T, a, b []*Capture) {
	t.Helper()
	for i := range a {
		if !slices.Equal(a[i].GeneratedIDs, b[i].GeneratedIDs) {
			t.Errorf("case %d: answers %v and %v", i, a[i].GeneratedIDs, b[i].GeneratedIDs)
		}
	}
}

// Sharing a prefix, the company a question is asked in, and the order of questions must not change a bit.
func TestSharedPrefixIsBitIdentical(t *testing.T) {
	needRuntime(t)
	for _, s := range goldenSets {
		for _, threads := range []int{1, 2} {
			for _, mode := range []Mode{Resident, Streamed} {
				t.Run(fmt.Sprintf("%s/%s/%s/%d threads", s.family, s.set, mode, threads), func(t *testing.T) {
					g := openGolden(t, s.family, s.set, s.processor).brief()
					m := open(t, g.compile(t), Options{Weights: mode, Threads: threads})
					shared := g.captureAll(t, m)
					m.unshared = true
					alone := make([]*Capture, len(g.cases))
					for i, c := range g.cases {
						err := m.Capture(context.Background(), g.image(t, c.Image), []string{c.Question}, func(_ int, c *Capture, err error) {
							if err != nil {
								t.Fatal(err)
							}
							alone[i] = c
						})
						if err != nil {
							t.Fatal(err)
						}
					}
					if d := largest(shared, alone); d != 0 {
						t.Errorf("shared and unshared prefixes differ by up to %g", d)
					}
					sameAnswers(t, shared, alone)
				})
			}
		}
	}
}

// One answer alone, two, and more side by side: the width they are decoded in is not to be seen in any of them.
func TestCompanyIsBitIdentical(t *testing.T) {
	needRuntime(t)
	questions := []string{
		"Is the red ball to the left or right of the box?", "Is the box to the left or right of the red ball?",
		"Is the lamp above or below the table?", "Compared to the box, is the lamp far or close from you?", "Where?",
	}
	for _, s := range goldenSets {
		if s.set == "finetune" || s.set == "o-native" {
			continue // the same graphs again
		}
		g := openGolden(t, s.family, s.set, s.processor)
		m := open(t, g.compile(t), Options{Weights: Streamed, Threads: 2})
		capture := func(questions ...string) []*Capture {
			out := make([]*Capture, len(questions))
			if err := m.Capture(context.Background(), picture(112, 112), questions, func(i int, c *Capture, err error) {
				if err != nil {
					t.Fatal(err)
				}
				out[i] = c
			}); err != nil {
				t.Fatal(err)
			}
			return out
		}
		var alone []*Capture
		for _, q := range questions {
			alone = append(alone, capture(q)...)
		}
		for n := 2; n <= len(questions); n++ {
			together := capture(questions[:n]...)
			if d := largest(alone[:n], together); d != 0 {
				t.Errorf("%s/%s: %d questions together differ by up to %g from each alone", s.family, s.set, n, d)
			}
			sameAnswers(t, alone[:n], together)
		}
	}
}

func TestWidth(t *testing.T) {
	for _, c := range []struct{ waiting, perRow, want int }{{1, 1, 2}, {2, 1, 2}, {3, 1, 4}, {9, 1, 4}, {4, 256 << 20, 4}, {4, 256<<20 + 1, 2}} {
		if got := width(c.waiting, c.perRow); got != c.want {
			t.Errorf("%d waiting, %d bytes a row: %d rows, want %d", c.waiting, c.perRow, got, c.want)
		}
	}
}

func TestStreamedIsBitIdenticalToResident(t *testing.T) {
	needRuntime(t)
	for _, s := range goldenSets {
		g := openGolden(t, s.family, s.set, s.processor).brief()
		p := g.compile(t)
		var byThreads [][]*Capture
		for _, threads := range []int{1, 2} {
			resident := g.captureAll(t, open(t, p, Options{Weights: Resident, Threads: threads}))
			streamed := g.captureAll(t, open(t, p, Options{Weights: Streamed, Threads: threads}))
			sameAnswers(t, resident, streamed)
			if d := largest(resident, streamed); d != 0 {
				t.Errorf("%s/%s: with %d threads, streamed and resident differ by up to %g", s.family, s.set, threads, d)
			}
			byThreads = append(byThreads, resident)
		}
		// Threads share a product's columns out, and with fewer than 128 columns each the runtime cuts the sums elsewhere. Only
		// models as small as these have so few; the difference is float32 noise, of which the reference has 2.9e-6.
		sameAnswers(t, byThreads[0], byThreads[1])
		worst := 0.0
		for i, a := range byThreads[0] {
			for b := range a.Blocks {
				at, end := b*a.Width, (b+1)*a.Width
				worst = max(worst, relative(byThreads[1][i].States[at:end], a.States[at:end]))
			}
		}
		t.Logf("%s/%s: two threads against one: relative %.2g", s.family, s.set, worst)
		if worst > 3e-6 {
			t.Errorf("%s/%s: two threads differ from one by %.2g", s.family, s.set, worst)
		}
	}
}
