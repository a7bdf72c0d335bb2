package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
)

// A sweep is a table of yes/no questions about rendered scenes.
type sweep struct {
	name   string
	kind   string // as declared
	path   string
	table  ledger.Digest
	node   *Node
	set    *dataset.Sweep
	digest ledger.Digest // of the set
}

// sweepNames lists the experiment's sweeps in the order of every output.
func (e *Experiment) sweepNames() []string { return slices.Sorted(maps.Keys(e.Data.Sweeps)) }

// walkSweeps turns tables of sweeps into probes. A plan builds them as well, without recording them.
func (s *session) walkSweeps(ctx context.Context) error {
	for _, w := range s.sweeps {
		var err error
		inputs := s.led.NewWatch()
		if w.table, err = inputs.Digest(ctx, w.path); err != nil {
			return fmt.Errorf("table %s: %w", w.path, err)
		}
		key := ledger.NewKey(string(KindSweep), kindVersion[KindSweep]).Digest("table", w.table).Text("sweep", w.kind)
		if _, err := s.keyPictures(ctx, key, inputs, w.path, w.table, "data", "sweeps", w.name, "path"); err != nil {
			return err
		}
		w.node = s.add(KindSweep, "sweep/"+w.name, key)
		w.node.condition, w.node.inputs = w.name, inputs
		todo, err := s.settle([]*Node{w.node})
		if err != nil {
			return err
		}
		if len(todo) > 0 {
			if err := s.steadily(func() error { return s.buildSweep(ctx, w) }); err != nil {
				return err
			}
			continue
		}
		w.set = new(dataset.Sweep)
		if err := s.stored(w.node, "sweep", w.set); err != nil {
			return err
		}
		w.digest, _ = w.node.outcome.output("sweep")
	}
	return nil
}

func (s *session) buildSweep(ctx context.Context, w *sweep) error {
	start := time.Now()
	wrong := func(err error) error { return Problems{s.exp.at(err.Error(), "data", "sweeps", w.name, "path")} }
	table, err := dataset.Open(w.path)
	if err != nil {
		return wrong(err)
	}
	kind := dataset.SweepKind(w.kind)
	if w.kind == "auto" {
		kind = ""
	}
	if w.set, err = dataset.BuildSweep(table, kind); err != nil {
		return wrong(err)
	}
	if len(w.set.Items) == 0 {
		return wrong(fmt.Errorf("%s gives no question: all of %d rows failed", w.path, len(w.set.Outcomes)))
	}
	blob, err := json.Marshal(w.set)
	if err != nil {
		return fmt.Errorf("%s: %w", w.node.ID, err)
	}
	w.digest = ledger.Sum(blob)
	if !s.execute {
		return nil
	}
	blobs := []ledger.Blob{{Name: "sweep", Bytes: blob}}
	seen := map[string]bool{}
	for _, p := range w.set.Items {
		if p.Image == "" || seen[p.Image] {
			continue
		}
		seen[p.Image] = true
		image, err := table.Image(p.Row - 1)
		if err != nil {
			return fmt.Errorf("%s: picture of row %d: %w", w.node.ID, p.Row, err)
		}
		blobs = append(blobs, ledger.Blob{Name: p.Image, Bytes: image})
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return s.record(w.node, blobs, false, start)
}

// askSweeps adds the queries of every sweep.
func (s *session) askSweeps(sr *series, ask func(pair, side string, q query) *Node) {
	sr.sweeps = map[string][][]*Node{}
	for _, w := range s.sweeps {
		for _, p := range w.set.Items {
			nodes := make([]*Node, len(p.Questions))
			for k, q := range p.Questions {
				nodes[k] = ask(w.name+"/"+p.ID, fmt.Sprint("/", k+1), query{image: p.Image, imageErr: p.ImageErr, question: q.Text})
			}
			sr.sweeps[w.name] = append(sr.sweeps[w.name], nodes)
		}
	}
}

// walkSweepMetrics computes what the experiment asks of one scale's sweeps.
func (s *session) walkSweepMetrics(ctx context.Context, sr *series) error {
	var nodes []*Node
	for _, w := range s.sweeps {
		list, why := listOf(sr, slices.Concat(sr.sweeps[w.name]...))
		for _, m := range s.sweepMetrics(w) {
			id := fmt.Sprintf("metric/%s/%s/%s", sr.name(), w.name, m.Name)
			var n *Node
			if why != "" {
				n = s.add(KindMetric, id, nil, why)
			} else {
				n = s.add(KindMetric, id, ledger.NewKey(string(KindMetric), kindVersion[KindMetric]).
					Text("sweep_metric", m.Name).Int("metric_version", int64(m.Version)).Int("answers_version", answersVersion).
					Text("sweep", w.name).Digest("probes", w.digest).Digest("captures", list))
			}
			n.sweepMetric, n.condition, n.subset, n.series = &m, w.name, analyze.AllPairs, sr
			sr.results[resultID{m.Name, analyze.AllPairs, w.name}] = n
			nodes = append(nodes, n)
		}
	}
	todo, err := s.settle(nodes)
	if err != nil || len(todo) == 0 || !s.execute {
		return err
	}
	err = s.measureSweeps(ctx, sr, todo)
	spread(nodes)
	return err
}

// sweepMetrics are the metrics the experiment asks for that say something about a sweep.
func (s *session) sweepMetrics(w *sweep) []analyze.SweepMetric {
	var out []analyze.SweepMetric
	for _, m := range analyze.SweepMetrics() {
		if (m.Sweep == "" || m.Sweep == string(w.set.Kind)) && (s.exp.Analyses == nil || slices.Contains(s.exp.Analyses, m.Name)) {
			out = append(out, m)
		}
	}
	return out
}

// measureSweeps computes metrics of one scale, sweep by sweep.
func (s *session) measureSweeps(ctx context.Context, sr *series, todo []*Node) error {
	for _, w := range s.sweeps {
		mine := slices.DeleteFunc(slices.Clone(todo), func(n *Node) bool { return n.condition != w.name })
		if len(mine) == 0 {
			continue
		}
		probes, failed, err := s.loadProbes(sr, w)
		if err != nil {
			return err
		}
		err = s.each(ctx, "metrics "+sr.name()+" "+w.name, mine, func(_ context.Context, n *Node) ([]ledger.Blob, error) {
			r := n.sweepMetric.Run(probes, w.name)
			r.Notes = append(r.Notes, "places: "+w.set.Placement, "questions: "+w.set.Wording)
			if failed > 0 {
				r.Notes = append(r.Notes, fmt.Sprintf("%d questions failed and are not counted", failed))
			}
			return resultBlob(r, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadProbes reads what a scale answered to a sweep.
func (s *session) loadProbes(sr *series, w *sweep) (probes []analyze.Probe, failed int, err error) {
	for i, item := range w.set.Items {
		for k, q := range item.Questions {
			a, err := s.loadAnswer(sr.sweeps[w.name][i][k])
			if err != nil {
				return nil, 0, err
			}
			if a.capture == nil {
				failed++
				continue
			}
			p := analyze.Probe{
				Scene: item.Image, Row: item.Cell[0], Col: item.Cell[1], Layout: layoutOf(item.Agreement),
				Truth: q.Answer == "yes", Said: analyze.Said(a.capture.Answer),
			}
			if w.set.Kind == dataset.SizeSweep {
				p.Size = math.Round(100*w.set.Size(item.Cell[0])) / 100
			}
			p.Yes, p.No = analyze.YesNo(a.capture.Words["yes"], a.capture.Words["no"])
			probes = append(probes, p)
		}
	}
	return probes, failed, nil
}
