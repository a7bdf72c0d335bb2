package runner

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
	"swaprun/report"
)

// bundleVersion is raised when bundle changes for the same results; the page itself is in report.PageKey.
const bundleVersion = 4

// walkReport writes the page. Its key holds the digests of everything it shows; what it says of times and machines comes from
// the ledger and is no reason to write it again.
func (s *session) walkReport(ctx context.Context) error {
	id := "report/" + s.exp.Name
	key := ledger.NewKey(string(KindReport), kindVersion[KindReport]).
		Text("page", report.PageKey()).Int("bundle_version", bundleVersion).Int("answers_version", answersVersion).
		Bytes("experiment", s.exp.Source).Text("file", filepath.Base(s.exp.File)).
		Digest("table", s.tableDigest).Digest("pairs", s.setDigest).Digest("quads", s.quadsDigest).
		Int("thumbnail", int64(s.exp.Report.Thumbnail)).
		Texts("scales", s.opts.Scales...)
	if text := s.reproductions(); text != "" {
		key.Text("reproduced", text) // the page says so
	}
	waits := ""
	for _, m := range s.models {
		for _, sr := range m.series {
			switch {
			case sr.checkpoint.outcome.err != nil:
				key.Text("failed "+sr.name(), sr.checkpoint.outcome.err.Error())
				continue
			case sr.list == (ledger.Digest{}):
				waits = "waits for captures of " + sr.name()
				continue
			}
			key.Digest("model "+sr.name(), sr.fingerprint).Digest("weights "+sr.name(), sr.weights).Digest("captures "+sr.name(), sr.list)
		}
	}
	for _, n := range s.nodes {
		if n.Kind != KindMetric {
			continue
		}
		switch {
		case n.good():
			d, _ := n.outcome.output("result")
			key.Digest(n.ID, d)
		case n.outcome.err != nil:
			key.Text(n.ID, n.outcome.err.Error())
		case !s.execute:
			waits = "waits for " + n.ID
		}
	}
	if waits != "" && !s.execute {
		s.report = s.add(KindReport, id, nil, waits)
		return nil
	}
	n := s.add(KindReport, id, key)
	s.report = n
	todo, err := s.settle([]*Node{n})
	if err != nil || !s.execute {
		return err
	}
	n.artefact = &report.Artefact{Paths: []string{s.exp.Name + "/index.html"}}
	err = s.each(ctx, "report", todo, func(ctx context.Context, _ *Node) ([]ledger.Blob, error) { return s.page(ctx) })
	if err != nil || !n.good() {
		return err
	}
	if err := s.materialise(n); err != nil {
		s.finish(n, outcome{err: err})
	}
	return nil
}

// page renders the report's one output, "file".
func (s *session) page(ctx context.Context) ([]ledger.Blob, error) {
	bundle, err := s.bundle(ctx)
	if err != nil {
		return nil, err
	}
	page, err := report.HTML(bundle)
	if err != nil {
		return nil, err
	}
	return []ledger.Blob{{Name: "file", Bytes: page}}, nil
}

// reportPath is where the page lies.
func (s *session) reportPath() string {
	return filepath.Join(s.opts.Out, s.exp.Name, "index.html")
}

// bundle gathers everything the page shows.
func (s *session) bundle(ctx context.Context) (*report.Bundle, error) {
	b := &report.Bundle{
		Experiment: report.Experiment{
			Name: s.exp.Name, Title: s.exp.Title, Description: s.exp.Description,
			Source: string(s.exp.Source), File: filepath.Base(s.exp.File), Digest: ledger.Sum(s.exp.Source).String(),
		},
		Data: s.bundleData(),
	}
	layouts, _ := s.layouts()
	b.Pairs = make([]report.Pair, len(s.set.Pairs))
	for i := range s.set.Pairs {
		p := &s.set.Pairs[i]
		b.Pairs[i] = report.Pair{
			ID: p.ID, Index: indexText(p), Category: p.Category, Axis: p.Axis, Image: p.Image,
			Original: bundleQuestion(p.Original), Swapped: bundleQuestion(p.Swapped), Group: string(layouts[p.ID]),
		}
	}
	for _, m := range s.models {
		model := report.Model{Name: m.model.Name, Family: m.model.Family, Blocks: m.blocks, Width: m.width, Focus: -1}
		if m.blocks > 0 {
			model.Layers = s.layers(m.blocks)
		}
		for _, sr := range m.series {
			scale := report.Scale{Name: sr.scale.Name, Samples: sr.scale.Samples, Checkpoint: sr.scale.Checkpoint}
			if err := sr.checkpoint.outcome.err; err != nil {
				scale.Failure = err.Error()
			} else {
				scale.Weights, scale.Program, scale.Parameters = sr.weights.String(), sr.fingerprint.String(), sr.info.Parameters
				if err := s.bundleSeries(ctx, b, sr); err != nil {
					return nil, err
				}
			}
			model.Scales = append(model.Scales, scale)
		}
		if err := s.bundleResults(b, func(n *Node) bool { return n.model == m }, report.Entry{Model: m.model.Name}); err != nil {
			return nil, err
		}
		b.Models = append(b.Models, model)
	}
	if err := s.bundleImages(ctx, b); err != nil {
		return nil, err
	}
	for _, f := range s.failures() {
		b.Failures = append(b.Failures, report.Failure{Node: f.Node, Reason: f.Reason})
	}
	return b, s.bundleProvenance(b)
}

