package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"swaprun/internal/mt"
)

// A Reader decides what happens to object names that are not there.
type Reader string

const (
	// Parity asks about "nan" where a cell is empty, as the released code does.
	Parity Reader = "parity"
	// Strict rejects "nan" as a name, counts it, and lists every row that comes out differently.
	Strict Reader = "strict"
)

// A Layout is what the columns of a table mean.
type Layout string

const (
	// Benchmark rows are EmbSpatial-Bench's: a question and four options, from which the pair is built.
	// SpatialTunnel's contrastive table has the same columns.
	Benchmark Layout = "benchmark"
	// Prepared rows hold both questions.
	Prepared Layout = "prepared"
	// CVBench rows are CV-Bench's: of its four tasks, 2D Relation and 3D Depth.
	CVBench Layout = "cv-bench"
	// Templated rows hold one question in the pipeline's own words and its answer: SpatialTunnel as parquet.
	Templated Layout = "templated"
)

// selectionSeed seeds the stream that samples down to the cap. The released code fixes it, whatever the
// seed of the references.
const selectionSeed = 42

// Options of building a set.
type Options struct {
	Seed        uint64 `json:"seed"`             // of the stream that draws references (the release: 42)
	Cap         int    `json:"cap"`              // pairs per category at most; 0 keeps all, in file order
	Reader      Reader `json:"reader"`           // "" is Parity
	Form        Form   `json:"form"`             // "" is Words
	NoFiltering bool   `json:"no_filtering"`     // take every option as a name, "unknown" and empty ones too
	Layout      Layout `json:"layout,omitempty"` // "" is found from the columns
}

// Build makes the swap pairs of a table as the released code builds and samples them.
//
// References of distance pairs are drawn in file order from random.Random(o.Seed), one draw an accepted row; then each
// category with more than o.Cap pairs is sampled from random.Random(42), categories in order.
func Build(t *Table, o Options) (*Set, error) {
	if o.Reader == "" {
		o.Reader = Parity
	}
	if o.Form == "" {
		o.Form = Words
	}
	switch {
	case o.Reader != Parity && o.Reader != Strict:
		return nil, fmt.Errorf("build pairs: reader %q, want %q or %q", o.Reader, Parity, Strict)
	case o.Form != Words && o.Form != Choice:
		return nil, fmt.Errorf("build pairs: form %q, want %q or %q", o.Form, Words, Choice)
	case o.Cap < 0:
		return nil, fmt.Errorf("build pairs: cap %d, want 0 (none) or more", o.Cap)
	}
	name, rows, err := open(t, o.Layout)
	if err != nil {
		return nil, err
	}
	if name == Prepared && o.Form != Words {
		return nil, fmt.Errorf("build pairs: form %q: the table's own questions are asked as they are", o.Form)
	}
	set := &Set{Table: t.Digest(), Layout: name, Options: o, Differences: []Difference{}}
	accepted := set.accept(rows, o)
	if err := attachImages(t, accepted); err != nil {
		return nil, err
	}
	set.sample(accepted)
	if o.Reader == Strict {
		set.compare(rows, accepted)
	}
	set.count(accepted)
	set.Audit = audit(set.Pairs)
	set.Fingerprint = Fingerprint(set.Pairs)
	set.note(t)
	return set, nil
}

// draws is the state that rows share while they become pairs.
type draws struct {
	o        Options
	python   *mt.Python
	accepted int
	nan      int
}

// A layout makes pairs of a table's rows. Its table holds the columns that every layout knows.
type layout interface {
	table() *keyed
	// pair fills p from a row (from 0), or says why it is none. It may draw.
	pair(d *draws, row int, p *Pair) (Status, string)
}

// keyed is a table with the columns that identify a row; -1 is a column it lacks.
type keyed struct {
	*Table
	index, id, category int
}

func (k *keyed) table() *keyed { return k }

// open finds the layout of a table and its columns.
func open(t *Table, want Layout) (Layout, layout, error) {
	if want == "" {
		want = detect(t)
	}
	var l layout
	var err error
	switch want {
	case Benchmark:
		l, err = openBenchmark(t)
	case Prepared:
		l, err = openPrepared(t)
	case CVBench:
		l, err = openCVBench(t)
	case Templated:
		l, err = openTemplated(t)
	default:
		return "", nil, fmt.Errorf("build pairs: layout %q, want %q, %q, %q or %q", want, Benchmark, Prepared, CVBench, Templated)
	}
	return want, l, err
}

// detect finds the layout from the columns; what fits none is a benchmark table, whose error then names what it lacks.
func detect(t *Table) Layout {
	has := func(names ...string) bool {
		for _, n := range names {
			if t.Find(n) < 0 {
				return false
			}
		}
		return true
	}
	switch {
	case has("original_question", "swapped_question"):
		return Prepared
	case has("task", "question", "choices", "answer"):
		return CVBench
	case isTemplated(t):
		return Templated
	}
	return Benchmark
}

