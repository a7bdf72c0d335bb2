package dataset

import (
	"encoding/json"
	"fmt"
	"slices"
)

// ambiguousShare of the image's height: vertical centres closer than this are neither above nor below.
const ambiguousShare = 0.05

// Image sizes by data source, as the released code assumes them for heights; widths, which it never
// needs, are those of the same cameras. They are not the images' own sizes.
var (
	heightOf = map[string]float64{"ai2thor": 300, "mp3d": 480, "scannet": 968}
	widthOf  = map[string]float64{"ai2thor": 300, "mp3d": 640, "scannet": 1296}
)

const otherHeight, otherWidth = 480, 640

// An Agreement says whether the farther of two objects is the one higher in the image.
type Agreement string

const (
	Consistent Agreement = "consistent" // higher in the image means farther, as perspective has it
	Counter    Agreement = "counter"
	Ambiguous  Agreement = "ambiguous" // too close in height
	NoBox      Agreement = "no-box"    // an object has no box
)

// QuadOptions of building quads.
type QuadOptions struct {
	Form Form `json:"form"` // "" is the set's
	// RealSize takes limits from each image's own size instead of the constants by source.
	RealSize bool `json:"real_size"`
	// Horizontal adds the control: the same object pairs asked left or right.
	Horizontal bool `json:"horizontal"`
	// Share of the image's height (or width) below which a difference is ambiguous; 0 is the released 0.05.
	Share float64 `json:"share"`
}

// A Quad is a distance pair with a second pair about the same two objects on another axis: four questions on
// one image.
type Quad struct {
	ID         string          `json:"id"` // of the distance pair
	Row        int             `json:"row"`
	Index      json.RawMessage `json:"index"`
	QuestionID string          `json:"question_id"`
	Source     string          `json:"data_source"`
	Scene      string          `json:"scene,omitempty"`
	Image      string          `json:"image"`
	First      string          `json:"first"`  // the target
	Second     string          `json:"second"` // the reference
	// Axis is vertical, or horizontal for the control.
	Axis     string   `json:"axis"`
	Category string   `json:"category"` // of Original: above, below; left, right
	Original Question `json:"original"` // target first
	Swapped  Question `json:"swapped"`
	// The distance pair, as in the set.
	DistanceCategory string   `json:"distance_category"`
	DistanceOriginal Question `json:"distance_original"`
	DistanceSwapped  Question `json:"distance_swapped"`
	// Agreement of this quad's vertical order and distance; a control may be ambiguous.
	Agreement Agreement  `json:"agreement"`
	Centres   [2]float64 `json:"centres"` // along the axis, of target and reference, in pixels
	Limit     float64    `json:"limit"`   // smaller differences are ambiguous
}

// A Label says for a distance pair, by three definitions, whether height and distance agree.
type Label struct {
	ID    string `json:"id"`
	Row   int    `json:"row"`
	Scene string `json:"scene,omitempty"`
	// Reference compares the target with the drawn reference: the rule of the quads.
	Reference Agreement `json:"reference"`
	// Nearest compares it with the other object whose centre is nearest in the image.
	Nearest Agreement `json:"nearest"`
	// All compares it with every other object of the record: consistent or counter only if all of them say so.
	All Agreement `json:"all"`
}

// A QuadSet is the quads of a set. Its JSON is the same for the same set, boxes and options.
type QuadSet struct {
	Options QuadOptions `json:"options"`
	// Quads are vertical × distance, one a distance pair (sampled or not) with boxes and a clear vertical order, in file order.
	Quads []Quad `json:"quads"`
	// Controls are horizontal × distance quads of the same distance pairs, where left and right are clear.
	Controls  []Quad      `json:"controls"`
	Labels    []Label     `json:"labels"` // of every distance pair
	Distance  int         `json:"distance_pairs"`
	NoBox     int         `json:"no_box"`
	Ambiguous int         `json:"ambiguous"`
	Tallies   []LabelRow  `json:"tallies"`
	Outcomes  []QuadTrail `json:"outcomes"`
	Repeated  int         `json:"repeated_records"` // records whose question id came twice; the last counts
}

