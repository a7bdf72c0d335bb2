package dataset

// An Audit lists pairs that are not independent evidence. Nothing is dropped for it: an estimate without them belongs
// beside the one with them.
type Audit struct {
	// Repeats are pairs that ask what an earlier pair of the set asks: same image, axis and ordered objects, same label.
	Repeats []Repeat `json:"repeats"`
	// Conflicts are pairs that agree in image, axis and ordered objects but not in the label. At most one of each is right.
	Conflicts [][]string `json:"conflicts"`
	// Mirrored are pairs that ask an earlier pair's two questions in the other order.
	Mirrored []Repeat `json:"mirrored"`
	// SameNames are pairs whose two objects have one name: both questions are equal and their delta is zero.
	SameNames []string `json:"same_names"`
	// Drop is what a deduplicated estimate leaves out: repeats and every side of a conflict, in the order of the set.
	Drop []string `json:"drop"`
}

// A Repeat is a pair and the earlier pair that it repeats.
type Repeat struct {
	Pair string `json:"pair"`
	Of   string `json:"of"`
}

// Bad counts the repeats and, of every conflict, the pairs beyond the first.
func (a *Audit) Bad() (repeats, conflicts int) {
	for _, c := range a.Conflicts {
		conflicts += len(c) - 1
	}
	return len(a.Repeats), conflicts
}

// audit compares the pairs of a set with one another. Pairs without an image are compared with none.
func audit(pairs []Pair) Audit {
	type asked struct{ image, axis, first, second string }
	a := Audit{Repeats: []Repeat{}, Conflicts: [][]string{}, Mirrored: []Repeat{}, SameNames: []string{}, Drop: []string{}}
	groups := make(map[asked][]*Pair)
	var order []asked
	for i := range pairs {
		p := &pairs[i]
		if p.Original.Text == p.Swapped.Text {
			a.SameNames = append(a.SameNames, p.ID)
		}
		if p.Image == "" || p.First == "" && p.Second == "" {
			continue
		}
		key := asked{p.Image, p.Axis, p.First, p.Second}
		if groups[key] == nil {
			order = append(order, key)
		}
		mirror := groups[asked{p.Image, p.Axis, p.Second, p.First}]
		if len(mirror) > 0 && len(groups[key]) == 0 && p.First != p.Second && mirror[0].Category == oppositeOf[p.Category] {
			a.Mirrored = append(a.Mirrored, Repeat{p.ID, mirror[0].ID})
		}
		groups[key] = append(groups[key], p)
	}
	drop := make(map[string]bool)
	for _, key := range order {
		group := groups[key]
		conflict := false
		for _, p := range group[1:] {
			conflict = conflict || p.Category != group[0].Category
		}
		if conflict {
			var ids []string
			for _, p := range group {
				ids = append(ids, p.ID)
				drop[p.ID] = true
			}
			a.Conflicts = append(a.Conflicts, ids)
			continue
		}
		for _, p := range group[1:] {
			a.Repeats = append(a.Repeats, Repeat{p.ID, group[0].ID})
			drop[p.ID] = true
		}
	}
	for i := range pairs {
		if drop[pairs[i].ID] {
			a.Drop = append(a.Drop, pairs[i].ID)
		}
	}
	return a
}
