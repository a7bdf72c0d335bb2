package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
)

// Options say where a run writes and whom it tells.
type Options struct {
	Out      string   // directory of the results
	Ledger   string   // file of the ledger
	Scales   []string // only these; nil is all
	Version  string   // of this binary, for the record
	Progress Progress // nil is Silent
}

// A session walks an experiment's nodes in dependency order: pairs, then per model and scale checkpoint, captures,
// metrics and artefacts, then the report. Planning and running are the same walk; planning leaves what the ledger does
// not hold as it is, and what rests on it unknown.
type session struct {
	exp     *Experiment
	opts    Options
	led     *ledger.Ledger
	execute bool   // false: planning
	id      string // of this run, in the ledger's records
	started time.Time

	nodes       []*Node // in order of the walk
	spare       []Node  // that nodes are taken from
	tablePath   string
	tableDigest ledger.Digest
	table       *dataset.Table // open only if a table had to be read
	set         *dataset.Set
	setDigest   ledger.Digest
	pairs       *Node
	boxesPath   string           // "" without boxes
	quads       *dataset.QuadSet // nil without boxes
	quadsDigest ledger.Digest
	controls    []*control
	sweeps      []*sweep     // by name
	models      []*modelWalk // in declaration order
	missing     Problems     // weights that are not there: a plan can do without

	resultsMu     sync.Mutex
	cachedResults map[ledger.Digest]*analyze.Result

	verification *verification // set while nodes are executed again, to be compared instead of recorded

	report      *Node
	runtimePath string // of the library; "" if there is none, which only a plan allows
	runtimeName string // "onnxruntime 1.30.0 cpu"
	threads     int    // of one query of the scale being captured
}

