package analyze

func init() {
	Register(Metric{
		Name: "response-bias", Version: 1, Title: "Response bias", Shape: ShapeTable, Answers: true, Subsets: []Subset{AllPairs}, Controls: true,
		About: "Share of questions answered as if the canonical category (left, above, far) were true: one half for an unbiased answerer, since every pair asks both ways; " +
			"and share of pairs that got one answer for both questions.",
		Compute: responseBias,
	})
	Register(Metric{
		Name: "accuracy-by-layout", Version: 1, Title: "Accuracy where height helps and where it misleads", Shape: ShapeTable, Answers: true, Layouts: true, Subsets: []Subset{AllPairs},
		About:   "Accuracy on distance pairs whose farther object is higher in the image (consistent) and on those where it is lower (counter), and the gap between the two.",
		Compute: accuracyByLayout,
	})
}

func responseBias(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"canonical answers", "one answer for both"}, Unit: "share", Method: wilsonMethod}
	for a, axis := range Axes {
		var n, canonical, same int
		for _, i := range members {
			p := &v.Pairs[i]
			c := categoryOf(p.Category)
			if c/2 != a {
				continue
			}
			n++
			// The original's truth is the category, the swapped question's its opposite; a wrong answer counts as the other word.
			if p.CorrectOriginal == (c%2 == 0) {
				canonical++
			}
			if p.CorrectSwapped == (c%2 == 1) {
				canonical++
			}
			if p.CorrectOriginal != p.CorrectSwapped {
				same++
			}
		}
		t.Rows = append(t.Rows, TableRow{Key: axis, Cells: []Estimate{proportion(canonical, 2*n), proportion(same, n)}})
	}
	return &Result{Table: t, Notes: []string{"an answer that is neither word counts as the wrong one"}}, nil
}

func accuracyByLayout(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	by := map[Layout]*tally{}
	for _, l := range layouts {
		by[l] = &tally{}
	}
	for _, i := range members {
		if p := &v.Pairs[i]; p.Axis == Axes[2] {
			by[p.Layout].add(p)
		}
	}
	r := accuracyTable(nil)
	for _, l := range layouts {
		if l != LayoutUnknown {
			r.Table.Rows = append(r.Table.Rows, by[l].row(string(l)))
		} else if by[l].n > 0 {
			r.Table.Rows = append(r.Table.Rows, by[l].row("unknown"))
		}
	}
	c, k := by[Consistent], by[Counter]
	gap := func(a, b int) Estimate {
		e := Estimate{N: min(c.n, k.n)}
		if c.n > 0 && k.n > 0 {
			low, high := Newcombe(a, c.n, b, k.n)
			e.Value, e.Low, e.High = number(float64(a)/float64(c.n)-float64(b)/float64(k.n)), &low, &high
		}
		return e
	}
	r.Table.Rows = append(r.Table.Rows, TableRow{Key: "gap", Cells: []Estimate{gap(c.original, k.original), gap(c.swapped, k.swapped), gap(c.both, k.both)}})
	r.Table.Method += "; gap: Newcombe"
	return r, nil
}
