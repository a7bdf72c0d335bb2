package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cuelang.org/go/cue"

	"swaprun/extract/dataset"
	"swaprun/ledger"
	"swaprun/report"
)

// An Explanation is what swaprun knows of one node: why it is a hit or has to run, its key, field by field, and what sets it
// apart from an earlier key.
type Explanation struct {
	ID      string   `json:"id"`
	Kind    Kind     `json:"kind"`
	State   State    `json:"state"`
	Why     []string `json:"why"`
	Changed string   `json:"changed,omitempty"` // the first node of those it rests on, itself included, that is not what it was
	Causes  []Cause  `json:"causes"`            // what changed there

	Action   string       `json:"action,omitempty"`
	Fields   []KeyField   `json:"fields,omitempty"`
	Nearest  string       `json:"nearest,omitempty"` // action of the earlier key: that of the last run if it is known, else the most similar
	Changes  []FieldDelta `json:"changes,omitempty"`
	Records  []string     `json:"records,omitempty"`  // who computed it, when and where
	Conflict bool         `json:"conflict,omitempty"` // not all of them came to the same
}

// A Cause is one change that makes a node another.
type Cause struct {
	Role string `json:"role"`           // field of the node's key
	Path string `json:"path,omitempty"` // CUE path of the experiment that it comes from
	File string `json:"file,omitempty"` // file that is read for it
	Old  string `json:"old"`
	New  string `json:"new"`
}

// A KeyField is one input of a node's key.
type KeyField struct {
	Role  string `json:"role"`
	Value string `json:"value"`
}

