package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"swaprun/analyze"
	"swaprun/extract"
	"swaprun/ledger"
)

// A Diff is how two experiments, runs or shared archives differ. What is equal by digest is not looked into.
type Diff struct {
	A           string       `json:"a"`
	B           string       `json:"b"`
	Equal       bool         `json:"equal"`
	Experiment  []Change     `json:"experiment"` // values of the experiment file, by CUE path
	Spelling    bool         `json:"spelling"`   // the files differ, and mean the same
	Inputs      []Change     `json:"inputs"`     // by digest
	Environment []Change     `json:"environment"`
	Queries     []QueryDiff  `json:"queries"` // scales with queries that differ
	Results     []ResultDiff `json:"results"` // results that differ
	SameInputs  int          `json:"same_inputs"`
	SameScales  int          `json:"same_scales"`
	SameResults int          `json:"same_results"`
	Notes       []string     `json:"notes"`
}

// A QueryDiff compares the queries of one scale that both sides asked.
type QueryDiff struct {
	Scale   string       `json:"scale"`
	Both    int          `json:"both"`
	States  int          `json:"states"`  // of these, with other hidden states
	Answers int          `json:"answers"` // with another answer
	OnlyA   int          `json:"only_a"`
	OnlyB   int          `json:"only_b"`
	List    []AnswerDiff `json:"list"` // answers that differ
}

// An AnswerDiff is one query answered in two ways.
type AnswerDiff struct {
	Question string `json:"question"`
	Image    string `json:"image"`
	A        string `json:"a"`
	B        string `json:"b"`
}

// A ResultDiff compares one result number by number.
type ResultDiff struct {
	Node    string        `json:"node"`
	Because []string      `json:"because"` // inputs of it that differ
	Numbers int           `json:"numbers"` // in both
	Differ  int           `json:"differ"`
	List    []NumberDelta `json:"list"` // those that differ, the largest difference first
	Note    string        `json:"note,omitempty"`
}

// A NumberDelta is one number in two results; one that is absent is null.
type NumberDelta struct {
	Number string   `json:"number"`
	A      *float64 `json:"a"`
	B      *float64 `json:"b"`
	Delta  *float64 `json:"delta,omitempty"`
}

// Compare says how two things differ: each an experiment file, a shared archive, or a run of the ledger.
func Compare(ctx context.Context, a, b string, opts Options) (d *Diff, err error) {
	var led *ledger.Ledger
	open := sync.OnceValues(func() (l *ledger.Ledger, err error) {
		led, err = ledger.Open(opts.Ledger, ledger.Options{ReadOnly: true, Wait: 10 * time.Second})
		return led, err
	})
	defer func() {
		if led != nil {
			err = errors.Join(err, led.Close())
		}
	}()
	var views [2]*view
	var failed [2]error
	var both sync.WaitGroup
	for i, name := range []string{a, b} {
		both.Go(func() { views[i], failed[i] = openView(ctx, name, open, opts) })
	}
	both.Wait()
	for _, v := range views {
		if v != nil {
			defer v.close()
		}
	}
	if err := cmp.Or(failed[0], failed[1]); err != nil {
		return nil, err
	}
	return compareViews(views[0], views[1])
}