func bundleQuestion(q dataset.Question) report.Question {
	if letter := q.Letters[q.Answer]; letter != "" {
		return report.Question{Text: q.Text, Answer: q.Answer + " (" + strings.ToUpper(letter) + ")"}
	}
	return report.Question{Text: q.Text, Answer: q.Answer}
}

func (s *session) bundleData() report.Data {
	set, d := s.set, s.exp.Data
	out := report.Data{
		Path: d.Path, Digest: s.tableDigest.String(), Reader: d.Reader, Cap: d.Cap, Seed: d.Seed, Rows: set.Counts.Rows, Notes: set.Notes,
		Outcomes: []report.Count{{Name: "kept", N: set.Counts.Kept}, {Name: "over the cap", N: set.Counts.NotSampled}, {Name: "skipped", N: set.Counts.Skipped}, {Name: "failed", N: set.Counts.Failed}},
	}
	for _, c := range set.Counts.Categories {
		out.Counts = append(out.Counts, report.Count{Name: c.Category, N: c.Kept})
	}
	for _, o := range set.Outcomes {
		if o.Status != dataset.Skipped && o.Status != dataset.Failed {
			continue
		}
		if out.LostTotal++; len(out.Lost) < 500 {
			out.Lost = append(out.Lost, report.Lost{Row: o.Row, Index: string(o.Index), Outcome: string(o.Status), Reason: o.Why})
		}
	}
	repeats, conflicts := set.Audit.Bad()
	out.Audit = []report.Count{
		{Name: "repeats an earlier pair", N: repeats}, {Name: "contradicts another pair", N: conflicts},
		{Name: "asks an earlier pair the other way round", N: len(set.Audit.Mirrored)}, {Name: "two objects of one name", N: len(set.Audit.SameNames)},
	}
	out.Doubts = doubts(set)
	return out
}

// doubts says of every pair that deduplicated estimates leave out why they do, in the order of the set.
func doubts(set *dataset.Set) []report.Doubt {
	pairs, why := map[string]*dataset.Pair{}, map[string]string{}
	for i := range set.Pairs {
		pairs[set.Pairs[i].ID] = &set.Pairs[i]
	}
	named := func(id string) string { return fmt.Sprintf("row %d (index %s)", pairs[id].Row, indexText(pairs[id])) }
	for _, r := range set.Audit.Repeats {
		why[r.Pair] = "repeats " + named(r.Of)
	}
	for _, c := range set.Audit.Conflicts {
		for _, id := range c {
			var others []string
			for _, o := range c {
				if o != id {
					others = append(others, named(o))
				}
			}
			why[id] = "same picture, axis and objects as " + strings.Join(others, ", ") + ", but not all of one label"
		}
	}
	var out []report.Doubt
	for _, id := range set.Audit.Drop {
		out = append(out, report.Doubt{Row: pairs[id].Row, Index: indexText(pairs[id]), Reason: why[id]})
	}
	return out
}

// bundleResults adds the good results of the metric nodes that are wanted.
func (s *session) bundleResults(b *report.Bundle, wanted func(*Node) bool, place report.Entry) error {
	for _, n := range s.nodes {
		if n.Kind != KindMetric || !wanted(n) {
			continue
		}
		r, err := s.result(n)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		d, _ := n.outcome.output("result")
		place.Digest, place.Action, place.Result, place.Executions = d.String(), n.action().String(), r, n.outcome.claims
		b.Results = append(b.Results, place)
	}
	return nil
}

