package extract

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"swaprun/extract/family"
	"swaprun/extract/onnx"
	"swaprun/extract/ort"
)

// A Mode is how weights reach the arithmetic.
type Mode uint8

const (
	// Auto chooses by free memory.
	Auto Mode = iota
	// Streamed converts a weight whenever it is used: nothing to load, little memory, slower answers.
	Streamed
	// Resident converts every weight once, to float32 in memory.
	Resident
)

var modes = [...]string{Auto: "auto", Streamed: "streamed", Resident: "resident"}

func (m Mode) String() string {
	if int(m) < len(modes) {
		return modes[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode is the inverse of String.
func ParseMode(s string) (Mode, error) {
	for m, name := range modes {
		if s == name {
			return Mode(m), nil
		}
	}
	return Auto, fmt.Errorf("unknown weight mode %q: auto, streamed and resident are known", s)
}

// Options say how a model runs. None of them changes a number beyond float32 rounding.
type Options struct {
	Threads  int    // inside one operator; 0 means one per core
	Weights  Mode   //
	Provider string // "cpu" (or "") or "cuda"
	Trace    string // a directory for traces of every operator, one file a graph, written on Close; "" for none
}

// A Model is an open program. Capture may be called from one goroutine at a time; open several models to run several.
type Model struct {
	program *Program
	mode    Mode

	vision, text, head *ort.Session
	words              map[string][4]int64 // first tokens of the answer words
	cache              cache
	busy               sync.Mutex
	unshared           bool // tests: compute every prompt from its first token
}

// residentSlack is left free beside resident weights: activations, the cache, one tensor in two forms while it is converted.
const residentSlack = 1 << 30

// Open loads the graphs into onnxruntime. Weights stay in their files.
func (p *Program) Open(ctx context.Context, o Options) (_ *Model, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := &Model{program: p, mode: o.Weights}
	if m.mode == Auto {
		m.mode = Streamed
		if need := 4*p.Info().Parameters + residentSlack; need < availableMemory()/10*7 {
			m.mode = Resident
		}
	}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	folder, locate, err := p.locations()
	if err != nil {
		return nil, err
	}
	g := p.model.Graphs()
	for _, s := range []struct {
		builder *onnx.Builder
		session **ort.Session
	}{{g.Vision, &m.vision}, {g.Text, &m.text}, {g.Head, &m.head}} {
		model, err := s.builder.Model(locate)
		if err != nil {
			return nil, fmt.Errorf("open %s graph: %w", s.builder.Name(), err)
		}
		trace := ""
		if o.Trace != "" {
			trace = filepath.Join(o.Trace, s.builder.Name())
		}
		*s.session, err = ort.Open(model, valueNames(s.builder.Inputs()), valueNames(s.builder.Outputs()), ort.Options{
			Folder: folder, Threads: o.Threads, Streamed: m.mode == Streamed, Provider: o.Provider, Trace: trace,
		})
		if err != nil {
			return nil, fmt.Errorf("open %s graph: %w", s.builder.Name(), err)
		}
	}
	m.words = wordTokens(p.model)
	return m, nil
}

func valueNames(values []onnx.Value) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.Name()
	}
	return names
}

// locations finds the folder all weights lie below, and how a graph names their files. onnxruntime refuses locations
// that leave the folder, symbolic links included, and a checkpoint in the Hugging Face cache is made of links: so
// both are taken after resolving links.
func (p *Program) locations() (folder string, locate func(string) (string, error), err error) {
	real := map[string]string{}
	for _, w := range p.Weights() {
		if _, ok := real[w.Path]; ok {
			continue
		}
		path, err := filepath.EvalSymlinks(w.Path)
		if err != nil {
			return "", nil, err
		}
		if path, err = filepath.Abs(path); err != nil {
			return "", nil, err
		}
		real[w.Path] = path
		if folder == "" {
			folder = filepath.Dir(path)
		}
		for !below(path, folder) {
			folder = filepath.Dir(folder)
		}
	}
	return folder, func(path string) (string, error) {
		to, ok := real[path]
		if !ok {
			return "", fmt.Errorf("%s is not a file of this checkpoint", path)
		}
		rel, err := filepath.Rel(folder, to)
		return filepath.ToSlash(rel), err
	}, nil
}

func below(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// Mode is the mode in use; never Auto.
func (m *Model) Mode() Mode { return m.mode }

// Close frees the sessions. The model must not be in use.
func (m *Model) Close() error {
	m.cache.close()
	err := errors.Join(m.vision.Close(), m.text.Close(), m.head.Close())
	m.vision, m.text, m.head = nil, nil, nil
	return err
}

// tensor lends a family's tensor to the runtime.
func tensor(t family.Tensor) (*ort.Tensor, error) {
	switch {
	case t.Int != nil:
		return ort.NewTensor(t.Int, t.Shape...)
	case t.Int32 != nil:
		return ort.NewTensor(t.Int32, t.Shape...)
	default:
		return ort.NewTensor(t.Float, t.Shape...)
	}
}

// tensors makes and frees the tensors of one call.
type tensors struct {
	list []*ort.Tensor
	err  error
}

func lend[T ort.Element](ts *tensors, data []T, shape ...int64) *ort.Tensor {
	if ts.err != nil {
		return nil
	}
	t, err := ort.NewTensor(data, shape...)
	if err != nil {
		ts.err = err
		return nil
	}
	ts.list = append(ts.list, t)
	return t
}

func (ts *tensors) close() {
	for _, t := range ts.list {
		t.Close()
	}
}
