package analyze

import "slices"

func init() {
	Register(Metric{
		Name: "axis-coherence", Version: 2, Title: "Axis coherence", Shape: ShapeCurve, Controls: true,
		About: "Mean cosine of all pairs of sign-corrected deltas of an axis (Eq. 2; the released compute_axis_coherence, sign-corrected " +
			"consistency in the seed); its deviation is that of the pair cosines, not a standard error.",
		Compute: axisCoherence,
	})
	Register(Metric{
		Name: "within-category", Version: 2, Title: "Within-category consistency", Shape: ShapeCurve,
		About:   "Mean cosine of all pairs of deltas of one category (the seed's within-category consistency); its deviation is that of the pair cosines.",
		Compute: withinCategory,
	})
}

func axisCoherence(v *Vectors, subset Subset, o Options) (*Result, error) {
	r, err := v.spreadCurve(subset, o, "coherence/", Axes, func(f *facts, i int) int { return f.axisN(i) })
	if err == nil {
		r.Curve.Method += "; nulls: random signs, adjusted p by the maximum over axes and blocks"
	}
	return r, err
}

func withinCategory(v *Vectors, subset Subset, o Options) (*Result, error) {
	return v.spreadCurve(subset, o, "within/", Categories, func(f *facts, i int) int { return f.n[i] })
}

func (v *Vectors) spreadCurve(subset Subset, o Options, family string, keys []string, n func(*facts, int) int) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	lines := v.lines(keys, func(b int, key string) Estimate {
		return s.estimate(b, subset, family+key, n(s.facts(b, subset), slices.Index(keys, key)))
	})
	return &Result{Curve: &Curve{Unit: "mean cosine", Range: cosineRange(), Method: s.method, Lines: lines}}, nil
}
