package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"swaprun/ledger"
)

// A view is one side of a comparison: what an experiment, a run or a shared archive came to, by names that mean the same on
// both sides.
type view struct {
	label   string
	source  []byte                                 // of the experiment
	inputs  map[string]ledger.Digest               // "table", "pairs", "weights qwen/80k" …
	metrics map[string]metricOutcome               // by node
	queries map[string]map[queryID]*ledger.Outcome // by scale
	device  map[string]map[string]bool             // "program", "runtime", "processor" → which
	last    *ledger.Outcome                        // that device knows of
	missing int                                    // nodes that have no outcome
	get     func(ledger.Digest) ([]byte, error)
	close   func() error
}

type metricOutcome struct {
	key    *ledger.Key
	result ledger.Digest
}

// A queryID is what is asked, whoever is asked.
type queryID struct{ question, image string }

func newView(label string) *view {
	return &view{
		label: label, inputs: map[string]ledger.Digest{}, metrics: map[string]metricOutcome{},
		queries: map[string]map[queryID]*ledger.Outcome{}, device: map[string]map[string]bool{},
		close: func() error { return nil },
	}
}

// openView reads what a name stands for: an experiment file, a shared archive, or a run of the ledger by its entry or id.
func openView(ctx context.Context, name string, led func() (*ledger.Ledger, error), opts Options) (*view, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".zip":
		return archiveView(ctx, name)
	case ".cue":
		exp, err := Load(name)
		if err != nil {
			return nil, err
		}
		l, err := led()
		if err != nil {
			return nil, err
		}
		return experimentView(ctx, exp, l, opts)
	}
	l, err := led()
	if err != nil {
		return nil, err
	}
	return runView(name, l)
}

// experimentView is the present state of an experiment, as far as the ledger holds it.
func experimentView(ctx context.Context, exp *Experiment, l *ledger.Ledger, opts Options) (*view, error) {
	opts.Progress = Silent{}
	s := &session{exp: exp, opts: opts, led: l, started: time.Now()}
	if err := s.preflight(false); err != nil {
		return nil, err
	}
	if err := s.learnRuntime(); err != nil {
		return nil, err
	}
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	v := newView(exp.File)
	v.source, v.get = exp.Source, l.Get
	v.input("table", s.tableDigest)
	v.input("pairs", s.setDigest)
	v.input("quads", s.quadsDigest)
	for _, sr := range s.allSeries() {
		v.input("model "+sr.name(), sr.fingerprint)
		v.input("weights "+sr.name(), sr.weights)
		v.input("captures "+sr.name(), sr.list)
	}
	var known []*Node
	var seqs []uint64
	for _, n := range s.nodes {
		if !n.good() && !n.outcome.failed {
			v.missing++
			continue
		}
		known, seqs = append(known, n), append(seqs, n.outcome.seq)
	}
	entries, err := l.EntriesAt(seqs)
	if err != nil {
		return nil, err
	}
	for i, n := range known {
		e := entries[i]
		v.executed(e.Outcome)
		switch n.Kind {
		case KindMetric:
			d, _ := n.outcome.output("result")
			v.metrics[n.ID] = metricOutcome{n.Key, d}
		case KindCapture:
			v.query(s.seriesOf(n).name(), e.Outcome)
		}
	}
	return v, nil
}

// runView is a run of the ledger: by its entry's number or the beginning of its id, or "last", or "last~2" for the one two before.
func runView(name string, l *ledger.Ledger) (*view, error) {
	runs, err := l.Runs("")
	if err != nil {
		return nil, err
	}
	// An import is noted as a run too.
	runs = slices.DeleteFunc(runs, func(e *ledger.Entry) bool { return strings.HasPrefix(e.Run.Name, "import of ") })
	var run *ledger.Entry
	if back, ok := strings.CutPrefix(name, "last"); ok {
		n := 0
		if back != "" {
			if n, err = strconv.Atoi(strings.TrimPrefix(back, "~")); err != nil || back[0] != '~' || n < 0 {
				return nil, fmt.Errorf("run %q: expected last or last~N", name)
			}
		}
		if n >= len(runs) {
			return nil, fmt.Errorf("run %s: the ledger %s has %d runs", name, l.Path(), len(runs))
		}
		run = runs[len(runs)-1-n]
	}
	for _, e := range runs {
		if strconv.FormatUint(e.Seq, 10) == name || len(name) >= 6 && strings.HasPrefix(e.Run.Run, strings.ToUpper(name)) {
			run = e
		}
	}
	if run == nil {
		return nil, fmt.Errorf("%q is no experiment (.cue), no shared archive (.zip), and no run of the ledger %s (the entry's number in swaprun ledger log, the beginning of a run's id, or last~N)", name, l.Path())
	}
	list, err := l.RunOutcomes(run)
	if err != nil {
		return nil, err
	}
	v := newView(fmt.Sprintf("run of %s on %s, entry %d", run.Run.Name, run.Run.Started.UTC().Format(time.DateTime), run.Seq))
	v.get = l.Get
	return v, v.entries(list)
}

