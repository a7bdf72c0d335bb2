package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"swaprun/analyze"
)

// ErrEmpty says that an artefact has nothing to show: no pair is both-correct, no delta has a third
// component. Then there is no file, as in the released tree; it is an outcome, not a failure.
var ErrEmpty = errors.New("nothing to show")

// A Source is where an artefact's input comes from.
type Source string

const (
	FromResult  Source = "result"  // an analyze.Result
	FromAnswers Source = "answers" // every pair with both answers of one scale
	FromVectors Source = "vectors" // hidden states of every pair of one scale
	FromQuads   Source = "quads"   // deltas of the vertical × distance quads of one scale
)

// An Input names one thing an artefact is made from.
type Input struct {
	Source Source         `json:"source"`
	Scale  string         `json:"scale"`
	Subset analyze.Subset `json:"subset,omitempty"` // FromResult only
	Metric string         `json:"metric,omitempty"` // FromResult only
	// Condition of a FromResult: a control condition or a sweep; empty for the questions as they are.
	Condition string `json:"condition,omitempty"`
	Optional  bool   `json:"optional,omitempty"`
}

// Material is what an Input stands for: exactly the field its Source names, or nothing
// where the input is optional and was not computed.
type Material struct {
	Result  *analyze.Result
	Answers []AnswerRow
	Vectors *Vectors
	Quads   *Quads
}

// An AnswerRow is one pair with both answers of one scale, in order of extraction.
type AnswerRow struct {
	Index           string // of the table's row, as pandas writes it: 7, 3.5, a7
	Axis, Category  string
	Original        string
	Swapped         string
	OriginalCorrect bool
	SwappedCorrect  bool
}

// Vectors are the hidden states of one scale's pairs, read block by block so that one block at most is in memory.
type Vectors struct {
	Pairs  []VectorPair
	Width  int
	Blocks []int // ascending
	// Block returns original and swapped states of one block: float32, [len(Pairs), Width], row-major.
	// The slices are read before the next call and not kept.
	Block func(block int) (original, swapped []float32, err error)
}

// A VectorPair is a row of every array of vectors_{s}.npz.
type VectorPair struct {
	Index           string // as AnswerRow.Index; the array is int64 if all are integers, float64 if all are numbers, else text
	Axis, Category  string
	OriginalCorrect bool
	SwappedCorrect  bool
}

// Quads are the deltas of vertical × distance quads, read block by block.
type Quads struct {
	Len, Width int
	Blocks     []int // ascending
	// Block returns the vertical and the distance deltas of one block: float32, [Len, Width], row-major.
	Block func(block int) (vertical, distance []float32, err error)
}

// An Artefact is one file of the result tree, under one or more names.
type Artefact struct {
	// Paths are slash-separated and relative to the output directory. All hold the same bytes; the first names the node.
	Paths  []string `json:"paths"`
	Figure bool     `json:"figure"`
	Inputs []Input  `json:"inputs"`
	Recipe Recipe   `json:"recipe"`
}

// A Recipe is everything but the inputs that decides an artefact's bytes: with the inputs' digests
// it is the artefact's key.
type Recipe struct {
	Draw    string         `json:"draw"` // which renderer
	Version int            `json:"version"`
	Model   string         `json:"model,omitempty"` // as printed in the figure
	Scales  []ScaleMark    `json:"scales,omitempty"`
	Subset  analyze.Subset `json:"subset,omitempty"`
	Block   int            `json:"block"` // -1 where the artefact is not tied to one
	Blocks  int            `json:"blocks,omitempty"`
	Layers  []int          `json:"layers,omitempty"`
	Layout  Layout         `json:"layout,omitempty"` // where it changes the bytes
}

// A ScaleMark is a scale with its place in the declaration, which decides its colour.
type ScaleMark struct {
	Name    string `json:"name"`
	Samples int64  `json:"samples"`
	Order   int    `json:"order"`
}

// Key is the recipe as canonical JSON, for the artefact's action.
func (a Artefact) Key() []byte {
	key, err := json.Marshal(a.Recipe)
	if err != nil { // a struct of strings and numbers
		panic(fmt.Sprintf("report: recipe of %s: %v", a.Paths[0], err))
	}
	return key
}

// Render writes the artefact from its inputs, in the order of a.Inputs. It returns ErrEmpty, having written
// nothing, where there is nothing to show.
func (a Artefact) Render(w io.Writer, in []Material) error {
	if len(in) != len(a.Inputs) {
		return fmt.Errorf("render %s: %d inputs, expected %d", a.Paths[0], len(in), len(a.Inputs))
	}
	for i, need := range a.Inputs {
		if !need.Optional && !in[i].holds(need.Source) {
			return fmt.Errorf("render %s: no %s of scale %q (metric %q, subset %q)", a.Paths[0], need.Source, need.Scale, need.Metric, need.Subset)
		}
		if r := in[i].Result; r != nil {
			if err := sound(r); err != nil {
				return fmt.Errorf("render %s: %w", a.Paths[0], err)
			}
		}
	}
	draw, ok := renderers[a.Recipe.Draw]
	if !ok {
		return fmt.Errorf("render %s: unknown renderer %q", a.Paths[0], a.Recipe.Draw)
	}
	if err := draw(w, a, in); err != nil {
		return fmt.Errorf("render %s: %w", a.Paths[0], err)
	}
	return nil
}

func (m Material) holds(s Source) bool {
	switch s {
	case FromResult:
		return m.Result != nil
	case FromAnswers:
		return m.Answers != nil
	case FromVectors:
		return m.Vectors != nil
	case FromQuads:
		return m.Quads != nil
	}
	return false
}

// renderers maps Recipe.Draw to its function; filled in by the files that define them.
var renderers = map[string]func(w io.Writer, a Artefact, in []Material) error{}
