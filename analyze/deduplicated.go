package analyze

import "fmt"

func init() {
	const which = "on pairs each of which is evidence of its own: left out are repeats of an earlier pair (same image, axis and ordered objects) and pairs that " +
		"another one of the same image, axis and objects contradicts."
	Register(Metric{
		Name: "deduplicated", Version: 1, Title: "Without pairs that repeat or contradict others", Shape: ShapeCurve, Doubtful: true, Subsets: []Subset{AllPairs, BothCorrect},
		About:   "Axis coherence and VD-EI (released form, and with scenes balanced) " + which,
		Compute: deduplicated,
	})
	Register(Metric{
		Name: "accuracy-deduplicated", Version: 1, Title: "Accuracy without pairs that repeat or contradict others", Shape: ShapeTable, Answers: true, Doubtful: true,
		Subsets: []Subset{AllPairs},
		About:   "Share of right answers to the original questions, to the swapped ones, and to both, " + which,
		Compute: func(v *Vectors, subset Subset, o Options) (*Result, error) {
			w, notes, err := v.beyondDoubt()
			if err != nil {
				return nil, err
			}
			r, err := predStats(w, subset, o)
			if r != nil {
				r.Notes = notes
			}
			return r, err
		},
	})
}

// beyondDoubt are the vectors without doubtful pairs, made once. Quads stay behind: nothing here asks for them.
func (v *Vectors) beyondDoubt() (*Vectors, []string, error) {
	w, err := remember(v, "beyond doubt", func() (*Vectors, error) {
		w := &Vectors{Blocks: v.Blocks, Width: v.Width, Answered: v.Answered}
		for i, p := range v.Pairs {
			if p.Doubtful {
				continue
			}
			w.Pairs, w.Original, w.Swapped = append(w.Pairs, p), append(w.Original, v.Original[i]), append(w.Swapped, v.Swapped[i])
			if v.Absent != nil {
				w.Absent = append(w.Absent, v.Absent[i])
			}
		}
		return w, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return w, []string{fmt.Sprintf("%d of %d pairs are left out", len(v.Pairs)-len(w.Pairs), len(v.Pairs))}, nil
}

func deduplicated(v *Vectors, subset Subset, o Options) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	w, notes, err := v.beyondDoubt()
	if err != nil {
		return nil, err
	}
	coherence, err := axisCoherence(w, subset, o)
	if err != nil {
		return nil, err
	}
	entanglement, err := vdEI(w, subset, o)
	if err != nil {
		return nil, err
	}
	for _, l := range entanglement.Curve.Lines {
		if l.Key == "vd-ei" || l.Key == "vd-ei-balanced" {
			coherence.Curve.Lines = append(coherence.Curve.Lines, l)
		}
	}
	coherence.Curve.Unit, coherence.Notes = "mean cosine (index: cosine)", notes
	return coherence, nil
}
