package analyze

import "fmt"

func init() {
	Register(Metric{
		Name: "vd-ei", Version: 2, Title: "Entanglement of vertical and distance", Shape: ShapeCurve, Controls: true,
		About: "Cosine of the mean sign-corrected deltas of vertical and distance (VD-EI as released), beside the published form (Eq. 3), the same for the " +
			"other axes, and what separates the two forms.",
		Compute: vdEI,
	})
}

// vdLines are the lines of vd-ei: key, quantity, and which axes' pairs count.
var vdLines = []struct {
	key, quantity string
	axes          []int
}{
	{"vd-ei", "released/vd", []int{1, 2}},
	{"vd-ei-paper", "paper/vd", []int{1, 2}},
	{"vd-ei-balanced", "balanced/vd", []int{1, 2}},
	{"vd-ei-disattenuated", "disattenuated/vd", []int{1, 2}},
	{"hd-ei", "released/hd", []int{0, 2}},
	{"hd-ei-paper", "paper/hd", []int{0, 2}},
	{"hd-ei-disattenuated", "disattenuated/hd", []int{0, 2}},
	{"hv-ei", "released/hv", []int{0, 1}},
	{"hv-ei-paper", "paper/hv", []int{0, 1}},
	{"hv-ei-disattenuated", "disattenuated/hv", []int{0, 1}},
	{"ratio", "ratio/vd", []int{1, 2}},
	{"order-horizontal", "order/horizontal", []int{0}},
	{"order-vertical", "order/vertical", []int{1}},
	{"order-distance", "order/distance", []int{2}},
}

func vdEI(v *Vectors, subset Subset, o Options) (*Result, error) {
	if err := v.member(subset); err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	c := &Curve{Unit: "cosine (ratio, order: share)", Range: cosineRange(), Method: s.method}
	var notes []string
	for _, l := range vdLines {
		defined := 0
		line := Line{Key: l.key}
		for b, block := range v.Blocks {
			f := s.facts(b, subset)
			n := f.axisN(l.axes[0])
			for _, a := range l.axes[1:] {
				n = min(n, f.axisN(a)) // the smaller side limits a cosine's precision
			}
			if l.key == "vd-ei-balanced" {
				n = min(f.axisN(1), f.layouts[Counter], f.layouts[Consistent])
			}
			e := s.estimate(b, subset, l.quantity, n)
			if e.Value != nil {
				defined++
			}
			line.Points = append(line.Points, Point{Block: block, Estimate: e})
		}
		// The balanced form needs layouts; without any it is no line, rather than one of absent values.
		if defined == 0 && l.key == "vd-ei-balanced" {
			notes = append(notes, "no composition-balanced form: consistent and counter scenes are not known, or one kind is missing")
			continue
		}
		if defined < len(v.Blocks) {
			notes = append(notes, fmt.Sprintf("%s: undefined at %d of %d blocks", l.key, len(v.Blocks)-defined, len(v.Blocks)))
		}
		c.Lines = append(c.Lines, line)
	}
	return &Result{Curve: c, Notes: notes}, nil
}
