package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
	"swaprun/report"
)

// storedFile bounds the files whose bytes the ledger keeps. A larger one (vectors as npz) is kept by digest
// only: its content is in the ledger already, as states, and it is written again from there when it is gone.
const storedFile = 8 << 20

// answersVersion is raised when the check of answers changes: files and metrics that show correctness rest on it.
const answersVersion = 1

// walkArtefacts enters the files and figures of one model that need only what is settled by now: those of one scale, or with sr
// nil those over all scales.
func (s *session) walkArtefacts(ctx context.Context, m *modelWalk, sr *series) error {
	var nodes []*Node
	for i := range m.tree {
		a := m.tree[i]
		if owner(a) != scaleName(sr) {
			continue
		}
		kind := KindFile
		if a.Figure {
			kind = KindFigure
		}
		key, waits := s.artefactKey(m, kind, a)
		n := s.add(kind, string(kind)+"/"+a.Paths[0], key)
		if waits != "" {
			n.Why = []string{waits}
		}
		n.artefact = &m.tree[i]
		nodes = append(nodes, n)
	}
	todo, err := s.settle(nodes)
	if err != nil {
		return err
	}
	if !s.execute {
		return nil
	}
	present := make(map[*Node]bool, len(nodes))
	for _, n := range nodes {
		switch {
		case n.State != Hit:
		case s.onDisk(n):
			present[n] = true
		case s.external(n):
			n.State, n.done, n.Why = Due, false, []string{"the file is gone from " + s.opts.Out}
			todo = append(todo, n)
		}
	}
	name := "files and figures"
	if sr != nil {
		name += " " + sr.name()
	}
	err = s.each(ctx, name, todo, func(ctx context.Context, n *Node) ([]ledger.Blob, error) { return s.render(ctx, m, n) })
	if err != nil {
		return err
	}
	spread(nodes)
	for _, n := range nodes {
		if n.good() && !present[n] {
			if err := s.materialise(n); err != nil {
				s.finish(n, outcome{err: err})
			}
		}
	}
	return nil
}

// owner is the scale an artefact is about, or "" if it is made from several.
func owner(a report.Artefact) string {
	name := ""
	for i, in := range a.Inputs {
		if i > 0 && in.Scale != name {
			return ""
		}
		name = in.Scale
	}
	return name
}

func scaleName(sr *series) string {
	if sr == nil {
		return ""
	}
	return sr.scale.Name
}

// artefactKey is the recipe with the digests of what it is made from.
func (s *session) artefactKey(m *modelWalk, kind Kind, a report.Artefact) (*ledger.Key, string) {
	key := ledger.NewKey(string(kind), kindVersion[kind]).JSON("recipe", json.RawMessage(a.Key()))
	for i, in := range a.Inputs {
		sr := m.scale(in.Scale)
		role := fmt.Sprintf("input %d: %s %s %s %s", i, in.Source, in.Scale, in.Subset, in.Metric)
		if in.Condition != "" {
			role += "@" + in.Condition
		}
		switch in.Source {
		case report.FromResult:
			n := sr.results[resultID{in.Metric, in.Subset, in.Condition}]
			if n == nil && in.Optional {
				key.Text(role, "not computed")
				continue
			}
			if n == nil {
				return nil, "waits for a result that is not asked for: " + in.Metric
			}
			if !n.good() {
				if in.Optional && s.execute {
					key.Text(role, "no result")
					continue
				}
				return nil, "waits for " + n.ID
			}
			d, _ := n.outcome.output("result")
			key.Digest(role, d)
		case report.FromAnswers, report.FromVectors, report.FromQuads:
			if sr.list == (ledger.Digest{}) {
				return nil, "waits for captures of " + sr.name()
			}
			key.Digest(role, sr.list).Digest(fmt.Sprintf("pairs %d", i), s.setDigest).Digest(fmt.Sprintf("quads %d", i), s.quadsDigest).Int(fmt.Sprintf("answers version %d", i), answersVersion)
		default:
			return nil, "needs " + string(in.Source)
		}
	}
	return key, ""
}