// A FieldDelta is a field that differs from an earlier key; empty means absent.
type FieldDelta struct {
	Role string `json:"role"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Explain says why a node is a hit or has to run.
func Explain(ctx context.Context, exp *Experiment, opts Options, id string) (*Explanation, error) {
	s, err := open(ctx, exp, opts, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.nodes, func(n *Node) bool { return n.ID == id })
	if i < 0 {
		ids := make([]string, len(s.nodes))
		for i, n := range s.nodes {
			ids[i] = n.ID
		}
		hint := "`swaprun plan` lists the nodes"
		if n := nearest(id, ids); n != "" {
			hint = fmt.Sprintf("did you mean %s?", n)
		}
		return nil, fmt.Errorf("experiment %s has no node %s; %s", exp.Name, id, hint)
	}
	e := &explainer{session: s}
	if e.before, err = s.lastReport(); err != nil {
		return nil, err
	}
	return e.explain(s.nodes[i])
}

// An explainer compares a session with the last run of its experiment.
type explainer struct {
	*session
	before *ledger.Key // of that run's report; nil if there was none
	source []Change    // between that run's experiment and this one
}

func (e *explainer) explain(n *Node) (*Explanation, error) {
	x := &Explanation{ID: n.ID, Kind: n.Kind, State: n.State, Why: n.Why, Causes: []Cause{}}
	if e.before != nil {
		if v, ok := e.before.Get("experiment"); ok {
			e.source = sourceChanges(v.Bytes(), e.exp.Source)
		}
	}
	if n.Key != nil {
		x.Action = n.Key.ID().String()
		for _, f := range n.Key.Fields {
			x.Fields = append(x.Fields, KeyField{f.Role, f.Value.String()})
		}
		if err := e.records(x, n); err != nil {
			return nil, err
		}
		if err := e.compare(x, n); err != nil {
			return nil, err
		}
	}
	return x, e.trace(x, n)
}

// records lists the outcomes a node has, and what makes a hit one.
func (e *explainer) records(x *Explanation, n *Node) error {
	claims, err := e.led.Claims(n.Key.ID())
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range claims {
		o := c.Outcome
		text := fmt.Sprintf("%s in %s by swaprun %s on %s, run %s, entry %d",
			o.Started.UTC().Format(time.DateTime), o.Duration.Round(time.Millisecond), o.Tool, deviceText(o.Device), o.Run, c.Seq)
		if c.Import != nil {
			text += ", imported from " + c.Import.Origin
		}
		if o.Verified {
			text += ", to verify another"
		}
		x.Records = append(x.Records, text)
		if n.State == Hit && c.Seq == n.outcome.seq && len(x.Why) == 0 {
			x.Why = []string{fmt.Sprintf("reused because every field of its key is what it was on %s (entry %d)", o.Started.UTC().Format(time.DateTime), c.Seq)}
		}
	}
	r, ok, err := e.led.Lookup(n.Key.ID())
	x.Conflict = ok && r.Conflict
	return err
}

// compare sets the node's key beside an earlier one.
func (e *explainer) compare(x *Explanation, n *Node) error {
	was, _, err := e.predecessor(n)
	if err != nil {
		return err
	}
	if was == nil || was.ID() == n.Key.ID() {
		near, _, ok, err := e.led.Nearest(n.Key)
		if err != nil || !ok {
			return err
		}
		was = near
	}
	x.Nearest = was.ID().String()
	for _, d := range ledger.DiffKeys(was, n.Key) {
		x.Changes = append(x.Changes, FieldDelta{d.Path, d.Old, d.New})
	}
	return nil
}

// trace finds the first node that is not what it was in the last run, and why.
func (e *explainer) trace(x *Explanation, n *Node) error {
	for _, u := range e.upstream(n) {
		if u.Key == nil {
			if len(u.Why) > 0 && u != n && !strings.HasPrefix(u.Why[0], "waits for") {
				x.Changed = u.ID
				x.Causes = append(x.Causes, Cause{Role: "not known yet", New: u.Why[0]})
				return nil
			}
			continue
		}
		was, last, err := e.predecessor(u)
		if err != nil {
			return err
		}
		if was != nil && was.ID() == u.Key.ID() || u.State == Hit && !last {
			continue
		}
		x.Changed = u.ID
		if was == nil {
			if u.State == Due {
				x.Causes = append(x.Causes, Cause{Role: "new", New: "no run of " + e.exp.Name + " had it"})
			}
			return nil
		}
		for _, d := range ledger.DiffKeys(was, u.Key) {
			x.Causes = append(x.Causes, e.cause(u, d, roleOf(d.Path, was, u.Key)))
		}
		return nil
	}
	return nil
}

// upstream are the nodes that one rests on, in the order of the walk, itself last.
func (e *explainer) upstream(n *Node) []*Node {
	var list []*Node
	about := func(sr *series) bool { return true }
	switch n.Kind {
	case KindPairs, KindSweep, KindCheckpoint:
		return []*Node{n}
	case KindQuads, KindControl:
		about = func(*series) bool { return false }
	case KindHead:
		about = func(sr *series) bool { return sr == n.series }
	case KindCapture:
		own := e.seriesOf(n)
		about = func(sr *series) bool { return sr == own }
	case KindMetric:
		if n.series != nil {
			about = func(sr *series) bool { return sr == n.series }
		} else {
			about = func(sr *series) bool { return sr.model == n.model.model }
		}
	case KindFile, KindFigure:
		about = func(sr *series) bool {
			return slices.ContainsFunc(n.artefact.Inputs, func(in report.Input) bool { return in.Scale == sr.scale.Name })
		}
	}
	above := func(u *Node) bool {
		switch u.Kind {
		case KindPairs:
			return n.Kind != KindHead
		case KindQuads, KindControl, KindSweep:
			return n.Kind != KindQuads && n.Kind != KindControl && n.Kind != KindHead
		case KindHead:
			return n.Kind != KindCapture && about(u.series)
		case KindCheckpoint:
			return slices.ContainsFunc(e.allSeries(), func(sr *series) bool { return sr.checkpoint == u && about(sr) })
		case KindCapture:
			return n.Kind != KindCapture && n.Kind != KindHead && about(e.seriesOf(u))
		case KindMetric:
			return n.Kind == KindReport || (n.Kind == KindFile || n.Kind == KindFigure) && u.series != nil && about(u.series)
		}
		return false
	}
	for _, u := range e.nodes {
		if u == n {
			break
		}
		if above(u) {
			list = append(list, u)
		}
	}
	return append(list, n)
}

func (s *session) allSeries() []*series {
	var list []*series
	for _, m := range s.models {
		list = append(list, m.series...)
	}
	return list
}

// seriesOf is the scale that a query belongs to.
func (s *session) seriesOf(n *Node) *series {
	for _, sr := range s.allSeries() {
		if strings.HasPrefix(n.ID, "capture/"+sr.name()+"/") {
			return sr
		}
	}
	return nil
}

// lastReport is the key of the report of the experiment's last run, or nil.
func (s *session) lastReport() (*ledger.Key, error) {
	runs, err := s.led.Runs(s.exp.Name)
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(runs) {
		of, err := s.led.RunActions(r)
		if err != nil {
			return nil, err
		}
		for e, err := range s.led.OfKind(string(KindReport)) {
			if err != nil {
				return nil, err
			}
			if of(e) {
				return e.Outcome.Key, nil
			}
		}
	}
	return nil, nil
}

// predecessor is the key that a node had in the last run; last says that this is known for certain. Without it the most similar
// key of the ledger has to do.
func (e *explainer) predecessor(n *Node) (was *ledger.Key, last bool, err error) {
	if e.before == nil {
		return nil, false, nil
	}
	digest := func(role string) (d ledger.Digest, ok bool) {
		if v, found := e.before.Get(role); found {
			d, ok = v.Digest()
		}
		return d, ok
	}
	// made finds the outcome of a kind that had this output.
	made := func(output, role string, fits func(*ledger.Key) bool) (*ledger.Key, bool, error) {
		want, ok := digest(role)
		if !ok {
			return nil, false, nil
		}
		for c, err := range e.led.OfKind(string(n.Kind)) {
			if err != nil {
				return nil, false, err
			}
			if fits(c.Outcome.Key) && slices.ContainsFunc(c.Outcome.Outputs, func(o ledger.Output) bool { return o.Name == output && o.Digest == want }) {
				return c.Outcome.Key, true, nil
			}
		}
		return nil, false, nil
	}
	same := func(roles ...string) func(*ledger.Key) bool {
		return func(k *ledger.Key) bool {
			return !slices.ContainsFunc(roles, func(r string) bool {
				a, _ := k.Get(r)
				b, _ := n.Key.Get(r)
				return a != b
			})
		}
	}
	switch n.Kind {
	case KindReport:
		return e.before, true, nil
	case KindPairs:
		// Equal pairs may have been made of several tables: that which the run read.
		return made("set", "pairs", func(k *ledger.Key) bool {
			v, _ := k.Get("table")
			want, _ := e.before.Get("table")
			return v == want
		})
	case KindQuads:
		return made("quads", "quads", same())
	case KindCheckpoint:
		for _, sr := range e.allSeries() {
			if sr.checkpoint == n {
				if was, ok, err := made("weights", "weights "+sr.name(), same("family", "processor:config.json")); ok || err != nil {
					return was, ok, err
				}
				return made("weights", "weights "+sr.name(), same("family"))
			}
		}
	case KindMetric:
		return made("result", n.ID, same("metric", "comparison", "subset"))
	case KindCapture:
		sr := e.seriesOf(n)
		model, ok1 := digest("model " + sr.name())
		weights, ok2 := digest("weights " + sr.name())
		if !ok1 || !ok2 {
			break
		}
		k := captureKey(e.captureBase(&series{fingerprint: model, weights: weights}), n.query)
		_, ok, err := e.led.Lookup(k.ID())
		if ok || err != nil {
			return k, ok, err
		}
	}
	if n.State == Hit {
		return nil, false, nil
	}
	near, _, ok, err := e.led.Nearest(n.Key)
	if !ok {
		near = nil
	}
	return near, false, err
}

// cause says where a difference of a key comes from.
func (e *explainer) cause(n *Node, d ledger.KeyDiff, role string) Cause {
	c := Cause{Role: d.Path, Old: d.Old, New: d.New}
	models := func(sr *series, more ...string) string {
		sels := append([]string{"models", sr.model.Name}, more...)
		return cue.MakePath(selectors(sels)...).String()
	}
	option := strings.TrimPrefix(d.Path, role+".")
	switch n.Kind {
	case KindPairs:
		switch {
		case role == "table":
			c.Path, c.File = "data.path", e.tablePath
		case role == "options":
			c.Path = "data." + option
		case strings.HasPrefix(role, "picture "):
			c.File = filepath.Join(dataset.Folder(e.tablePath), filepath.FromSlash(strings.TrimPrefix(role, "picture ")))
		}
	case KindQuads:
		switch role {
		case "boxes":
			c.Path, c.File = "data.boxes", e.boxesPath
		case "options":
			c.Path = map[string]string{"RealSize": "data.heights", "Horizontal": "data.quads"}[option]
		}
	case KindCheckpoint:
		i := slices.IndexFunc(e.allSeries(), func(sr *series) bool { return sr.checkpoint == n })
		if i < 0 {
			break
		}
		sr := e.allSeries()[i]
		part, name, inFile := strings.Cut(role, ":")
		switch {
		case part == "checkpoint" && inFile:
			c.Path, c.File = models(sr, "scales", sr.scale.Name, "checkpoint"), filepath.Join(sr.src.Checkpoint, filepath.FromSlash(name))
		case part == "processor" && inFile:
			c.Path, c.File = models(sr, "processor"), filepath.Join(sr.src.Processor, filepath.FromSlash(name))
		case role == "max_new_tokens":
			c.Path = "decode.max_new_tokens"
		default:
			c.Path = models(sr, role)
		}
	case KindMetric:
		if role == "options" {
			c.Path = "statistics." + strings.ToLower(option)
		}
	case KindReport:
		if role == "experiment" {
			return e.sourceCause(c)
		}
		if role == "thumbnail" {
			c.Path = "report.thumbnail"
		}
	}
	// The experiment may name another file or value: that is the cause, and what it holds the consequence.
	for _, s := range e.source {
		if c.Path != "" && s.Path == c.Path {
			c.Old, c.New = s.Old, s.New
		}
	}
	return c
}

// sourceCause tells a changed experiment file by its values instead of its bytes.
func (e *explainer) sourceCause(c Cause) Cause {
	c.File, c.Old, c.New = e.exp.File, "", ""
	if len(e.source) == 0 {
		c.New = "spelt another way, with the same meaning; the page prints the file"
		return c
	}
	c.Path = e.source[0].Path
	c.Old, c.New = e.source[0].Old, e.source[0].New
	if n := len(e.source); n > 1 {
		c.New += fmt.Sprintf(" (and %d more values)", n-1)
	}
	return c
}

func deviceText(d ledger.Device) string {
	text := d.CPU + " " + d.Platform
	if d.Runtime != "" {
		text += " " + d.Runtime
	}
	return text
}
