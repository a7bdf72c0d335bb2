package analyze

import "fmt"

func init() {
	Register(Metric{
		Name: "pred-stats", Version: 1, Title: "Accuracy", Shape: ShapeTable, Answers: true, Subsets: []Subset{AllPairs}, Controls: true,
		About:   "Share of right answers to the original questions, to the swapped ones, and to both (the seed's pred_stats).",
		Compute: predStats,
	})
	Register(Metric{
		Name: "category-validity", Version: 1, Title: "Accuracy by category", Shape: ShapeTable, Answers: true, Subsets: []Subset{AllPairs},
		About:   "Accuracy of each category; it is reliable if at least half of the original and half of the swapped questions are answered right (the seed's category_validity).",
		Compute: categoryValidity,
	})
}

const wilsonMethod = "95 %: Wilson score"

// A tally counts pairs and their right answers.
type tally struct{ n, original, swapped, both int }

func (t *tally) add(p *Pair) {
	t.n++
	if p.CorrectOriginal {
		t.original++
	}
	if p.CorrectSwapped {
		t.swapped++
	}
	if p.BothCorrect() {
		t.both++
	}
}

// reliable is the seed's rule; nothing asked is not reliable.
func (t tally) reliable() bool { return t.n > 0 && 2*t.original >= t.n && 2*t.swapped >= t.n }

func (t tally) row(key string) TableRow {
	return TableRow{Key: key, Cells: []Estimate{proportion(t.original, t.n), proportion(t.swapped, t.n), proportion(t.both, t.n)}}
}

func accuracyTable(rows []TableRow) *Result {
	return &Result{Table: &Table{Columns: []string{"acc_orig", "acc_swap", "acc_both"}, Unit: "share of right answers", Method: wilsonMethod, Rows: rows}}
}

func predStats(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	var axes [3]tally
	var overall tally
	for _, i := range members {
		p := &v.Pairs[i]
		axes[categoryOf(p.Category)/2].add(p)
		overall.add(p)
	}
	var rows []TableRow
	for a, t := range axes {
		rows = append(rows, t.row(Axes[a]))
	}
	return accuracyTable(append(rows, overall.row("overall"))), nil
}

func categoryValidity(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	r := accuracyTable(nil)
	for c, t := range v.tallies(members) {
		row := t.row(Categories[c])
		if !t.reliable() {
			row.Mark = "unreliable"
			if t.n > 0 {
				r.Notes = append(r.Notes, fmt.Sprintf("category %q is unreliable", Categories[c]))
			}
		}
		r.Table.Rows = append(r.Table.Rows, row)
	}
	return r, nil
}

// tallies by category.
func (v *Vectors) tallies(members []int) [6]tally {
	var t [6]tally
	for _, i := range members {
		t[categoryOf(v.Pairs[i].Category)].add(&v.Pairs[i])
	}
	return t
}

// unreliable lists the categories that were asked about and fail the validity rule.
func (v *Vectors) unreliable() []string {
	all := make([]int, len(v.Pairs))
	for i := range all {
		all[i] = i
	}
	var out []string
	for c, t := range v.tallies(all) {
		if t.n > 0 && !t.reliable() {
			out = append(out, Categories[c])
		}
	}
	return out
}
