package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sizes of SpatialTunnel's sweeps (paper, appendix C): object 1 is always the farther one.
const (
	phaseSteps  = 16 // angles of each object on the tunnel's section, 22.5° apart
	phaseScenes = 12 // scenes a cell: 16 × 16 × 12 = 3,072 rows
	sizeSteps   = 11 // s₁ = 0.10 … 0.30, s₁ + s₂ = 0.4
	sizeScenes  = 100

	smallestSize, sizeStep = 0.10, 0.02
)

// Size is s₁ at a step of a size sweep.
func (s *Sweep) Size(step int) float64 { return smallestSize + sizeStep*float64(step) }

// A SweepKind is which of SpatialTunnel's two sweeps a table is.
type SweepKind string

const (
	PhaseSweep SweepKind = "phase" // both objects' angles vary
	SizeSweep  SweepKind = "size"  // the objects' sizes vary
)

// A Sweep is SpatialTunnel's phase_variation or size_variation table as yes/no questions. Its JSON is the same for the same
// table.
type Sweep struct {
	Table string    `json:"table"` // digest of the table
	Kind  SweepKind `json:"kind"`
	Steps int       `json:"steps"` // 16 (per object) or 11
	// Placement says where the cells come from: named columns, or the order of rows, which nothing in the
	// table can confirm.
	Placement string `json:"placement"`
	// Wording says whose words the questions are.
	Wording  string    `json:"wording"`
	Items    []Probe   `json:"items"`
	Outcomes []Outcome `json:"outcomes"`
}

// A Probe is one image of a sweep and its questions.
type Probe struct {
	ID       string          `json:"id"`
	Row      int             `json:"row"` // from 1
	Index    json.RawMessage `json:"index"`
	First    string          `json:"first"`  // the farther object
	Second   string          `json:"second"` // the nearer one
	Image    string          `json:"image"`
	ImageErr string          `json:"image_error,omitempty"`
	// Cell is the step of the first and of the second object's angle (0 … 15), or of the size (0 … 10) and 0.
	Cell [2]int `json:"cell"`
	// Scene numbers the images of one cell from 0.
	Scene int `json:"scene"`
	// Agreement of height and distance; only for the phase sweep.
	Agreement Agreement  `json:"agreement,omitempty"`
	Questions []Question `json:"questions"` // answers are "yes" and "no"
}

// probeTemplates are the four forms of appendix C.2, which balance the answers: %[1]s is the farther object. The paper gives their
// meaning and answers; the exact words are ours.
var probeTemplates = []struct{ text, answer string }{
	{"Is the %[1]s closer to the camera than the %[2]s? Answer with only yes or no.", "no"},
	{"Is the %[2]s closer to the camera than the %[1]s? Answer with only yes or no.", "yes"},
	{"Is the %[2]s farther from the camera than the %[1]s? Answer with only yes or no.", "no"},
	{"Is the %[1]s farther from the camera than the %[2]s? Answer with only yes or no.", "yes"},
}

// Columns that name what a sweep varies, in the spellings worth trying: those of the published tables are not known.
var (
	angleColumns = [][2]string{
		{"angle1", "angle2"}, {"angle_1", "angle_2"}, {"theta1", "theta2"}, {"theta_1", "theta_2"}, {"phase1", "phase2"},
		{"phase_1", "phase_2"}, {"obj1_angle", "obj2_angle"}, {"obj1_phase", "obj2_phase"}, {"far_angle", "near_angle"},
	}
	sizeColumns = []string{"s1", "size1", "size_1", "obj1_size", "far_size", "size"}
	nameColumns = [][2]string{{"obj1", "obj2"}, {"object1", "object2"}, {"object_1", "object_2"}, {"A", "B"}}
)

