package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"swaprun/analyze"
	"swaprun/extract"
	"swaprun/extract/dataset"
	"swaprun/ledger"
	"swaprun/ledger/npy"
)

// subsets in the order of every output.
var subsets = []analyze.Subset{analyze.AllPairs, analyze.BothCorrect, analyze.AllWithValidity}

// A resultID names a metric node of one series.
type resultID struct {
	metric    string
	subset    analyze.Subset
	condition string // a control condition, or the name of a sweep; "" for the questions as they are
}

// states are the outcomes of every query of one scale, loaded: pairs whose two queries both succeeded, and
// which pairs of the set those are.
type states struct {
	vectors *analyze.Vectors
	kept    []int // vectors.Pairs[i] is the item kept[i], in the set as it is set.Pairs[kept[i]]
	answers []pairAnswers
}

// pairAnswers are both answers of one pair of the set, or why there is none.
type pairAnswers struct {
	original, swapped answer
}

type answer struct {
	capture *extract.Capture // without States
	correct bool
	failure string
}

// walkMetrics computes what the experiment asks of one scale, subset by subset.
func (s *session) walkMetrics(ctx context.Context, sr *series) error {
	sr.results = map[resultID]*Node{}
	waits := s.captureList(sr)
	var nodes []*Node
	for _, m := range s.analyses() {
		if !s.feeds(m) || m.Readout && sr.head == nil || m.Wordings {
			continue
		}
		for _, subset := range subsets {
			if !m.AppliesTo(subset) {
				continue
			}
			id := fmt.Sprintf("metric/%s/%s/%s", sr.name(), subset, m.Name)
			why := waits
			key := s.metricKey(m, subset).Digest("captures", sr.list)
			if m.Readout {
				head, ok := sr.head.outcome.output("directions")
				if !ok && why == "" {
					why = "waits for " + sr.head.ID
				}
				key.Digest("head", head)
			}
			var n *Node
			if why != "" {
				n = s.add(KindMetric, id, nil, why)
			} else {
				n = s.add(KindMetric, id, key)
			}
			n.metric, n.subset, n.series = &m, subset, sr
			sr.results[resultID{metric: m.Name, subset: subset}] = n
			nodes = append(nodes, n)
		}
	}
	nodes = append(nodes, s.controlMetrics(sr, waits)...)
	todo, err := s.settle(nodes)
	if err != nil || len(todo) == 0 || !s.execute {
		return err
	}
	err = s.measureAll(ctx, sr, todo)
	spread(nodes)
	return err
}

// metricKey holds what every metric of a scale rests on, but for the captures.
func (s *session) metricKey(m analyze.Metric, subset analyze.Subset) *ledger.Key {
	return ledger.NewKey(string(KindMetric), kindVersion[KindMetric]).
		Text("metric", m.Name).Int("metric_version", int64(m.Version)).Text("subset", string(subset)).
		JSON("options", s.metricOptions()).Int("answers_version", answersVersion).
		Digest("pairs", s.setDigest).Digest("quads", s.quadsDigest)
}