// render makes an artefact's bytes. One that has nothing to show is an outcome with no file.
func (s *session) render(ctx context.Context, m *modelWalk, n *Node) ([]ledger.Blob, error) {
	a := n.artefact
	material := make([]report.Material, len(a.Inputs))
	for i, in := range a.Inputs {
		sr := m.scale(in.Scale)
		switch in.Source {
		case report.FromResult:
			r, err := s.result(sr.results[resultID{in.Metric, in.Subset, in.Condition}])
			if err != nil {
				return nil, err
			}
			material[i].Result = r
		case report.FromAnswers:
			st, err := s.load(ctx, sr)
			if err != nil {
				return nil, err
			}
			material[i].Answers = s.answerRows(st)
		case report.FromVectors:
			st, err := s.load(ctx, sr)
			if err != nil {
				return nil, err
			}
			material[i].Vectors = s.vectorRows(st)
		case report.FromQuads:
			st, err := s.load(ctx, sr)
			if err != nil {
				return nil, err
			}
			material[i].Quads = quadRows(st.vectors.Quads)
		}
	}
	var out bytes.Buffer
	if err := a.Render(&out, material); errors.Is(err, report.ErrEmpty) {
		return []ledger.Blob{{Name: "empty"}}, nil
	} else if err != nil {
		return nil, err
	}
	if out.Len() > storedFile {
		d := ledger.Sum(out.Bytes())
		for _, p := range a.Paths {
			if err := writeFile(filepath.Join(s.opts.Out, filepath.FromSlash(p)), out.Bytes()); err != nil {
				return nil, err
			}
		}
		return []ledger.Blob{{Name: "digest", Bytes: []byte(d.String())}}, nil
	}
	return []ledger.Blob{{Name: "file", Bytes: out.Bytes()}}, nil
}

func (s *session) answerRows(st *states) []report.AnswerRow {
	rows := []report.AnswerRow{}
	for i, k := range st.kept {
		p, a := &s.set.Pairs[k], &st.vectors.Pairs[i]
		rows = append(rows, report.AnswerRow{
			Index: indexText(p), Axis: p.Axis, Category: p.Category,
			Original: a.AnswerOriginal, Swapped: a.AnswerSwapped, OriginalCorrect: a.CorrectOriginal, SwappedCorrect: a.CorrectSwapped,
		})
	}
	return rows
}

func (s *session) vectorRows(st *states) *report.Vectors {
	v := &report.Vectors{Width: st.vectors.Width, Blocks: st.vectors.Blocks}
	for i, k := range st.kept {
		p, a := &s.set.Pairs[k], &st.vectors.Pairs[i]
		v.Pairs = append(v.Pairs, report.VectorPair{Index: indexText(p), Axis: p.Axis, Category: p.Category, OriginalCorrect: a.CorrectOriginal, SwappedCorrect: a.CorrectSwapped})
	}
	width := v.Width
	original, swapped := make([]float32, len(v.Pairs)*width), make([]float32, len(v.Pairs)*width)
	v.Block = func(block int) ([]float32, []float32, error) {
		at, ok := slices.BinarySearch(v.Blocks, block)
		if !ok {
			return nil, nil, fmt.Errorf("block %d was not captured", block)
		}
		for i := range v.Pairs {
			copy(original[i*width:], st.vectors.Original[i][at*width:(at+1)*width])
			copy(swapped[i*width:], st.vectors.Swapped[i][at*width:(at+1)*width])
		}
		return original, swapped, nil
	}
	return v
}

func quadRows(q *analyze.Quads) *report.Quads {
	if q == nil {
		return &report.Quads{} // horizontal ones alone
	}
	out := &report.Quads{Len: len(q.Quads), Width: q.Width, Blocks: q.Blocks}
	vertical, distance := make([]float32, out.Len*q.Width), make([]float32, out.Len*q.Width)
	out.Block = func(block int) ([]float32, []float32, error) {
		at, ok := slices.BinarySearch(q.Blocks, block)
		if !ok {
			return nil, nil, fmt.Errorf("block %d was not captured", block)
		}
		for i := range q.Quads {
			copy(vertical[i*q.Width:], q.Vertical[i][at*q.Width:(at+1)*q.Width])
			copy(distance[i*q.Width:], q.Distance[i][at*q.Width:(at+1)*q.Width])
		}
		return vertical, distance, nil
	}
	return out
}

// external tells whether the ledger holds only the digest of a file.
func (s *session) external(n *Node) bool {
	_, ok := n.outcome.output("digest")
	return ok
}

