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
					g := openGolden(t, s.family, s.set, s.processor)
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

func TestStreamedAgreesWithResident(t *testing.T) {
	needRuntime(t)
	for _, s := range goldenSets {
		g := openGolden(t, s.family, s.set, s.processor)
		p := g.compile(t)
		reference := g.captureAll(t, open(t, p, Options{Weights: Resident, Threads: 1}))
		for _, o := range []Options{{Weights: Resident, Threads: 2}, {Weights: Streamed, Threads: 1}, {Weights: Streamed, Threads: 2}} {
			got := g.captureAll(t, open(t, p, o))
			sameAnswers(t, reference, got)
			worst := 0.0
			for i := range got {
				for b := range got[i].Blocks {
					w := got[i].Width
					worst = max(worst, relative(got[i].States[b*w:(b+1)*w], reference[i].States[b*w:(b+1)*w]))
				}
			}
			t.Logf("%s/%s: %s with %d threads against resident with 1: relative %.2g, absolute %.2g",
				s.family, s.set, o.Weights, o.Threads, worst, largest(reference, got))
			if worst > 1e-6 {
				t.Errorf("%s/%s: %s with %d threads differs from resident with 1 by %.2g", s.family, s.set, o.Weights, o.Threads, worst)
			}
		}
	}
}