// BuildSweep reads a sweep. kind may be "": a table with angle columns or 3,072 rows is the phase sweep, one with
// size columns or 1,100 rows the size sweep.
func BuildSweep(t *Table, kind SweepKind) (*Sweep, error) {
	s := &Sweep{Table: t.Digest(), Kind: kind}
	angles, haveAngles := findPair(t, angleColumns)
	size := findOne(t, sizeColumns)
	if kind == "" {
		switch {
		case haveAngles, size < 0 && t.Rows() == phaseSteps*phaseSteps*phaseScenes:
			s.Kind = PhaseSweep
		case size >= 0, t.Rows() == sizeSteps*sizeScenes:
			s.Kind = SizeSweep
		default:
			return nil, t.errorAt(1, 0, "neither angle nor size columns, and %d rows instead of %d or %d: which sweep is it? found %s",
				t.Rows(), phaseSteps*phaseSteps*phaseScenes, sizeSteps*sizeScenes, t.names())
		}
	}
	var place func(row int) ([2]int, error)
	var err error
	switch s.Kind {
	case PhaseSweep:
		s.Steps = phaseSteps
		place, err = s.placeAngles(t, angles, haveAngles)
	case SizeSweep:
		s.Steps = sizeSteps
		place, err = s.placeSizes(t, size)
	default:
		return nil, fmt.Errorf("build sweep: kind %q, want %q or %q", kind, PhaseSweep, SizeSweep)
	}
	if err != nil {
		return nil, err
	}
	return s, s.fill(t, place)
}

func findPair(t *Table, names [][2]string) ([2]int, bool) {
	for _, n := range names {
		if a, b := t.Find(n[0]), t.Find(n[1]); a >= 0 && b >= 0 {
			return [2]int{a, b}, true
		}
	}
	return [2]int{-1, -1}, false
}

func findOne(t *Table, names []string) int {
	for _, n := range names {
		if i := t.Find(n); i >= 0 {
			return i
		}
	}
	return -1
}

// placeAngles finds cells from angle columns, in degrees, radians or steps, or from the order of rows.
func (s *Sweep) placeAngles(t *Table, columns [2]int, have bool) (func(int) ([2]int, error), error) {
	if !have {
		if t.Rows()%(phaseSteps*phaseSteps) != 0 || t.Rows() == 0 {
			return nil, t.errorAt(1, 0, "no angle columns, and %d rows do not fill %d × %d cells; found %s", t.Rows(), phaseSteps, phaseSteps, t.names())
		}
		scenes := t.Rows() / (phaseSteps * phaseSteps)
		s.Placement = fmt.Sprintf("row order, assumed: the first object's angle slowest, then the second's, %d scenes a cell", scenes)
		return func(row int) ([2]int, error) {
			cell := row / scenes
			return [2]int{cell / phaseSteps, cell % phaseSteps}, nil
		}, nil
	}
	unit, step := "steps", 1.0
	whole := true
	largest := 0.0
	for row := range t.Rows() {
		for _, c := range columns {
			v := t.Value(row, c)
			if v.Type == Text || v.Missing() {
				return nil, t.cellError(row, c, "angle %q is no number", shorten(v.String(), 60))
			}
			whole = whole && v.num == math.Trunc(v.num)
			largest = max(largest, math.Abs(v.num))
		}
	}
	switch {
	case whole && largest < phaseSteps:
	case largest <= 2*math.Pi+1e-6:
		unit, step = "radians", 2*math.Pi/phaseSteps
	default:
		unit, step = "degrees", 360.0/phaseSteps
	}
	s.Placement = fmt.Sprintf("columns %s and %s, in %s", t.Columns[columns[0]].Name, t.Columns[columns[1]].Name, unit)
	return func(row int) (cell [2]int, err error) {
		for i, c := range columns {
			n := t.Value(row, c).num / step
			if math.Abs(n-math.Round(n)) > 0.02 {
				return cell, fmt.Errorf("angle %g is no multiple of 22.5°", t.Value(row, c).num)
			}
			cell[i] = ((int(math.Round(n)) % phaseSteps) + phaseSteps) % phaseSteps
		}
		return cell, nil
	}, nil
}

// placeSizes finds steps from a size column (of the first object), or from the order of rows.
func (s *Sweep) placeSizes(t *Table, column int) (func(int) ([2]int, error), error) {
	if column < 0 {
		if t.Rows()%sizeSteps != 0 || t.Rows() == 0 {
			return nil, t.errorAt(1, 0, "no size column, and %d rows do not fill %d steps; found %s", t.Rows(), sizeSteps, t.names())
		}
		scenes := t.Rows() / sizeSteps
		s.Placement = fmt.Sprintf("row order, assumed: %d scenes of the smallest first object, then of the next", scenes)
		return func(row int) ([2]int, error) { return [2]int{row / scenes, 0}, nil }, nil
	}
	s.Placement = "column " + t.Columns[column].Name
	return func(row int) ([2]int, error) {
		v := t.Value(row, column)
		n := (v.num - smallestSize) / sizeStep
		if v.Type == Text || v.Missing() || math.Abs(n-math.Round(n)) > 0.02 || math.Round(n) < 0 || math.Round(n) >= sizeSteps {
			return [2]int{}, fmt.Errorf("size %q is none of 0.10, 0.12 … 0.30", shorten(v.String(), 60))
		}
		return [2]int{int(math.Round(n)), 0}, nil
	}, nil
}