// measureAll computes metrics of one scale, those of each condition on its own vectors.
func (s *session) measureAll(ctx context.Context, sr *series, todo []*Node) error {
	by := map[string][]*Node{}
	for _, n := range todo {
		by[n.condition] = append(by[n.condition], n)
	}
	for _, condition := range append([]string{""}, s.exp.conditions()...) {
		if len(by[condition]) == 0 {
			continue
		}
		v, err := s.vectorsUnder(ctx, sr, condition)
		if err != nil {
			return err
		}
		name := "metrics " + sr.name()
		if condition != "" {
			name += " " + condition
			defer v.Forget()
		}
		err = s.each(ctx, name, by[condition], func(_ context.Context, n *Node) ([]ledger.Blob, error) {
			r, err := n.metric.Run(v, n.subset, s.metricOptions())
			if r != nil {
				r.Condition = n.condition
			}
			return resultBlob(r, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walkComparisons computes what sets the scales of one model apart, on the pairs they share.
func (s *session) walkComparisons(ctx context.Context, m *modelWalk) error {
	var whole []*series // scales whose queries all have an outcome
	waits := ""
	for _, sr := range m.series {
		if sr.list != (ledger.Digest{}) {
			whole = append(whole, sr)
		} else {
			waits = "waits for captures of " + sr.name()
		}
	}
	if len(m.series) < 2 || s.execute && len(whole) < 2 {
		return nil
	}
	var nodes []*Node
	for _, c := range analyze.Comparisons() {
		if s.exp.Analyses != nil && !slices.Contains(s.exp.Analyses, c.Name) {
			continue
		}
		for _, subset := range subsets {
			if c.Subsets != nil && !slices.Contains(c.Subsets, subset) {
				continue
			}
			id := fmt.Sprintf("metric/%s/%s/%s", m.model.Name, subset, c.Name)
			var n *Node
			if waits != "" && !s.execute {
				n = s.add(KindMetric, id, nil, waits)
			} else {
				key := ledger.NewKey(string(KindMetric), kindVersion[KindMetric]).
					Text("comparison", c.Name).Int("metric_version", int64(c.Version)).Text("subset", string(subset)).
					JSON("options", s.metricOptions()).Int("answers_version", answersVersion).
					Digest("pairs", s.setDigest).Digest("quads", s.quadsDigest)
				names := make([]string, len(whole))
				for i, sr := range whole {
					names[i] = sr.scale.Name
					key.Digest("captures "+sr.scale.Name, sr.list)
				}
				n = s.add(KindMetric, id, key.Texts("scales", names...))
			}
			n.comparison, n.subset, n.model = &c, subset, m
			nodes = append(nodes, n)
		}
	}
	todo, err := s.settle(nodes)
	if err != nil || len(todo) == 0 || !s.execute {
		return err
	}
	names, vectors := make([]string, len(whole)), make([]*analyze.Vectors, len(whole))
	for i, sr := range whole {
		st, err := s.load(ctx, sr)
		if err != nil {
			return err
		}
		names[i], vectors[i] = sr.scale.Name, st.vectors
	}
	defer func() {
		for _, sr := range whole {
			sr.release()
			sr.derived = analyze.Derived{}
		}
	}()
	defer boundMemory()()
	err = s.each(ctx, "comparisons "+m.model.Name, todo, func(ctx context.Context, n *Node) ([]ledger.Blob, error) {
		return resultBlob(n.comparison.Run(names, vectors, n.subset, s.metricOptions()))
	})
	spread(nodes)
	return err
}

func resultBlob(r *analyze.Result, err error) ([]ledger.Blob, error) {
	if err != nil {
		return nil, err
	}
	blob, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("result of %s: %w", r.Metric, err)
	}
	return []ledger.Blob{{Name: "result", Bytes: blob}}, nil
}

// metricMemory is what metrics may take beyond the vectors: garbage is collected earlier than Go would by itself.
const metricMemory = 160 << 20

// boundMemory keeps the heap near what it holds now until the function it returns is called.
func boundMemory() (restore func()) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	old := debug.SetMemoryLimit(int64(m.HeapAlloc+m.StackSys) + metricMemory)
	return func() { debug.SetMemoryLimit(old) }
}

// release drops a scale's states. What was derived from them stays for the comparisons of scales, which come to the same sums.
func (sr *series) release() {
	if sr.states != nil {
		sr.derived = sr.states.vectors.Forget()
		sr.states = nil
	}
}

// feeds tells whether the experiment has what a metric needs.
func (s *session) feeds(m analyze.Metric) bool {
	asked := func(axis string) bool {
		return slices.ContainsFunc(s.quadList(), func(q *dataset.Quad) bool { return q.Axis == axis })
	}
	named := func() bool {
		return slices.ContainsFunc(s.set.Pairs, func(p dataset.Pair) bool { return p.First != "" || p.Second != "" })
	}
	return !(m.Quads && !asked("vertical")) && !(m.Horizontal && !asked("horizontal")) && !(m.Layouts && s.quads == nil) &&
		!(m.Objects && !named()) && !(m.Doubtful && len(s.set.Audit.Drop) == 0) && len(s.set.Pairs) > 0
}

func (s *session) metricOptions() analyze.Options {
	return analyze.Options{Draws: s.exp.Statistics.Draws, Seed: uint64(s.exp.Statistics.Seed)}
}

// captureList digests the outcomes of a scale's queries in the order of the set: what metrics, and files made from
// vectors, rest on. It returns what is waited for while there are queries without outcome.
func (s *session) captureList(sr *series) (waits string) {
	queries := sr.captures
	for _, q := range sr.quads {
		queries = append(queries, q[:]...) // some are captures of the set as well
	}
	sr.list, waits = listOf(sr, queries)
	return waits
}

// listOf digests the outcomes of queries; the digest is zero while some have none.
func listOf(sr *series, queries []*Node) (digest ledger.Digest, waits string) {
	list := make([]byte, 0, len(queries)*(1+2*len(digest))) // states and answer
	open := map[*Node]bool{}
	for _, n := range queries {
		if !n.done || n.outcome.err != nil {
			open[n] = true
			continue
		}
		tag := byte(0)
		if n.outcome.failed {
			tag = 1
		}
		list = append(list, tag)
		for _, out := range n.outcome.outputs {
			list = append(list, out.Digest[:]...)
		}
	}
	if len(open) > 0 {
		return ledger.Digest{}, fmt.Sprintf("waits for %d captures of %s", len(open), sr.name())
	}
	return ledger.Sum(list), ""
}

// load reads the outcomes of a scale's queries from the ledger, once.
func (s *session) load(ctx context.Context, sr *series) (*states, error) {
	if sr.states != nil {
		return sr.states, nil
	}
	items := make([]asked, len(s.set.Pairs))
	for i := range s.set.Pairs {
		p := &s.set.Pairs[i]
		items[i] = asked{p, p.Original, p.Swapped}
	}
	st, err := s.loadItems(ctx, sr, items, sr.captures)
	if err != nil {
		return nil, err
	}
	if st.vectors.Quads, err = s.loadQuads(sr, "vertical"); err != nil {
		return nil, err
	}
	if st.vectors.Horizontal, err = s.loadQuads(sr, "horizontal"); err != nil {
		return nil, err
	}
	if st.vectors.Readout, err = s.loadHead(sr); err != nil {
		return nil, err
	}
	st.vectors.Recall(sr.derived)
	sr.states = st
	return st, nil
}

// asked is a pair with the two questions put to a model.
type asked struct {
	pair              *dataset.Pair
	original, swapped dataset.Question
}

// loadItems reads the outcomes of items' queries, two each.
func (s *session) loadItems(ctx context.Context, sr *series, items []asked, captures []*Node) (*states, error) {
	getToWork()
	blocks, width := sr.info.Blocks, sr.info.Width
	st := &states{answers: make([]pairAnswers, len(items))}
	flat := make([][2][]float32, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, item := range items {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			for j, q := range []dataset.Question{item.original, item.swapped} {
				n := captures[2*i+j]
				a, err := s.loadAnswer(n)
				if err != nil {
					return err
				}
				if a.capture != nil {
					a.correct = s.correct(a.capture.Answer, q)
					if flat[i][j], err = s.loadStates(n, blocks, width); err != nil {
						return err
					}
				}
				if j == 0 {
					st.answers[i].original = a
				} else {
					st.answers[i].swapped = a
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	v := &analyze.Vectors{Width: width, Answered: true}
	for b := range blocks {
		v.Blocks = append(v.Blocks, b)
	}
	layouts, scenes := s.layouts()
	doubtful := map[string]bool{}
	for _, id := range s.set.Audit.Drop {
		doubtful[id] = true
	}
	for i, item := range items {
		if flat[i][0] == nil || flat[i][1] == nil {
			continue // a failed query: counted among the failures, shown in the report
		}
		p, a := item.pair, &st.answers[i]
		v.Answered = v.Answered && item.original.Answer != ""
		scene := scenes[p.ID]
		if scene == "" {
			scene = p.Image
		}
		v.Pairs = append(v.Pairs, analyze.Pair{
			ID: p.ID, Index: indexNumber(p), QuestionID: p.QuestionID, Category: p.Category, Axis: p.Axis, Scene: scene, Layout: layouts[p.ID],
			Objects: [2]string{p.First, p.Second}, Doubtful: doubtful[p.ID],
			CorrectOriginal: a.original.correct, CorrectSwapped: a.swapped.correct,
			AnswerOriginal: a.original.capture.Answer, AnswerSwapped: a.swapped.capture.Answer,
		})
		v.Original = append(v.Original, flat[i][0])
		v.Swapped = append(v.Swapped, flat[i][1])
		st.kept = append(st.kept, i)
	}
	st.vectors = v
	return st, nil
}

// indexNumber is the row label as the released files number pairs: the table's index where it is whole, else the row.
func indexNumber(p *dataset.Pair) int64 {
	if n, err := strconv.ParseInt(string(p.Index), 10, 64); err == nil {
		return n
	}
	return int64(p.Row)
}

// loadAnswer reads what a query left besides its states.
func (s *session) loadAnswer(n *Node) (answer, error) {
	if n.outcome.failed {
		reason, err := s.failure(n)
		return answer{failure: reason}, err
	}
	d, ok := n.outcome.output("answer")
	if !ok {
		return answer{}, fmt.Errorf("%s: the ledger's entry has no answer", n.ID)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", n.ID, err)
	}
	var c extract.Capture
	if err := json.Unmarshal(blob, &c); err != nil {
		return answer{}, fmt.Errorf("%s: stored answer: %w", n.ID, err)
	}
	return answer{capture: &c}, nil
}

// loadStates reads a query's states, [blocks, width].
func (s *session) loadStates(n *Node, blocks, width int) ([]float32, error) {
	d, ok := n.outcome.output("states")
	if !ok {
		return nil, fmt.Errorf("%s: the ledger's entry has no states", n.ID)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.ID, err)
	}
	array, err := npy.Unmarshal(blob)
	if err != nil {
		return nil, fmt.Errorf("%s: stored states: %w", n.ID, err)
	}
	if !slices.Equal(array.Shape, []int{blocks, width}) {
		return nil, fmt.Errorf("%s: stored states have shape %v, expected [%d %d]", n.ID, array.Shape, blocks, width)
	}
	return npy.Values[float32](array)
}

// failure is the stored reason of a failed query.
func (s *session) failure(n *Node) (string, error) {
	d, ok := n.outcome.output("failure")
	if !ok {
		return "", fmt.Errorf("%s: the ledger's entry has no reason", n.ID)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return "", err
	}
	var f queryFailure
	if err := json.Unmarshal(blob, &f); err != nil {
		return "", fmt.Errorf("%s: stored failure: %w", n.ID, err)
	}
	return f.Stage + ": " + f.Error, nil
}

// indexText is the row label as pandas writes it.
func indexText(p *dataset.Pair) string {
	var text string
	if json.Unmarshal(p.Index, &text) == nil {
		return text
	}
	return string(p.Index)
}

// result reads a metric's result from the ledger; nil where the node has no good outcome.
func (s *session) result(n *Node) (*analyze.Result, error) {
	if n == nil || !n.good() {
		return nil, nil
	}
	d, ok := n.outcome.output("result")
	if !ok {
		return nil, fmt.Errorf("%s: the ledger's entry has no result", n.ID)
	}
	s.resultsMu.Lock()
	r := s.cachedResults[d]
	s.resultsMu.Unlock()
	if r != nil {
		return r, nil
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.ID, err)
	}
	r = new(analyze.Result)
	if err := json.Unmarshal(blob, r); err != nil {
		return nil, fmt.Errorf("%s: stored result: %w", n.ID, err)
	}
	s.resultsMu.Lock()
	defer s.resultsMu.Unlock()
	if s.cachedResults == nil {
		s.cachedResults = map[ledger.Digest]*analyze.Result{}
	}
	s.cachedResults[d] = r
	return r, nil
}
