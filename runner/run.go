package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"swaprun/extract"
	"swaprun/extract/ort"
)

// Run executes what the ledger does not hold, then writes results and report. A query or node that fails is in the summary, not in the
// error: everything else is computed all the same. Problems are what has to be put right in the experiment before anything can run.
func Run(ctx context.Context, exp *Experiment, opts Options) (*Summary, error) {
	s, err := open(ctx, exp, opts, true)
	if err != nil {
		return nil, err
	}
	sum := &Summary{Experiment: exp.Name, Report: s.reportPath(), Results: opts.Out}
	if err = s.walk(ctx); err == nil {
		sum.Nodes, sum.Total = tally(s.nodes)
		sum.Failures = s.failures()
		err = s.recordRun()
	}
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	sum.Seconds = time.Since(s.started).Seconds()
	return sum, nil
}

// tally counts nodes by kind and in all.
func tally(nodes []*Node) (map[Kind]Tally, Tally) {
	kinds := map[Kind]Tally{}
	var total Tally
	for _, n := range nodes {
		t := kinds[n.Kind]
		switch {
		case n.outcome.err != nil:
			t.Failed++
			total.Failed++
		case !n.done:
			t.Skipped++
			total.Skipped++
		case n.ran:
			t.Ran++
			total.Ran++
		default:
			t.Hit++
			total.Hit++
		}
		if n.outcome.err == nil && n.outcome.failed {
			t.Failed++
			total.Failed++
		}
		kinds[n.Kind] = t
	}
	return kinds, total
}

// failures lists nodes without a good outcome, in the order of the walk.
func (s *session) failures() []Failure {
	list := []Failure{}
	for _, n := range s.nodes {
		switch {
		case n.outcome.err != nil:
			list = append(list, Failure{n.ID, n.outcome.err.Error()})
		case n.outcome.failed:
			reason, err := s.failure(n)
			if err != nil {
				reason = err.Error()
			}
			list = append(list, Failure{n.ID, reason})
		}
	}
	return list
}

// preflight checks what needs no ledger: that files are there, that scales named exist, that the runtime can be found.
func (s *session) preflight(execute bool) error {
	var problems Problems
	note := func(err error, path ...string) {
		if err != nil {
			problems = append(problems, s.exp.at(err.Error(), path...))
		}
	}
	var err error
	s.tablePath, err = s.exp.table(s.exp.Data.Path)
	note(err, "data", "path")
	if s.exp.Data.Boxes != "" {
		s.boxesPath, err = s.exp.file("boxes", s.exp.Data.Boxes, boxEndings...)
		note(err, "data", "boxes")
	}
	for _, name := range s.exp.sweepNames() {
		declared := s.exp.Data.Sweeps[name]
		path, err := s.exp.file("table", declared.Path, tableEndings...)
		note(err, "data", "sweeps", name, "path")
		s.sweeps = append(s.sweeps, &sweep{name: name, kind: declared.Kind, path: path})
	}
	known := map[string]bool{}
	for i := range s.exp.Models {
		m := &s.exp.Models[i]
		w := &modelWalk{model: m}
		processor := ""
		if m.Processor != "" {
			processor, err = s.exp.directory("processor", m.Processor)
			note(err, "models", m.Name, "processor")
		}
		for j := range m.Scales {
			sc := &m.Scales[j]
			known[sc.Name] = true
			if len(s.opts.Scales) > 0 && !slices.Contains(s.opts.Scales, sc.Name) {
				continue
			}
			dir, err := s.exp.directory("checkpoint", sc.Checkpoint)
			note(err, "models", m.Name, "scales", sc.Name, "checkpoint")
			sr := &series{model: m, scale: sc, src: extract.Source{
				Family: m.Family, Checkpoint: dir, Processor: processor,
				StoredWeights: m.Precision == "stored", MaxNew: s.exp.Decode.MaxNewTokens,
			}}
			if err == nil {
				if sr.missing = s.exp.weights(sr.src, sc.Checkpoint); sr.missing != nil {
					s.missing = append(s.missing, s.exp.at(sr.missing.Error(), "models", m.Name, "scales", sc.Name, "checkpoint"))
				}
			}
			w.series = append(w.series, sr)
		}
		if len(w.series) > 0 {
			s.models = append(s.models, w)
		}
	}
	for _, name := range s.opts.Scales {
		if !known[name] {
			names := make([]string, 0, len(known))
			for n := range known {
				names = append(names, n)
			}
			slices.Sort(names)
			return fmt.Errorf("--scale %s: the experiment has no such scale; it has %s", name, strings.Join(names, ", "))
		}
	}
	if len(problems) > 0 || execute && len(s.missing) > 0 {
		problems = append(problems, s.missing...)
		slices.SortStableFunc(problems, func(a, b *Problem) int { return a.Line - b.Line })
		return problems
	}
	s.runtimePath, _, err = ort.Find()
	if err != nil && (execute || !errors.Is(err, ort.ErrNotFound)) {
		return fmt.Errorf("onnxruntime: %w", err)
	}
	return nil
}