// contentDigest is the digest a file in the results must have; false where there is no file to be.
func (s *session) contentDigest(n *Node) (ledger.Digest, bool) {
	if d, ok := n.outcome.output("file"); ok {
		return d, true
	}
	if d, ok := n.outcome.output("digest"); ok {
		if blob, err := s.led.Get(d); err == nil {
			if want, err := ledger.ParseDigest(string(blob)); err == nil {
				return want, true
			}
		}
	}
	return ledger.Digest{}, false
}

// onDisk tells whether every path of an artefact holds what it should.
func (s *session) onDisk(n *Node) bool {
	want, ok := s.contentDigest(n)
	if !ok {
		return true
	}
	for _, p := range n.artefact.Paths {
		got, err := s.led.FileDigest(context.Background(), filepath.Join(s.opts.Out, filepath.FromSlash(p)), nil)
		if err != nil || got != want {
			return false
		}
	}
	return true
}

// materialise writes an artefact below the output directory, unless it is there.
func (s *session) materialise(n *Node) error {
	d, ok := n.outcome.output("file")
	if !ok || s.onDisk(n) {
		return nil
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return fmt.Errorf("%s: %w", n.ID, err)
	}
	for _, p := range n.artefact.Paths {
		if err := writeFile(filepath.Join(s.opts.Out, filepath.FromSlash(p)), blob); err != nil {
			return err
		}
	}
	return nil
}

// writeFile replaces a file as a whole: readers see the old content or the new.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o666 &^ umask); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// A modelWalk is what a walk knows of one model.
type modelWalk struct {
	model  *Model
	series []*series
	blocks int // 0 until a checkpoint is known
	width  int
	tree   []report.Artefact
}

func (m *modelWalk) scale(name string) *series {
	for _, sr := range m.series {
		if sr.scale.Name == name {
			return sr
		}
	}
	return nil
}

// learn takes over what the first readable checkpoint says of the model, and checks the others against it.
func (s *session) learn(m *modelWalk, sr *series) error {
	if sr.info.Blocks == 0 {
		return nil
	}
	if m.blocks != 0 {
		if m.blocks != sr.info.Blocks || m.width != sr.info.Width {
			return Problems{s.exp.at(fmt.Sprintf("has %d blocks of width %d, but the model's other scales have %d of width %d; scales of one model share a shape", sr.info.Blocks, sr.info.Width, m.blocks, m.width), "models", m.model.Name, "scales", sr.scale.Name, "checkpoint")}
		}
		return nil
	}
	m.blocks, m.width = sr.info.Blocks, sr.info.Width
	if p := s.exp.layersBeyond(m.blocks, m.model.Name); p != nil {
		return Problems{p}
	}
	spec := report.Spec{
		Model: m.model.Name, Title: m.model.Name, Blocks: m.blocks, Layers: s.layers(m.blocks),
		Subsets: subsets, Figures: true, Quads: len(s.quadList()) > 0,
		NPZ: s.exp.Report.stored(m.blocks), Layouts: s.exp.Report.Layouts,
	}
	for i, sr := range m.series {
		spec.Scales = append(spec.Scales, report.ScaleMark{Name: sr.scale.Name, Samples: sr.scale.Samples, Order: i})
	}
	for _, a := range s.analyses() {
		if !s.feeds(a) || a.Wordings && len(s.exp.Data.Styles) == 0 {
			continue
		}
		spec.Metrics = append(spec.Metrics, a.Name)
	}
	for _, condition := range s.exp.conditions() {
		spec.Controls = append(spec.Controls, report.Control{Condition: condition, Judged: judged(condition)})
	}
	for _, w := range s.sweeps {
		spec.Sweeps = append(spec.Sweeps, report.Sweep{Name: w.name, Metrics: s.sweepMetrics(w)})
	}
	m.tree = report.Tree(spec)
	return nil
}

// layers are the blocks the experiment looks at.
func (s *session) layers(blocks int) []int {
	if s.exp.Layers != nil {
		return s.exp.Layers
	}
	all := make([]int, blocks)
	for b := range all {
		all[b] = b
	}
	return all
}

func (s *session) correct(text string, question dataset.Question) bool {
	return analyze.CheckAnswer(text, question.Answer, question.Letters)
}
