package runner

import (
	"slices"

	"cuelang.org/go/cue"

	"swaprun/extract/dataset"
	"swaprun/report"
)

// An Experiment is a concrete experiment file: every field checked, every default filled in.
type Experiment struct {
	File   string // as the user named it; positions in errors begin with it
	Dir    string // directory of File: relative paths in it start there
	Source []byte

	Name        string
	Title       string
	Description string
	Data        Data
	Models      []Model // in declaration order
	Layers      []int   // nil: all blocks
	Decode      Decode
	Analyses    []string // nil: all that are registered
	Controls    Controls
	Statistics  Statistics
	Report      Report

	value cue.Value // the file alone, for positions
}

// Data says which questions are asked.
type Data struct {
	Path    string `json:"path"`
	Format  string `json:"format"`
	Boxes   string `json:"boxes,omitempty"`
	Quads   string `json:"quads"`
	Heights string `json:"heights"`
	Cap     int    `json:"cap"`
	Seed    int64  `json:"seed"`
	Reader  string `json:"reader"`
	Form    string `json:"form"`

	Styles []string         `json:"styles,omitempty"`
	Sweeps map[string]Sweep `json:"sweeps,omitempty"`
}

// A Sweep is a table of yes/no questions about rendered scenes.
type Sweep struct {
	Path string `json:"path"`
	Kind string `json:"kind"` // "auto", "phase" or "size"
}

// Controls say what is asked beside the questions themselves.
type Controls struct {
	Conditions []string `json:"conditions"`
	Cap        int      `json:"cap"`
	Seed       uint32   `json:"seed"`
}

// conditions are the control conditions asked for, then those of the styles.
func (e *Experiment) conditions() []string {
	out := slices.Clone(e.Controls.Conditions)
	for _, style := range e.Data.Styles {
		out = append(out, string(dataset.InStyle(style)))
	}
	return out
}

// A Model is one family at several scales.
type Model struct {
	Name      string  `json:"-"`
	Family    string  `json:"family"`
	Processor string  `json:"processor,omitempty"` // "": each checkpoint's own
	Precision string  `json:"precision"`
	Weights   string  `json:"weights"`
	Scales    []Scale `json:"-"` // in declaration order
}

// A Scale is one checkpoint of a model.
type Scale struct {
	Name       string `json:"-"`
	Checkpoint string `json:"checkpoint"` // as declared
	Samples    int64  `json:"samples"`    // seen in fine-tuning
}

// Decode says how answers are generated.
type Decode struct {
	MaxNewTokens int `json:"max_new_tokens"`
}

// Statistics says how intervals and nulls are drawn.
type Statistics struct {
	Draws int   `json:"draws"`
	Seed  int64 `json:"seed"`
}

// Report says what the page holds beyond the numbers, and which files lie beside it.
type Report struct {
	Thumbnail int             `json:"thumbnail"`
	Layouts   []report.Layout `json:"layouts"`

	// NPZ are the blocks stored in vectors_<scale>.npz, nil those analysed; Representative chooses five of them instead.
	NPZ            []int `json:"-"`
	Representative bool  `json:"-"`
}

// stored are the blocks whose states are written out, of a model that has so many.
func (r Report) stored(blocks int) []int {
	if r.Representative {
		return report.Representative(blocks)
	}
	return r.NPZ
}

// at is the problem of a given message at a path of the experiment file.
func (e *Experiment) at(message string, path ...string) *Problem {
	return problemAt(e.value, e.File, selectors(path), message)
}

func selectors(path []string) []cue.Selector {
	sels := make([]cue.Selector, len(path))
	for i, p := range path {
		sels[i] = cue.Str(p)
	}
	return sels
}