// open checks what can be checked before any work, then opens the ledger.
func open(ctx context.Context, exp *Experiment, opts Options, execute bool) (*session, error) {
	if opts.Progress == nil {
		opts.Progress = Silent{}
	}
	s := &session{exp: exp, opts: opts, execute: execute, id: rand.Text(), started: time.Now()}
	if err := s.preflight(execute); err != nil {
		return nil, err
	}
	how := ledger.Options{
		Wait:   time.Hour,
		OnWait: func(holder string) { opts.Progress.Note("waiting for the ledger %s, held by %s", opts.Ledger, holder) },
	}
	led, err := ledger.Open(opts.Ledger, how)
	if how.ReadOnly = !execute && (errors.Is(err, ledger.ErrNotWritable) || errors.Is(err, ledger.ErrNetworkFS)); how.ReadOnly {
		// Looking needs no writing: only digests of files are not remembered then.
		var failure error
		if led, failure = ledger.Open(opts.Ledger, how); failure == nil || !errors.Is(failure, fs.ErrNotExist) {
			err = failure
		}
	}
	if err != nil {
		return nil, err
	}
	s.led = led
	if err := s.learnRuntime(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *session) close() error { return s.led.Close() }

// lookGarbage is how much garbage, in percent of what is in use, may pile up while nodes are only looked up. That takes
// a moment and little memory; collecting as Go does by default would be a fifth of it.
const lookGarbage = 800

// garbage holds the usual limit while it is raised.
var garbage struct {
	sync.Mutex
	raised bool
	usual  int
}

// LookOnly is for a process that begins with a session: until something has to be computed, if anything has, nodes are
// only looked up.
func LookOnly() {
	garbage.Lock()
	defer garbage.Unlock()
	if !garbage.raised {
		garbage.raised, garbage.usual = true, debug.SetGCPercent(lookGarbage)
	}
}

// getToWork ends what LookOnly began.
func getToWork() {
	garbage.Lock()
	defer garbage.Unlock()
	if garbage.raised {
		debug.SetGCPercent(garbage.usual)
		garbage.raised = false
	}
}

// walk visits every node.
func (s *session) walk(ctx context.Context) error {
	if err := s.walkPairs(ctx); err != nil {
		return err
	}
	if err := s.walkQuads(ctx); err != nil {
		return err
	}
	if err := s.walkControls(ctx); err != nil {
		return err
	}
	if err := s.walkSweeps(ctx); err != nil {
		return err
	}
	for _, m := range s.models {
		for _, sr := range m.series {
			if err := s.walkSeries(ctx, m, sr); err != nil {
				return err
			}
		}
		if err := s.walkComparisons(ctx, m); err != nil {
			return err
		}
		if err := s.walkArtefacts(ctx, m, nil); err != nil {
			return err
		}
	}
	return s.walkReport(ctx)
}

// walkSeries visits one scale. Its states are in memory for no longer than that.
func (s *session) walkSeries(ctx context.Context, m *modelWalk, sr *series) error {
	if err := s.walkCheckpoint(ctx, sr); err != nil {
		return err
	}
	if err := s.learn(m, sr); err != nil {
		return err
	}
	if err := s.walkHead(ctx, sr); err != nil {
		return err
	}
	if err := s.walkCaptures(ctx, sr); err != nil {
		return err
	}
	defer sr.release()
	if err := s.walkMetrics(ctx, sr); err != nil {
		return err
	}
	if err := s.walkSweepMetrics(ctx, sr); err != nil {
		return err
	}
	return s.walkArtefacts(ctx, m, sr)
}

// add enters a node into the walk. Its key is nil while something it rests on is unknown, and why says what.
func (s *session) add(kind Kind, id string, key *ledger.Key, why ...string) *Node {
	if len(s.spare) == 0 {
		s.spare = make([]Node, 128) // there may be a hundred thousand of them
	}
	n := &s.spare[0]
	s.spare = s.spare[1:]
	*n = Node{ID: id, Kind: kind, Key: key, Why: why}
	if key == nil {
		n.State = Unknown
	}
	s.nodes = append(s.nodes, n)
	return n
}

// settle finds out which of the nodes the ledger holds. Nodes that have to run are returned, each action once: nodes
// that describe the same work share its outcome through twins.
func (s *session) settle(nodes []*Node) (todo []*Node, err error) {
	known := make([]*Node, 0, len(nodes))
	for _, n := range nodes {
		if n.Key != nil && !n.done {
			known = append(known, n)
		}
	}
	ids := make([]ledger.ActionID, len(known))
	shareOut(len(known), func(i int) { ids[i] = known[i].action() })
	found, err := s.led.LookupAll(ids)
	if err != nil {
		return nil, err
	}
	first := map[ledger.ActionID]*Node{}
	var due []*Node // to be explained
	for i, n := range known {
		if r := &found[i]; r.Known() {
			n.State, n.done = Hit, true
			n.outcome = outcome{failed: r.Failed, outputs: r.Outputs, seq: r.Seq, claims: r.Claims, conflict: r.Conflict}
			continue
		}
		n.State = Due
		if len(n.Why) == 0 {
			n.Why = notInLedger
			due = append(due, n)
		}
		if twin := first[ids[i]]; twin != nil {
			n.twin = twin
			continue
		}
		first[ids[i]] = n
		todo = append(todo, n)
	}
	if !s.execute {
		s.whyDue(due[:min(len(due), explained)])
	}
	return todo, nil
}

// notInLedger is why a node runs where nobody asks further.
var notInLedger = []string{"not in the ledger"}

// keyShare is how many keys are worth a goroutine of their own.
const keyShare = 500

// shareOut calls do for the numbers below n, on as many processors as are worth it.
func shareOut(n int, do func(i int)) {
	share := max(keyShare, (n+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for from := 0; from < n; from += share {
		wait.Go(func() {
			for i := from; i < min(from+share, n); i++ {
				do(i)
			}
		})
	}
	wait.Wait()
}

// explained bounds how many nodes of one batch a plan compares with earlier keys; the rest of a thousand like nodes has
// the same reason or can be asked with explain.
const explained = 2000

// whyDue says what sets each node's key apart from the nearest earlier one: the short form of explain.
func (s *session) whyDue(nodes []*Node) {
	byKind := map[Kind][]*Node{}
	for _, n := range nodes {
		byKind[n.Kind] = append(byKind[n.Kind], n)
	}
	for kind, nodes := range byKind {
		keys := make([]*ledger.Key, len(nodes))
		for i, n := range nodes {
			keys[i] = n.Key
		}
		near, err := s.led.NearestAll(keys)
		if err != nil {
			continue // the ledger does not hold them, whatever it holds
		}
		shareOut(len(nodes), func(i int) {
			if near[i] == nil {
				nodes[i].Why = []string{"the ledger holds no " + string(kind) + " yet"}
				return
			}
			nodes[i].Why = []string{whyAnother(nodes[i], near[i].Outcome.Key)}
		})
	}
}

// whyAnother names the fields that a node's key does not share with an earlier one.
func whyAnother(n *Node, near *ledger.Key) string {
	roles := ledger.DiffRoles(near, n.Key)
	// Every query has a question and a picture of its own; that is not what a person asks about.
	if asks := func(r string) bool { return r == "question" || r == "image" }; n.Kind == KindCapture {
		if !slices.ContainsFunc(roles, func(r string) bool { return !asks(r) }) {
			return "not asked yet"
		}
		roles = slices.DeleteFunc(roles, asks)
	}
	if len(roles) > 4 {
		roles = append(roles[:3], fmt.Sprintf("%d more", len(roles)-3))
	}
	return "new " + strings.Join(roles, ", ")
}

// roleOf is the field that a difference lies in.
func roleOf(path string, keys ...*ledger.Key) string {
	for _, k := range keys {
		for _, f := range k.Fields {
			if rest, ok := strings.CutPrefix(path, f.Role); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return f.Role
			}
		}
	}
	return path
}

// finish takes the outcome of a node that ran, and that of its twins.
func (s *session) finish(n *Node, o outcome) {
	n.outcome, n.done, n.ran = o, true, true
}

// spread copies outcomes to nodes that describe the same work as another.
func spread(nodes []*Node) {
	for _, n := range nodes {
		if n.twin != nil && n.twin.done {
			n.outcome, n.done = n.twin.outcome, true
			n.State = Hit // computed once, by its twin
		}
	}
}

// each runs work on nodes in parallel, in-process nodes being small, and records each outcome as it comes.
func (s *session) each(ctx context.Context, stage string, nodes []*Node, work func(ctx context.Context, n *Node) ([]ledger.Blob, error)) error {
	if len(nodes) == 0 {
		return nil
	}
	getToWork()
	progress := s.opts.Progress.Stage(stage, len(nodes))
	defer progress.End()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rec := s.recorder(progress, stop)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, n := range nodes {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			start := time.Now()
			blobs, err := work(ctx, n)
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s.finish(n, outcome{err: err})
				progress.Step(1)
				return nil
			}
			rec.put(n, blobs, false, start)
			return nil
		})
	}
	err := g.Wait()
	if failure := rec.close(); failure != nil {
		return failure // the reason of the other
	}
	return err
}

