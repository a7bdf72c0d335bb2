package analyze

func init() {
	Register(Metric{
		Name: "delta-similarity", Version: 2, Title: "Similarity of mean deltas", Shape: ShapeGrids,
		About:   "Cosines of the six categories' mean deltas (the released 6×6 matrix).",
		Compute: deltaSimilarity,
	})
	Register(Metric{
		Name: "delta-norm", Version: 2, Title: "Delta norm", Shape: ShapeCurve,
		About:   "Mean Euclidean norm of the deltas of a category.",
		Compute: deltaNorm,
	})
}

func deltaSimilarity(v *Vectors, subset Subset, o Options) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	r := &Result{Notes: []string{s.method}}
	for b, block := range v.Blocks {
		f := s.facts(b, subset)
		g := Grid{Block: block, Unit: "cosine", Range: cosineRange(), Rows: Categories, Cols: Categories}
		for i, row := range Categories {
			cells := make([]Estimate, len(Categories))
			for j, col := range Categories {
				key := "cosine/" + row + "/" + col
				if j > i {
					key = "cosine/" + col + "/" + row
				}
				cells[j] = s.estimate(b, subset, key, min(f.n[i], f.n[j]))
			}
			g.Cells = append(g.Cells, cells)
		}
		r.Grids = append(r.Grids, g)
	}
	return r, nil
}

func deltaNorm(v *Vectors, subset Subset, o Options) (*Result, error) {
	r, err := v.spreadCurve(subset, o, "norm/", Categories, func(f *facts, i int) int { return f.n[i] })
	if err != nil {
		return nil, err
	}
	r.Curve.Unit, r.Curve.Range = "norm", nil
	return r, nil
}