// accept turns rows into pairs, in file order, and notes the outcome of each.
func (s *Set) accept(l layout, o Options) []Pair {
	t := l.table()
	d := &draws{o: o, python: mt.NewPython(o.Seed)}
	var accepted []Pair
	for row := range t.Rows() {
		p := Pair{ID: fmt.Sprintf("%04d", row+1), Row: row + 1, Index: t.indexOf(row), QuestionID: t.idOf(row)}
		out := Outcome{Row: row + 1, Line: t.Line(row), Index: p.Index, QuestionID: p.QuestionID, Status: Kept}
		out.Status, out.Why = l.pair(d, row, &p)
		out.Category = p.Category
		if t.category >= 0 {
			out.Category = shorten(t.Value(row, t.category).String(), 200)
		}
		if out.Status == Kept {
			accepted = append(accepted, p)
			d.accepted++
		}
		s.Outcomes = append(s.Outcomes, out)
	}
	s.Counts.NaNNames = d.nan
	return accepted
}

// valid is the released filter on object names: empty, "unknown" and "n/a" are not valid. pandas' NaN is, which is why
// the filter hardly ever fires; Strict adds it.
func (d *draws) valid(v Value) bool {
	if d.o.Reader == Strict && isNaNName(v) {
		d.nan++
		return false
	}
	if d.o.NoFiltering {
		return true
	}
	if !v.truthy() {
		return false
	}
	switch strings.ToLower(trimSpace(v.String())) {
	case "", "unknown", "n/a":
		return false
	}
	return true
}

func isNaNName(v Value) bool {
	return v.Missing() || strings.ToLower(trimSpace(v.String())) == "nan"
}

func (p *Pair) fill(d *draws, category, first, second string) {
	p.Category, p.Axis = category, axisOf[category]
	p.First, p.Second = first, second
	p.Original, p.Swapped = ask(category, first, second, d.o.Form, d.accepted%2 == 0)
}

// categoryOf reads a row's category, aliases resolved.
func (k *keyed) categoryOf(row int) (string, Status, string) {
	v := k.Value(row, k.category)
	category := v.String()
	if v.Missing() {
		return "", Skipped, k.where(row, k.category) + "no category"
	}
	if to, ok := aliases[category]; ok {
		category = to
	}
	if axisOf[category] == "" {
		return "", Skipped, k.where(row, k.category) + fmt.Sprintf("unknown category %q", shorten(category, 200))
	}
	return category, Kept, ""
}

// where begins a reason with the position of a cell.
func (k *keyed) where(row, column int) string {
	c, ok := k.at(row, column)
	if !ok {
		return fmt.Sprintf("%d: ", k.Line(row))
	}
	return fmt.Sprintf("%d:%d: ", c.line, c.column)
}

// indexOf is the row's index as JSON: a number as pandas types it, a string, true, or null.
func (k *keyed) indexOf(row int) json.RawMessage {
	if k.index < 0 {
		return json.RawMessage(strconv.Itoa(row)) // the data frame's own row label
	}
	v := k.Value(row, k.index)
	switch {
	case v.Missing():
		return json.RawMessage("null")
	case v.Type == Bool:
		return json.RawMessage(strings.ToLower(v.String()))
	case v.Type == Text || math.IsInf(v.num, 0):
		return json.RawMessage(pythonJSON(v.String()))
	}
	return json.RawMessage(v.String())
}

func (k *keyed) idOf(row int) string {
	if k.id < 0 {
		return ""
	}
	return k.Value(row, k.id).String()
}

// attachImages notes the digest of each pair's image, or why it has none.
func attachImages(t *Table, pairs []Pair) error {
	for i := range pairs {
		b, err := t.Image(pairs[i].Row - 1)
		var bad *ImageError
		switch {
		case errors.As(err, &bad):
			pairs[i].ImageErr = bad.Msg
		case err != nil:
			return fmt.Errorf("build pairs: %w", err)
		default:
			pairs[i].Image = digestOf(b)
		}
	}
	return nil
}

// sample takes the pairs to extract from those accepted.
func (s *Set) sample(accepted []Pair) {
	if s.Options.Cap == 0 {
		s.Pairs = append([]Pair{}, accepted...)
		s.Rest = []Pair{}
		return
	}
	python := mt.NewPython(selectionSeed)
	s.Pairs, s.Rest = []Pair{}, []Pair{}
	kept := make(map[int]bool)
	for _, category := range Categories {
		var of []Pair
		for _, p := range accepted {
			if p.Category == category {
				of = append(of, p)
			}
		}
		if len(of) > s.Options.Cap {
			of = mt.Pick(python, of, s.Options.Cap)
		}
		for _, p := range of {
			kept[p.Row] = true
		}
		s.Pairs = append(s.Pairs, of...)
	}
	for _, p := range accepted {
		if !kept[p.Row] {
			s.Rest = append(s.Rest, p)
			o := &s.Outcomes[p.Row-1]
			o.Status, o.Why = NotSampled, fmt.Sprintf("beyond the cap of %d pairs per category", s.Options.Cap)
		}
	}
}