func compareViews(a, b *view) (*Diff, error) {
	d := &Diff{
		A: a.label, B: b.label, Experiment: []Change{}, Inputs: []Change{}, Environment: []Change{}, Queries: []QueryDiff{}, Results: []ResultDiff{}, Notes: []string{},
	}
	if !equalSource(a, b) {
		d.Experiment = append(d.Experiment, sourceChanges(a.source, b.source)...)
		d.Spelling = len(d.Experiment) == 0
	}
	for _, name := range union(a.inputs, b.inputs) {
		x, y := a.inputs[name], b.inputs[name]
		switch {
		case x == y:
			d.SameInputs++
		case !strings.HasPrefix(name, "captures "): // they are compared one by one
			d.Inputs = append(d.Inputs, Change{name, digestText(x), digestText(y)})
		}
	}
	for _, what := range []string{"program", "runtime", "processor"} {
		if x, y := a.environment(what), b.environment(what); x != y {
			d.Environment = append(d.Environment, Change{what, x, y})
		}
	}
	if err := d.compareQueries(a, b); err != nil {
		return nil, err
	}
	if err := d.compareResults(a, b); err != nil {
		return nil, err
	}
	for _, v := range []*view{a, b} {
		if v.missing > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: %d nodes have no outcome yet; a run computes them", v.label, v.missing))
		}
	}
	d.Equal = len(d.Experiment)+len(d.Inputs)+len(d.Environment)+len(d.Queries)+len(d.Results)+len(d.Notes) == 0 && !d.Spelling
	return d, nil
}