// archiveView is what somebody shared. Everything in it is verified first.
func archiveView(ctx context.Context, name string) (*view, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := &archiveReader{f: f, size: info.Size(), sum: &ImportSummary{}, files: map[string]*zip.File{}}
	if err := r.verify(ctx, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %w", name, ErrArchive, err), f.Close())
	}
	v := newView(fmt.Sprintf("%s, from the log of %s", name, r.slice.Checkpoint.Origin))
	v.get, v.close = r.slice.Get, f.Close
	if err := v.entries(slices.Clone(r.slice.Outcomes)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return v, nil
}

// entries fills a view from outcomes of one run: its report names all the rest.
func (v *view) entries(list []*ledger.Entry) error {
	i := slices.IndexFunc(list, func(e *ledger.Entry) bool { return e.Outcome.Key.Kind == string(KindReport) })
	if i < 0 {
		return fmt.Errorf("%s: no report among %d outcomes, so nothing says what they were for", v.label, len(list))
	}
	page := list[i].Outcome.Key
	scales := map[string]string{} // by weights and program
	for _, f := range page.Fields {
		d, ok := f.Value.Digest()
		switch {
		case f.Role == "experiment":
			v.source = f.Value.Bytes()
		case !ok:
		case strings.HasPrefix(f.Role, "metric/"):
			v.metrics[f.Role] = metricOutcome{result: d}
		default:
			v.input(f.Role, d)
		}
		if name, ok := strings.CutPrefix(f.Role, "weights "); ok {
			model, _ := page.Get("model " + name)
			scales[f.Value.String()+model.String()] = name
		}
	}
	for _, e := range list {
		o := e.Outcome
		v.executed(o)
		switch Kind(o.Key.Kind) {
		case KindCapture:
			weights, _ := o.Key.Get("weights")
			model, _ := o.Key.Get("model")
			if name := scales[weights.String()+model.String()]; name != "" {
				v.query(name, o)
			}
		case KindMetric:
			name, _ := o.Key.Get("metric")
			if c, ok := o.Key.Get("comparison"); ok {
				name = c
			}
			subset, _ := o.Key.Get("subset")
			metric, _ := name.Text()
			set, _ := subset.Text()
			for id, m := range v.metrics {
				if strings.HasSuffix(id, "/"+set+"/"+metric) && len(o.Outputs) == 1 && o.Outputs[0].Digest == m.result {
					v.metrics[id] = metricOutcome{o.Key, m.result}
				}
			}
		}
	}
	return nil
}

func (v *view) input(name string, d ledger.Digest) {
	if d != (ledger.Digest{}) {
		v.inputs[name] = d
	}
}

func (v *view) query(scale string, o *ledger.Outcome) {
	text := func(role string) string {
		f, _ := o.Key.Get(role)
		t, _ := f.Text()
		return t
	}
	if v.queries[scale] == nil {
		v.queries[scale] = map[queryID]*ledger.Outcome{}
	}
	v.queries[scale][queryID{text("question"), text("image")}] = o
}

// executed notes what computed an outcome.
func (v *view) executed(o *ledger.Outcome) {
	if v.last != nil && v.last.Tool == o.Tool && v.last.Device == o.Device {
		return
	}
	v.last = o
	for what, value := range map[string]string{"program": o.Tool, "runtime": o.Device.Runtime, "processor": strings.TrimSpace(o.Device.CPU + " " + o.Device.Platform)} {
		if value != "" {
			if v.device[what] == nil {
				v.device[what] = map[string]bool{}
			}
			v.device[what][value] = true
		}
	}
}

func (v *view) environment(what string) string {
	return strings.Join(slices.Sorted(maps.Keys(v.device[what])), "; ")
}

// sameQuery says whether two outcomes have the same states, and the same answer.
func sameOutputs(a, b *ledger.Outcome, name string) bool {
	find := func(o *ledger.Outcome) (d ledger.Digest) {
		for _, out := range o.Outputs {
			if out.Name == name {
				d = out.Digest
			}
		}
		return d
	}
	return find(a) == find(b)
}

// equalSource says whether two experiment files are the same bytes.
func equalSource(a, b *view) bool { return bytes.Equal(a.source, b.source) }
