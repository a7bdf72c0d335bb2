package analyze

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Categories in the order of every output; the canonical one of each axis comes first.
var Categories = []string{"left", "right", "above", "below", "far", "close"}

// Axes in the order of every output. Axis a has the categories 2a (canonical) and 2a+1 (its opposite).
var Axes = []string{"horizontal", "vertical", "distance"}

// A Layout says how the two objects of a pair lie in the image: whether the height cue
// ("higher in the image means farther away") points to the truth.
type Layout string

const (
	LayoutUnknown Layout = ""
	Consistent    Layout = "consistent" // the farther object is higher in the image
	Counter       Layout = "counter"    // it is lower
	Ambiguous     Layout = "ambiguous"  // nearly level
)

// layouts in the order of cells and tables.
var layouts = []Layout{Consistent, Counter, Ambiguous, LayoutUnknown}

// A Pair is what analyses know of one swap pair besides its states.
type Pair struct {
	ID         string // names the pair in every checkpoint; comparisons match by it
	Index      int64  // row label in the released files
	QuestionID string
	Category   string // of the original question; one of Categories
	Axis       string // the category's axis; one of Axes
	Scene      string // resampling unit: scene id, or the image's digest; empty = a scene of its own
	Layout     Layout

	// Objects are the two as the original question names them; both empty = unknown.
	Objects [2]string
	// Doubtful says that the pair is no evidence of its own: it repeats an earlier one, or another one contradicts it.
	Doubtful bool

	CorrectOriginal bool
	CorrectSwapped  bool
	AnswerOriginal  string // as decoded; only response bias reads them
	AnswerSwapped   string
}

// BothCorrect reports whether both questions were answered right.
func (p *Pair) BothCorrect() bool { return p.CorrectOriginal && p.CorrectSwapped }

// Vectors are the hidden states of one checkpoint's pairs.
//
// Original[i] and Swapped[i] are pair i's states, [len(Blocks), Width] row-major float32. They are read, never written,
// kept or copied as a whole, so they may alias the caller's buffers, which must not change while v is in use.
// The fields must not change after the first use: intermediate results are kept inside (see Forget).
// Methods are safe for concurrent use.
type Vectors struct {
	Pairs    []Pair
	Blocks   []int // ascending, 0-based
	Width    int
	Original [][]float32
	Swapped  [][]float32

	// Absent[i][b] says that pair i has no states at position b of Blocks; the states' values there are ignored.
	// Nil (as a whole, or for a pair) means that nothing is absent.
	Absent [][]bool

	// Answered says that the correctness flags mean something. Without them there is no both_correct subset.
	Answered bool

	// Quads are the same scenes asked for height and for distance; nil if there are none. Horizontal are those asked for left and right in place
	// of height: their Vertical deltas are horizontal ones.
	Quads      *Quads
	Horizontal *Quads

	// Usual are the pairs in the usual words, where these are asked in others; else nil.
	Usual *Vectors

	// Readout is how the model's head tells the two answers of each axis apart; nil if it is not known.
	Readout *Readout

	mu   sync.Mutex
	memo map[string]any
}