// A LabelRow counts the labels of one definition.
type LabelRow struct {
	Definition string `json:"definition"` // reference, nearest, all
	Consistent int    `json:"consistent"`
	Counter    int    `json:"counter"`
	Ambiguous  int    `json:"ambiguous"`
	NoBox      int    `json:"no_box"`
}

// A QuadTrail says what became of one distance pair.
type QuadTrail struct {
	ID  string `json:"id"`
	Why string `json:"why,omitempty"` // it is no quad; empty for a quad
}

// String is the released log line of the counts.
func (q *QuadSet) String() string {
	return fmt.Sprintf("Cross-group quads: %d/%d (ambiguous=%d, no_bbox=%d)", len(q.Quads), q.Distance, q.Ambiguous, q.NoBox)
}

// Quads joins the distance pairs of a set, those beyond the cap too, with the boxes of their records.
// The table is read only for QuadOptions.RealSize and may be nil without it.
func Quads(t *Table, set *Set, boxes *Boxes, o QuadOptions) (*QuadSet, error) {
	if o.Form == "" {
		o.Form = set.Options.Form
	}
	if o.Share == 0 {
		o.Share = ambiguousShare
	}
	if o.Share < 0 || o.Share >= 1 {
		return nil, fmt.Errorf("build quads: share %g, want 0 ≤ share < 1", o.Share)
	}
	var pairs []Pair
	for _, p := range slices.Concat(set.Pairs, set.Rest) {
		if p.Axis == "distance" {
			pairs = append(pairs, p)
		}
	}
	slices.SortFunc(pairs, func(a, b Pair) int { return a.Row - b.Row })
	q := &QuadSet{
		Options: o, Distance: len(pairs), Repeated: boxes.Repeated,
		Quads: []Quad{}, Controls: []Quad{}, Labels: []Label{}, Outcomes: []QuadTrail{},
	}
	for i := range pairs {
		if err := q.add(t, &pairs[i], boxes, o); err != nil {
			return nil, fmt.Errorf("build quads: %w", err)
		}
	}
	q.tally()
	return q, nil
}