// learnRuntime names the runtime that the keys of queries hold. Loading the library to ask it takes as long as finding ten thousand
// nodes, so its answer is remembered by the file's stamp, as digests of files are.
func (s *session) learnRuntime() error {
	if s.runtimePath == "" {
		s.runtimeName = runtimeName(ort.Pinned) // a plan for the pinned one
		return nil
	}
	memo := s.led.Memo(runtimeMemo)
	before, trusted, _ := s.led.FileStamp(s.runtimePath)
	if trusted {
		if version, _ := memo.Get(before.Bytes()); len(version) > 0 {
			s.runtimeName = runtimeName(string(version))
			return nil
		}
	}
	version, err := ort.Version()
	if err != nil {
		return fmt.Errorf("onnxruntime: %w", err)
	}
	s.runtimeName = runtimeName(version)
	if after, _, err := s.led.FileStamp(s.runtimePath); trusted && err == nil && after == before {
		memo.Put(before.Bytes(), []byte(version))
	}
	return nil
}

const runtimeMemo = "onnxruntime version"

func runtimeName(version string) string { return "onnxruntime " + version + " cpu" }

// checkRuntime makes sure, before queries run, that the library is the one their keys name.
func (s *session) checkRuntime() error {
	version, err := ort.Version()
	if err != nil {
		return fmt.Errorf("onnxruntime: %w", err)
	}
	if name := runtimeName(version); name != s.runtimeName {
		if stamp, _, err := s.led.FileStamp(s.runtimePath); err == nil {
			s.led.Memo(runtimeMemo).Put(stamp.Bytes(), nil)
		}
		return fmt.Errorf("the library %s is %s, but was %s when the run began: run again", s.runtimePath, name, s.runtimeName)
	}
	return nil
}

// layersBeyond is the problem of a layer to analyse or to store that a model does not have.
func (e *Experiment) layersBeyond(blocks int, model string) *Problem {
	for _, list := range []struct {
		path   []string
		blocks []int
	}{{[]string{"layers"}, e.Layers}, {[]string{"report", "npz"}, e.Report.NPZ}} {
		for i, l := range list.blocks {
			if l >= blocks {
				p := e.at(fmt.Sprintf("block %d does not exist: model %s has %d blocks, 0 to %d", l, model, blocks, blocks-1), list.path...)
				p.Path = fmt.Sprintf("%s[%d]", strings.Join(list.path, "."), i)
				return p
			}
		}
	}
	return nil
}

// Vet finds what is wrong with an experiment without computing anything: missing files, checkpoints that do not fit
// their family, layers that do not exist.
func Vet(ctx context.Context, exp *Experiment) error {
	s := &session{exp: exp, opts: Options{Progress: Silent{}}}
	err := s.preflight(false)
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if err == nil {
		problems = s.missing
	}
	for _, m := range s.models {
		for _, sr := range m.series {
			if sr.src.Checkpoint == "" || sr.missing != nil || m.model.Processor != "" && sr.src.Processor == "" {
				continue // reported already
			}
			program, err := extract.Compile(sr.src)
			if err != nil {
				problems = append(problems, exp.at(err.Error(), "models", m.model.Name, "scales", sr.scale.Name, "checkpoint"))
				continue
			}
			if p := exp.layersBeyond(program.Info().Blocks, m.model.Name); p != nil {
				problems = append(problems, p)
				exp.Layers, exp.Report.NPZ = nil, nil // once is enough
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