// Validate checks shapes and vocabulary. Every metric calls it first.
func (v *Vectors) Validate() error {
	if v.Width <= 0 {
		return fmt.Errorf("vectors: width %d, expected a positive number", v.Width)
	}
	if !slices.IsSorted(v.Blocks) || len(slices.Compact(slices.Clone(v.Blocks))) != len(v.Blocks) {
		return fmt.Errorf("vectors: blocks %v, expected ascending numbers", v.Blocks)
	}
	if len(v.Original) != len(v.Pairs) || len(v.Swapped) != len(v.Pairs) {
		return fmt.Errorf("vectors: %d pairs with %d original and %d swapped states", len(v.Pairs), len(v.Original), len(v.Swapped))
	}
	if v.Absent != nil && len(v.Absent) != len(v.Pairs) {
		return fmt.Errorf("vectors: %d pairs with %d rows of absent blocks", len(v.Pairs), len(v.Absent))
	}
	want := len(v.Blocks) * v.Width
	for i := range v.Pairs {
		p := &v.Pairs[i]
		c := slices.Index(Categories, p.Category)
		if c < 0 {
			return fmt.Errorf("vectors: pair %d (%s): category %q, expected one of %v", i, p.ID, p.Category, Categories)
		}
		if p.Axis != Axes[c/2] {
			return fmt.Errorf("vectors: pair %d (%s): axis %q of category %q, expected %q", i, p.ID, p.Axis, p.Category, Axes[c/2])
		}
		if len(v.Original[i]) != want || len(v.Swapped[i]) != want {
			return fmt.Errorf("vectors: pair %d (%s): %d and %d values, expected %d blocks × %d", i, p.ID, len(v.Original[i]), len(v.Swapped[i]), len(v.Blocks), v.Width)
		}
		if v.Absent != nil && v.Absent[i] != nil && len(v.Absent[i]) != len(v.Blocks) {
			return fmt.Errorf("vectors: pair %d (%s): %d flags of absent blocks, expected %d", i, p.ID, len(v.Absent[i]), len(v.Blocks))
		}
	}
	if v.Readout != nil {
		if err := v.Readout.validate(v.Width); err != nil {
			return err
		}
	}
	for _, q := range []*Quads{v.Quads, v.Horizontal} {
		if q != nil {
			if err := q.validate(); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Readout holds, for each axis in the order of Axes, directions [width] along which a state favours the canonical answer over its
// opposite, one a spelling of the two words.
type Readout struct {
	Axes [3][][]float32
}

func (r *Readout) validate(width int) error {
	for a, directions := range r.Axes {
		for _, d := range directions {
			if len(d) != width {
				return fmt.Errorf("readout of %s: a direction of %d values, expected %d", Axes[a], len(d), width)
			}
		}
	}
	return nil
}

// ErrNoReadout says that a metric needs the model's head.
var ErrNoReadout = errors.New("vectors come without the head's directions")

// ErrNoObjects says that a metric needs to know which objects pairs are about.
var ErrNoObjects = errors.New("vectors come without the names of objects")

// ErrNoAnswers says that a metric or subset needs to know which answers were right.
var ErrNoAnswers = errors.New("vectors carry no correctness of answers")

// has reports whether pair i has states at position b of v.Blocks.
func (v *Vectors) has(i, b int) bool {
	return v.Absent == nil || v.Absent[i] == nil || !v.Absent[i][b]
}

// original and swapped are pair i's states [d] at position b of v.Blocks.
func (v *Vectors) original(i, b int) []float32 { return v.Original[i][b*v.Width : (b+1)*v.Width] }
func (v *Vectors) swapped(i, b int) []float32  { return v.Swapped[i][b*v.Width : (b+1)*v.Width] }

// members lists the pairs of a subset in their order.
func (v *Vectors) members(s Subset) ([]int, error) {
	var out []int
	switch s {
	case AllPairs, AllWithValidity:
	case BothCorrect:
		if !v.Answered {
			return nil, ErrNoAnswers
		}
	default:
		return nil, fmt.Errorf("unknown subset %q", s)
	}
	for i := range v.Pairs {
		if s != BothCorrect || v.Pairs[i].BothCorrect() {
			out = append(out, i)
		}
	}
	return out, nil
}

// scenes numbers the resampling units from 0 in order of appearance: unit[i] is pair i's. known is false if every
// pair is a unit of its own because no scene is named.
func (v *Vectors) scenes() (unit []int, count int, known bool) {
	seen := map[string]int{}
	unit = make([]int, len(v.Pairs))
	for i, p := range v.Pairs {
		if p.Scene == "" {
			unit[i] = count
			count++
			continue
		}
		known = true
		u, ok := seen[p.Scene]
		if !ok {
			u = count
			seen[p.Scene] = u
			count++
		}
		unit[i] = u
	}
	return unit, count, known
}

// Derived holds intermediate results that outlive the vectors they came from: estimates, and the draws that comparisons pair. They take
// megabytes where the vectors take a gigabyte.
type Derived struct{ memo map[string]any }

// Forget drops intermediate results and returns them.
func (v *Vectors) Forget() Derived {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := Derived{v.memo}
	v.memo = nil
	return d
}

// Recall takes over what equal vectors were found to say, in place of what v knows.
func (v *Vectors) Recall(d Derived) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.memo = d.memo
}

// remember returns make's value for key, computing it at most once. Callers with the same key wait for each other.
func remember[T any](v *Vectors, key string, make func() (T, error)) (T, error) {
	type slot struct {
		once sync.Once
		val  T
		err  error
	}
	v.mu.Lock()
	if v.memo == nil {
		v.memo = map[string]any{}
	}
	s, ok := v.memo[key].(*slot)
	if !ok {
		s = &slot{}
		v.memo[key] = s
	}
	v.mu.Unlock()
	s.once.Do(func() { s.val, s.err = make() })
	return s.val, s.err
}

// Deltas are the deltas of one block, [n, d].
type Deltas struct {
	Block      int
	Width      int
	Pairs      []int    // positions in Vectors.Pairs, [n]
	Axes       []string // [n]
	Categories []string // [n]
	data       []float32
}

// Len is n, the number of pairs that have the block.
func (d *Deltas) Len() int { return len(d.Pairs) }

// Row is the delta of the i-th pair, [d]. It aliases the Deltas.
func (d *Deltas) Row(i int) []float32 { return d.data[i*d.Width : (i+1)*d.Width] }

// Layer computes the deltas of one block for all pairs that have it, in their order.
// It returns an error if v has no such block.
func (v *Vectors) Layer(block int) (*Deltas, error) {
	b, ok := slices.BinarySearch(v.Blocks, block)
	if !ok {
		return nil, fmt.Errorf("block %d: not among %v", block, v.Blocks)
	}
	d := &Deltas{Block: block, Width: v.Width}
	for i, p := range v.Pairs {
		if v.has(i, b) {
			d.Pairs = append(d.Pairs, i)
			d.Axes = append(d.Axes, p.Axis)
			d.Categories = append(d.Categories, p.Category)
		}
	}
	d.data = make([]float32, len(d.Pairs)*v.Width)
	for r, i := range d.Pairs {
		DeltaTo(d.Row(r), v.original(i, b), v.swapped(i, b))
	}
	return d, nil
}

// DeltaTo writes swapped − original to dst, one float32 subtraction per dimension. The three have the same
// length, else it panics; dst may be one of the others.
func DeltaTo(dst, original, swapped []float32) {
	if len(original) != len(dst) || len(swapped) != len(dst) {
		panic("analyze: delta of states of different lengths")
	}
	sub32(dst, swapped, original)
}

// categoryOf is the position in Categories.
func categoryOf(name string) int { return slices.Index(Categories, name) }

// signOf is s of a category's position: +1 canonical, −1 opposite.
func signOf(c int) float64 { return 1 - 2*float64(c%2) }

// Quads are scenes asked for the height and for the distance of the same two objects: a vertical and a
// distance delta each. Slices are read only and may alias the caller's.
type Quads struct {
	Quads    []Quad
	Blocks   []int // ascending
	Width    int
	Vertical [][]float32 // [len(Quads)][len(Blocks)*Width]; deltas, swapped − original
	Distance [][]float32
	Absent   [][]bool // as in Vectors
}

// A Quad is what analyses know of one quad besides its deltas.
type Quad struct {
	ID     string
	Index  int64
	Scene  string
	Layout Layout
}

func (q *Quads) has(i, b int) bool {
	return q.Absent == nil || q.Absent[i] == nil || !q.Absent[i][b]
}

func (q *Quads) validate() error {
	if len(q.Vertical) != len(q.Quads) || len(q.Distance) != len(q.Quads) || q.Absent != nil && len(q.Absent) != len(q.Quads) {
		return fmt.Errorf("quads: %d with %d vertical and %d distance deltas", len(q.Quads), len(q.Vertical), len(q.Distance))
	}
	want := len(q.Blocks) * q.Width
	for i := range q.Quads {
		if len(q.Vertical[i]) != want || len(q.Distance[i]) != want {
			return fmt.Errorf("quads: %d (%s): %d and %d values, expected %d blocks × %d", i, q.Quads[i].ID, len(q.Vertical[i]), len(q.Distance[i]), len(q.Blocks), q.Width)
		}
	}
	return nil
}
