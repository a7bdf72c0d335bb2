package dataset

import "strings"

// compare lists the rows that the parity reader would have treated differently.
func (s *Set) compare(l layout, accepted []Pair) {
	o := s.Options
	o.Reader = Parity
	var other Set
	loose := other.accept(l, o)
	question := func(pairs []Pair) map[int]string {
		m := make(map[int]string, len(pairs))
		for _, p := range pairs {
			m[p.Row] = p.Original.Text
		}
		return m
	}
	strict, parity := question(accepted), question(loose)
	for i, out := range s.Outcomes {
		row := i + 1
		a, b := parity[row], strict[row]
		if a == b {
			continue
		}
		d := Difference{Row: row, Parity: a, Strict: b, Why: "an earlier row drew differently"}
		if b == "" {
			d.Strict, d.Why = string(out.Status), out.Why
		} else if of, ok := l.(*benchmark); ok && of.nanNames(i) > 0 {
			d.Why = `a name that is "nan" cannot be drawn`
		} else if s.Options.Form == Choice && sameObjects(a, b) {
			d.Why = "an earlier row is no pair, so the letters alternate differently"
		}
		s.Differences = append(s.Differences, d)
	}
}

// sameObjects reports whether two multiple-choice questions differ in their letters only.
func sameObjects(a, b string) bool {
	a, _, _ = strings.Cut(a, "? (A) ")
	b, _, _ = strings.Cut(b, "? (A) ")
	return a == b
}