// bundleSeries adds results and answers of one scale.
func (s *session) bundleSeries(ctx context.Context, b *report.Bundle, sr *series) error {
	if err := s.bundleResults(b, func(n *Node) bool { return n.series == sr }, report.Entry{Model: sr.model.Name, Scale: sr.scale.Name}); err != nil {
		return err
	}
	for i := range s.set.Pairs {
		p := &s.set.Pairs[i]
		out := report.Outcome{Model: sr.model.Name, Scale: sr.scale.Name}
		for j, q := range []dataset.Question{p.Original, p.Swapped} {
			a, err := s.loadAnswer(sr.captures[2*i+j])
			if err != nil {
				return err
			}
			shown := report.Answer{Failure: a.failure}
			if a.capture != nil {
				shown.Text, shown.Correct = a.capture.Answer, s.correct(a.capture.Answer, q)
				_, agree := analyze.CompareChecks(p.ID, "", a.capture.Answer, q.Answer, q.Letters)
				shown.Disputed = !agree
				for k, l := range a.capture.First {
					if k == 3 {
						break
					}
					shown.First = append(shown.First, report.Logit{Token: l.Text, Value: l.Logit})
				}
			}
			if j == 0 {
				out.Original = shown
			} else {
				out.Swapped = shown
			}
		}
		b.Pairs[i].Outcomes = append(b.Pairs[i].Outcomes, out)
	}
	return ctx.Err()
}

// bundleImages embeds each picture once, as a thumbnail where it is large.
func (s *session) bundleImages(ctx context.Context, b *report.Bundle) error {
	if s.exp.Report.Thumbnail == 0 {
		return nil
	}
	seen := map[string]bool{}
	for i := range b.Pairs {
		name := b.Pairs[i].Image
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		d, err := ledger.ParseDigest(name)
		if err != nil {
			return err
		}
		blob, err := s.led.Get(d)
		if err != nil {
			return fmt.Errorf("picture of pair %s: %w", b.Pairs[i].ID, err)
		}
		img, err := report.Thumbnail(name, blob, s.exp.Report.Thumbnail)
		if err != nil {
			continue // no picture; the pair's queries say why
		}
		b.Images = append(b.Images, img)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// bundleProvenance says what computed the numbers, when and where, from the ledger's records alone: the same ledger gives the same
// page, whoever writes it. Reused is what runs before the latest one had computed.
func (s *session) bundleProvenance(b *report.Bundle) error {
	type origin struct {
		kind    Kind
		run     string
		seconds float64
		failed  bool
	}
	var origins []origin
	var first, last time.Time
	latest := ""
	tools, devices, runtimes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range s.nodes {
		if !n.done || n.outcome.err != nil || n == s.report {
			continue
		}
		e, err := s.led.Entry(n.outcome.seq)
		if err != nil {
			return fmt.Errorf("provenance of %s: %w", n.ID, err)
		}
		o := e.Outcome
		if o == nil {
			continue // imported: its own ledger knows
		}
		origins = append(origins, origin{n.Kind, o.Run, o.Duration.Seconds(), o.Failed})
		if first.IsZero() || o.Started.Before(first) {
			first = o.Started
		}
		if end := o.Started.Add(o.Duration); end.After(last) {
			last, latest = end, o.Run
		}
		tools[o.Tool] = true
		devices[o.Device.CPU+", "+o.Device.Platform] = true
		if o.Device.Runtime != "" {
			runtimes[o.Device.Runtime] = true
		}
	}
	p := report.Provenance{
		Tool: "swaprun " + join(tools), Runtime: join(runtimes), Machine: join(devices),
		Started: stamp(first), Finished: stamp(last), Command: "swaprun " + filepath.Base(s.exp.File),
	}
	stats := map[Kind]*report.NodeStat{}
	for _, o := range origins {
		st := stats[o.kind]
		if st == nil {
			st = &report.NodeStat{Kind: string(o.kind)}
			stats[o.kind] = st
		}
		if o.run == latest {
			st.Ran++
		} else {
			st.Hit++
			p.Saved += o.seconds
		}
		if o.failed {
			st.Failed++
		}
		st.Seconds += o.seconds
		p.Seconds += o.seconds
	}
	for _, k := range Kinds {
		if st := stats[k]; st != nil {
			p.Nodes = append(p.Nodes, *st)
		}
	}
	var err error
	p.Reproduced, err = s.reproduced()
	b.Provenance = p
	return err
}

func join(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), "; ") }

// stamp prints a time of the ledger, to the second.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime) + " UTC"
}