func union[V any](a, b map[string]V) []string {
	names := slices.Collect(maps.Keys(a))
	for n := range b {
		if _, both := a[n]; !both {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

func digestText(d ledger.Digest) string {
	if d == (ledger.Digest{}) {
		return ""
	}
	return d.String()
}

func (d *Diff) compareQueries(a, b *view) error {
	for _, scale := range union(a.queries, b.queries) {
		if list, ok := a.inputs["captures "+scale]; ok && list == b.inputs["captures "+scale] {
			d.SameScales++
			continue
		}
		x, y := a.queries[scale], b.queries[scale]
		q := QueryDiff{Scale: scale, List: []AnswerDiff{}}
		for id, o := range x {
			p, ok := y[id]
			if !ok {
				q.OnlyA++
				continue
			}
			q.Both++
			if !sameOutputs(o, p, "states") {
				q.States++
			}
			if sameOutputs(o, p, "answer") && sameOutputs(o, p, "failure") {
				continue
			}
			was, err := answerOf(a, o)
			if err != nil {
				return err
			}
			is, err := answerOf(b, p)
			if err != nil {
				return err
			}
			if was != is {
				q.Answers++
				q.List = append(q.List, AnswerDiff{id.question, id.image, was, is})
			}
		}
		for id := range y {
			if _, ok := x[id]; !ok {
				q.OnlyB++
			}
		}
		slices.SortFunc(q.List, func(a, b AnswerDiff) int { return strings.Compare(a.Question+a.Image, b.Question+b.Image) })
		if q.States+q.Answers+q.OnlyA+q.OnlyB == 0 {
			d.SameScales++
			continue
		}
		d.Queries = append(d.Queries, q)
	}
	return nil
}

// answerOf is a query's answer, or why it has none.
func answerOf(v *view, o *ledger.Outcome) (string, error) {
	for _, out := range o.Outputs {
		if out.Name != "answer" && out.Name != "failure" {
			continue
		}
		blob, err := v.get(out.Digest)
		if err != nil {
			return "", fmt.Errorf("%s: %w", v.label, err)
		}
		var c extract.Capture
		var f queryFailure
		if out.Name == "failure" {
			err = json.Unmarshal(blob, &f)
			return "failed: " + f.Stage + ": " + f.Error, err
		}
		err = json.Unmarshal(blob, &c)
		return c.Answer, err
	}
	return "", nil
}

func (d *Diff) compareResults(a, b *view) error {
	for _, node := range union(a.metrics, b.metrics) {
		x, inA := a.metrics[node]
		y, inB := b.metrics[node]
		if inA && inB && x.result == y.result {
			d.SameResults++
			continue
		}
		r := ResultDiff{Node: node, Because: d.because(node, x.key, y.key), List: []NumberDelta{}}
		var p, q []number
		var err error
		if inA {
			if p, err = numbersOf(a, x.result); err != nil {
				return err
			}
		}
		if inB {
			if q, err = numbersOf(b, y.result); err != nil {
				return err
			}
		}
		switch {
		case !inA:
			r.Note = "in B only"
		case !inB:
			r.Note = "in A only"
		default:
			r.compare(p, q)
		}
		d.Results = append(d.Results, r)
	}
	return nil
}

// because names the inputs that explain why a result differs.
func (d *Diff) because(node string, x, y *ledger.Key) []string {
	list := []string{}
	for _, c := range d.Inputs {
		what, scale, _ := strings.Cut(c.Path, " ")
		model, _, _ := strings.Cut(scale, "/")
		comparison := strings.Count(node, "/") == 3 // of all scales of a model
		if scale == "" && what != "table" || scale != "" && (strings.HasPrefix(node, "metric/"+scale+"/") || comparison && strings.HasPrefix(node, "metric/"+model+"/")) {
			list = append(list, c.Path)
		}
	}
	if x != nil && y != nil {
		for _, k := range ledger.DiffKeys(x, y) {
			role := roleOf(k.Path, x, y)
			if !strings.HasPrefix(role, "captures") && role != "pairs" && role != "quads" {
				list = append(list, k.String())
			}
		}
	}
	return list
}

// A number is one estimate of a result, by a name that people read.
type number struct {
	name  string
	value *float64
}

func numbersOf(v *view, d ledger.Digest) ([]number, error) {
	blob, err := v.get(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.label, err)
	}
	var r analyze.Result
	if err := json.Unmarshal(blob, &r); err != nil {
		return nil, fmt.Errorf("%s: result %s: %w", v.label, d, err)
	}
	return numbers(&r), nil
}

func numbers(r *analyze.Result) []number {
	var list []number
	place := func(block int) string {
		if block < 0 {
			return ""
		}
		return fmt.Sprintf("block %d ", block)
	}
	if r.Curve != nil {
		for _, l := range r.Curve.Lines {
			for _, p := range l.Points {
				list = append(list, number{place(p.Block) + l.Key, p.Value})
			}
		}
	}
	for _, g := range r.Grids {
		for i, row := range g.Cells {
			for j, c := range row {
				list = append(list, number{place(g.Block) + g.Rows[i] + " × " + g.Cols[j], c.Value})
			}
		}
	}
	if r.Table != nil {
		for _, row := range r.Table.Rows {
			for j, c := range row.Cells {
				list = append(list, number{row.Key + ", " + r.Table.Columns[j], c.Value})
			}
		}
	}
	for _, c := range r.Clouds {
		for i, m := range c.Points {
			for j, x := range m.At {
				list = append(list, number{fmt.Sprintf("%s%s point %d, %s", place(c.Block), c.View, i, c.Axes[j]), &x})
			}
		}
	}
	return list
}

func (r *ResultDiff) compare(p, q []number) {
	was := map[string]*float64{}
	for _, n := range p {
		was[n.name] = n.value
	}
	unseen := maps.Clone(was)
	for _, n := range q {
		old, ok := was[n.name]
		delete(unseen, n.name)
		if ok {
			r.Numbers++
		}
		if ok && (old == nil && n.value == nil || old != nil && n.value != nil && *old == *n.value) {
			continue
		}
		if !ok && n.value == nil {
			continue
		}
		r.Differ++
		delta := NumberDelta{Number: n.name, A: old, B: n.value}
		if old != nil && n.value != nil {
			by := *n.value - *old
			delta.Delta = &by
		}
		r.List = append(r.List, delta)
	}
	for name, v := range unseen {
		if v != nil {
			r.Differ++
			r.List = append(r.List, NumberDelta{Number: name, A: v})
		}
	}
	size := func(n NumberDelta) float64 {
		if n.Delta == nil {
			return math.Inf(1)
		}
		return math.Abs(*n.Delta)
	}
	slices.SortFunc(r.List, func(a, b NumberDelta) int {
		if x, y := size(a), size(b); x != y {
			if x > y {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Number, b.Number)
	})
	if r.Differ == 0 {
		r.Note = "the numbers are equal; intervals, nulls or notes differ"
	}
}
