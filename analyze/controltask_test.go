package analyze

import (
	"fmt"
	"testing"
)

func TestControlTaskIsBruteForce(t *testing.T) {
	v := named(toy(12, 8, 21))
	o := Options{Seed: 9}
	labels, _ := v.madeUp(o.Seed)
	if len(labels) != relations {
		t.Fatalf("%d relations, expected %d", len(labels), relations)
	}
	for _, subset := range []Subset{AllPairs, BothCorrect} {
		members, err := v.members(subset)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, v, "control-task", subset, o)
		for _, axis := range Axes {
			var at []int
			for _, i := range members {
				if v.Pairs[i].Axis == axis {
					at = append(at, i)
				}
			}
			share := func(sign func(i int) float64) float64 {
				right := 0
				for x, row := range cosinesOf(v, at, 0, sign) {
					var h float64
					for y, c := range row {
						if y != x {
							h += c
						}
					}
					if h > 0 {
						right++
					}
				}
				return float64(right) / float64(len(at))
			}
			var mean float64
			for _, l := range labels {
				mean += share(func(i int) float64 { return l[i] }) / relations
			}
			found := share(func(i int) float64 { return signOf(categoryOf(v.Pairs[i].Category)) })
			made, lead := pointOf(t, r, "made-up-relation-"+axis, 3), pointOf(t, r, "selectivity-"+axis, 3)
			near(t, axis+": true relation", pointOf(t, r, "true-relation-"+axis, 3).Value, found, 1e-15)
			near(t, axis+": made-up relations", made.Value, mean, 1e-13)
			near(t, axis+": selectivity", lead.Value, found-mean, 1e-13)
			if made.N != len(at) || !(*made.Low <= mean && mean <= *made.High) || !(*lead.Low <= *lead.Value && *lead.Value <= *lead.High) {
				t.Errorf("%s: %+v, %+v", axis, made, lead)
			}
		}
	}
}

// A made-up relation is one of two objects of an axis: the same wherever the two meet, and turned round with their order.
func TestMadeUpRelations(t *testing.T) {
	v := &Vectors{Blocks: []int{0}, Width: 1}
	for i, p := range []struct {
		axis, category, first, second string
	}{{"horizontal", "left", "cup", "book"}, {"horizontal", "right", "book", "cup"}, {"horizontal", "right", "cup", "book"}, {"vertical", "above", "cup", "book"}, {"vertical", "above", "cup", "lamp"}, {"vertical", "above", "", ""}} {
		v.Pairs = append(v.Pairs, Pair{ID: fmt.Sprint(i), Axis: p.axis, Category: p.category, Objects: [2]string{p.first, p.second}})
	}
	labels, notes := v.madeUp(3)
	differ := [2]bool{}
	for _, l := range labels {
		if l[1] != -l[0] || l[2] != l[0] {
			t.Errorf("cup and book are %v, %v the other way round, and %v again", l[0], l[1], l[2])
		}
		if l[0]*l[0] != 1 || l[3]*l[3] != 1 || l[5] != 0 {
			t.Errorf("signs %v", l)
		}
		differ[0], differ[1] = differ[0] || l[3] != l[0], differ[1] || l[4] != l[3]
	}
	if differ != [2]bool{true, true} {
		t.Errorf("other axes and other objects never differ: %v", differ)
	}
	if want := []string{"horizontal: 3 pairs of 1 different two objects", "vertical: 2 pairs of 2 different two objects"}; fmt.Sprint(notes) != fmt.Sprint(want) {
		t.Errorf("notes %q, expected %q", notes, want)
	}
}