// steadily repeats work whose inputs were written to meanwhile, though they hold the same bytes again.
func (s *session) steadily(work func() error) error {
	const tries = 20
	var err error
	for range tries {
		if err = work(); !errors.Is(err, ledger.ErrTouched) {
			return err
		}
		s.opts.Progress.Note("%v; what was read meanwhile is read again", err)
	}
	return fmt.Errorf("%w, %d times over: let nothing write there while swaprun runs", err, tries)
}

// meta says who computed a node. Only captures run in onnxruntime.
func (s *session) meta(kind Kind, start time.Time, took time.Duration) ledger.Meta {
	device := ledger.ThisDevice("")
	if kind == KindCapture {
		// The number of threads decides how products are split, and so the last bits of a state. Like the processor it is
		// part of the device class, not of the key: the same query on another machine is the same query.
		device = ledger.ThisDevice(fmt.Sprintf("%s, %d threads", s.runtimeName, s.threads))
	}
	return ledger.Meta{Run: s.id, Tool: s.opts.Version, Device: device, Started: start, Duration: took}
}

// recordRun appends what this run reused and computed.
func (s *session) recordRun() error {
	hits := make([]ledger.ActionID, 0, len(s.nodes))
	for _, n := range s.nodes {
		if n.done && !n.ran && n.Key != nil {
			hits = append(hits, n.action())
		}
	}
	_, total := tally(s.nodes)
	return s.led.RecordRun(ledger.Run{
		Name: s.exp.Name, Ran: uint64(total.Ran), Failed: uint64(total.Failed),
		Meta: s.meta(KindReport, s.started, time.Since(s.started)),
	}, hits)
}

// analyses are the metrics the experiment asks for, by name.
func (s *session) analyses() []analyze.Metric {
	var out []analyze.Metric
	for _, m := range analyze.Metrics() {
		if s.exp.Analyses == nil || slices.Contains(s.exp.Analyses, m.Name) {
			out = append(out, m)
		}
	}
	return out
}