// add makes the quads and the label of one distance pair.
func (q *QuadSet) add(t *Table, p *Pair, boxes *Boxes, o QuadOptions) error {
	label := Label{ID: p.ID, Row: p.Row, Reference: NoBox, Nearest: NoBox, All: NoBox}
	trail := QuadTrail{ID: p.ID}
	defer func() {
		q.Labels = append(q.Labels, label)
		q.Outcomes = append(q.Outcomes, trail)
	}()
	record, ok := boxes.Record(p.QuestionID)
	if !ok {
		q.NoBox++
		trail.Why = fmt.Sprintf("no record of question id %q", p.QuestionID)
		return nil
	}
	label.Scene = record.Scene
	width, height, err := sizeOf(t, p, record.Source, o.RealSize)
	if err != nil {
		return err
	}
	if height == 0 {
		q.NoBox++
		trail.Why = "the image's size cannot be read"
		return nil
	}
	limit := height * o.Share
	target, haveTarget := record.box(p.First)
	reference, haveReference := record.box(p.Second)
	// A missing name equals nothing, not even a box named "nan".
	haveTarget, haveReference = haveTarget && !p.FirstMissing, haveReference && !p.SecondMissing
	if haveTarget {
		label.Nearest, label.All = againstOthers(&record, p, target, limit)
	}
	if !haveTarget || !haveReference {
		q.NoBox++
		trail.Why = fmt.Sprintf("no box of %q", missingBox(p, haveTarget))
		return nil
	}
	tx, ty := target.centre()
	rx, ry := reference.centre()
	label.Reference = agreement(p.Category, ty, ry, limit)

	quad := Quad{
		ID: p.ID, Row: p.Row, Index: p.Index, QuestionID: p.QuestionID, Source: record.Source, Scene: record.Scene, Image: p.Image,
		First: p.First, Second: p.Second, DistanceCategory: p.Category, DistanceOriginal: p.Original, DistanceSwapped: p.Swapped,
		Agreement: label.Reference,
	}
	if o.Horizontal {
		if side := order(tx, rx, width*o.Share); side != 0 {
			control := quad
			control.Axis, control.Category = "horizontal", pick(side < 0, "left", "right")
			control.Centres, control.Limit = [2]float64{tx, rx}, width*o.Share
			control.Original, control.Swapped = ask(control.Category, p.First, p.Second, o.Form, len(q.Controls)%2 == 0)
			q.Controls = append(q.Controls, control)
		}
	}
	side := order(ty, ry, limit)
	if side == 0 {
		q.Ambiguous++
		trail.Why = fmt.Sprintf("centres %.1f and %.1f differ by less than %.1f pixels", ty, ry, limit)
		return nil
	}
	quad.Axis, quad.Category = "vertical", pick(side < 0, "above", "below")
	quad.Centres, quad.Limit = [2]float64{ty, ry}, limit
	quad.Original, quad.Swapped = ask(quad.Category, p.First, p.Second, o.Form, len(q.Quads)%2 == 0)
	q.Quads = append(q.Quads, quad)
	return nil
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func missingBox(p *Pair, haveTarget bool) string {
	if haveTarget {
		return p.Second
	}
	return p.First
}

// sizeOf returns the image size that limits are taken from; zeros if the image does not tell.
func sizeOf(t *Table, p *Pair, source string, real bool) (width, height float64, err error) {
	if !real {
		width, height = widthOf[source], heightOf[source]
		if height == 0 {
			width, height = otherWidth, otherHeight
		}
		return width, height, nil
	}
	if p.Image == "" {
		return 0, 0, nil
	}
	data, err := t.ImageBytes(p)
	if err != nil {
		return 0, 0, err
	}
	w, h, err := imageSize(data)
	if err != nil {
		return 0, 0, nil
	}
	return float64(w), float64(h), nil
}

// order is −1 where a lies before b, +1 behind it, 0 where they differ by less than limit. The released code
// compares so: a difference equal to the limit is decided.
func order(a, b, limit float64) int {
	d := a - b
	if d < 0 {
		d = -d
	}
	switch {
	case d < limit:
		return 0
	case a < b:
		return -1
	}
	return 1
}

// agreement compares the target's centre with another's. category is the target's distance.
func agreement(category string, target, other, limit float64) Agreement {
	side := order(target, other, limit)
	if side == 0 {
		return Ambiguous
	}
	if (side < 0) == (category == "far") {
		return Consistent
	}
	return Counter
}

// againstOthers labels a target by the other objects of its record: by the nearest of them, and by all.
func againstOthers(r *Record, p *Pair, target Object, limit float64) (nearest, all Agreement) {
	tx, ty := target.centre()
	best, seen := 0.0, map[Agreement]int{}
	nearest, all = NoBox, NoBox
	n := 0
	for i, other := range r.Objects {
		// The target is the last box of its name, as box finds it.
		if last, _ := r.box(other.Name); other.Name == p.First || last != r.Objects[i] {
			continue
		}
		x, y := other.centre()
		a := agreement(p.Category, ty, y, limit)
		seen[a]++
		if d := (x-tx)*(x-tx) + (y-ty)*(y-ty); n == 0 || d < best {
			best, nearest = d, a
		}
		n++
	}
	switch n {
	case 0:
	case seen[Consistent]:
		all = Consistent
	case seen[Counter]:
		all = Counter
	default:
		all = Ambiguous
	}
	return nearest, all
}

func (q *QuadSet) tally() {
	for _, d := range []struct {
		name string
		of   func(Label) Agreement
	}{
		{"reference", func(l Label) Agreement { return l.Reference }},
		{"nearest", func(l Label) Agreement { return l.Nearest }},
		{"all", func(l Label) Agreement { return l.All }},
	} {
		row := LabelRow{Definition: d.name}
		for _, l := range q.Labels {
			switch d.of(l) {
			case Consistent:
				row.Consistent++
			case Counter:
				row.Counter++
			case Ambiguous:
				row.Ambiguous++
			default:
				row.NoBox++
			}
		}
		q.Tallies = append(q.Tallies, row)
	}
}