// fill makes the probes.
func (s *Sweep) fill(t *Table, place func(int) ([2]int, error)) error {
	k := &keyed{Table: t, index: t.Find("index"), id: t.Find("question_id"), category: -1}
	names, haveNames := findPair(t, nameColumns)
	question, answer := t.Find("question"), t.Find("answer")
	own := question >= 0 && answer >= 0 && t.Rows() > 0
	for row := range t.Rows() {
		own = own && yesNo(t.Value(row, answer).String()) != ""
	}
	switch {
	case own:
		s.Wording = "the table's own questions"
	case haveNames:
		s.Wording = fmt.Sprintf("four forms about columns %s (farther) and %s", t.Columns[names[0]].Name, t.Columns[names[1]].Name)
	default:
		return t.errorAt(1, 0, "neither yes/no questions nor the names of the two objects; found %s", t.names())
	}
	s.Items, s.Outcomes = []Probe{}, []Outcome{}
	scenes := make(map[[2]int]int)
	for row := range t.Rows() {
		p := Probe{ID: fmt.Sprintf("%04d", row+1), Row: row + 1, Index: k.indexOf(row)}
		out := Outcome{Row: row + 1, Line: t.Line(row), Index: p.Index, QuestionID: k.idOf(row), Status: Kept}
		why := ""
		if haveNames {
			first, second := t.Value(row, names[0]), t.Value(row, names[1])
			if !own && (isNaNName(first) || isNaNName(second)) {
				why = "an object has no name"
			}
			p.First, p.Second = first.String(), second.String()
		}
		cell, err := place(row)
		if err != nil {
			why = err.Error()
		}
		if why != "" {
			out.Status, out.Why = Failed, strconv.Itoa(t.Line(row))+": "+why
			s.Outcomes = append(s.Outcomes, out)
			continue
		}
		p.Cell, p.Scene = cell, scenes[cell]
		scenes[cell]++
		if s.Kind == PhaseSweep {
			p.Agreement = PhaseAgreement(cell)
		}
		if own {
			p.Questions = []Question{{Text: t.Value(row, question).String(), Answer: yesNo(t.Value(row, answer).String())}}
		} else {
			for _, form := range probeTemplates {
				p.Questions = append(p.Questions, Question{Text: fmt.Sprintf(form.text, p.First, p.Second), Answer: form.answer})
			}
		}
		b, err := t.Image(row)
		var bad *ImageError
		switch {
		case errors.As(err, &bad):
			p.ImageErr = bad.Msg
		case err != nil:
			return fmt.Errorf("build sweep: %w", err)
		default:
			p.Image = digestOf(b)
		}
		s.Items = append(s.Items, p)
		s.Outcomes = append(s.Outcomes, out)
	}
	return nil
}

func yesNo(s string) string {
	switch s = strings.ToLower(strings.Trim(trimSpace(s), ".")); s {
	case "yes", "no":
		return s
	}
	return ""
}

// PhaseAgreement says for a cell of the phase sweep whether the farther object is the higher one in the image. Angles
// count from the horizontal, counter-clockwise; the farther object is taken twice as far away, as the base sizes 0.2 and 0.1 suggest,
// so its height shrinks by half. Only the four cells with both objects on the horizon are ambiguous, and the two
// sets are equally large, which is what the paper's tables imply; the depths themselves are not published.
func PhaseAgreement(cell [2]int) Agreement {
	height := func(step int) float64 {
		if step%(phaseSteps/2) == 0 {
			return 0 // sin π is not 0 in floating point
		}
		return math.Sin(2 * math.Pi * float64(step) / phaseSteps)
	}
	first, second := height(cell[0])/2, height(cell[1])
	switch {
	case first > second:
		return Consistent
	case first < second:
		return Counter
	}
	return Ambiguous
}
