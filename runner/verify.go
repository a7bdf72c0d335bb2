package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"swaprun/extract"
	"swaprun/ledger"
	"swaprun/ledger/npy"
)

// statesTolerance is how far apart two executions of one query may lie, on whatever device: the largest difference
// within a block's states, over the largest of these states. Float32 kernels of one graph that sum in another order (vector
// width, threads) differ by some 1e-6 after tens of blocks; 1e-5 leaves room for depth, and is a tenth of what separates an
// implementation from the reference.
const statesTolerance = 1e-5

// logitTolerance is the same for the logits of the first answer token, over the largest of them.
const logitTolerance = 1e-5

// A Sample says how many of an experiment's nodes are verified. The zero Sample is all.
type Sample struct {
	Count int     // at most so many; 0: Share decides
	Share float64 // of the nodes, above 0 and at most 1; 0: all
	Seed  uint64
}

// ParseSample reads "25" or "2%".
func ParseSample(text string) (Sample, error) {
	bad := fmt.Errorf("sample %q: expected a number of nodes, or a share as in 2%%", text)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || !(p > 0 && p <= 100) {
			return Sample{}, bad
		}
		return Sample{Share: p / 100}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return Sample{}, bad
	}
	return Sample{Count: n}, nil
}

// size is how many of n are taken.
func (s Sample) size(n int) int {
	switch {
	case s.Count > 0:
		return min(s.Count, n)
	case s.Share > 0:
		return min(n, int(math.Ceil(s.Share*float64(n))))
	}
	return n
}

// take draws nodes: those whose actions hash lowest with the seed, so that a larger sample of one seed contains the smaller.
func (s Sample) take(nodes []*Node) map[*Node]bool {
	type ranked struct {
		rank [sha256.Size]byte
		node *Node
	}
	list := make([]ranked, len(nodes))
	for i, n := range nodes {
		id := n.Key.ID()
		list[i] = ranked{sha256.Sum256(binary.BigEndian.AppendUint64(id[:], s.Seed)), n}
	}
	slices.SortFunc(list, func(a, b ranked) int { return bytes.Compare(a.rank[:], b.rank[:]) })
	taken := map[*Node]bool{}
	for _, r := range list[:s.size(len(list))] {
		taken[r.node] = true
	}
	return taken
}

// How an execution compares with the outcome that stands.
const (
	SameBits        = "same bits"
	WithinTolerance = "within tolerance"
	Differs         = "differs"
	NotExecuted     = "not executed"
)

// A Verification is what executing nodes again came to; its JSON form is for scripts.
type Verification struct {
	Experiment string                `json:"experiment"`
	Nodes      map[Kind]*VerifyTally `json:"nodes"`
	Total      VerifyTally           `json:"total"`
	Recorded   int                   `json:"recorded"`          // nodes of the experiment that the ledger holds
	Missing    int                   `json:"missing"`           // nodes that it does not hold; a run would compute them
	Largest    *Check                `json:"largest,omitempty"` // the largest difference of all
	Devices    []string              `json:"devices"`           // classes that computed the outcomes that stand
	Device     string                `json:"device"`            // this one
	Findings   []Check               `json:"findings"`          // what differs, or could not be executed
	Seconds    float64               `json:"seconds"`
}

// A VerifyTally counts verified nodes.
type VerifyTally struct {
	Verified int `json:"verified"`
	Same     int `json:"same"`   // bit for bit
	Within   int `json:"within"` // the declared tolerance
	Differ   int `json:"differ"`
	Failed   int `json:"failed"` // could not be executed
}

func (t *VerifyTally) count(verdict string) {
	t.Verified++
	switch verdict {
	case SameBits:
		t.Same++
	case WithinTolerance:
		t.Within++
	case Differs:
		t.Differ++
	case NotExecuted:
		t.Failed++
	}
}

// A Check is one node executed again.
type Check struct {
	Node       string   `json:"node"`
	Verdict    string   `json:"verdict"`
	Difference *float64 `json:"difference"` // largest; null where there is none to measure
	Tolerance  float64  `json:"tolerance"`  // declared for the kind; 0: the same bits are expected
	What       string   `json:"what,omitempty"`
	Action     string   `json:"action"`
	Stands     string   `json:"stands"`     // device class behind the outcome that stands
	Device     string   `json:"device"`     // and behind this execution
	Executions int      `json:"executions"` // known of this action, this one included
}

// verification takes the outcomes of nodes that are executed again, compares them and appends them as claims.
type verification struct {
	led *ledger.Ledger
	mu  sync.Mutex
	out *Verification
}

// Verify executes nodes of an experiment again, from its inputs and in a scratch space, and compares with what the
// ledger holds. Every execution becomes a further claim in the ledger; none replaces another. Differences are findings, not errors.
func Verify(ctx context.Context, exp *Experiment, opts Options, sample Sample) (*Verification, error) {
	s, err := open(ctx, exp, opts, false)
	if err != nil {
		return nil, err
	}
	if s.led.ReadOnly() {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w, and what is executed again is recorded there", opts.Ledger, ledger.ErrNotWritable), s.close())
	}
	v, err := s.verify(ctx, sample)
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	return v, nil
}

func (s *session) verify(ctx context.Context, sample Sample) (*Verification, error) {
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "swaprun-verify-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	s.opts.Out = scratch

	out := &Verification{Experiment: s.exp.Name, Nodes: map[Kind]*VerifyTally{}, Devices: []string{}, Findings: []Check{}, Device: deviceText(ledger.ThisDevice(""))}
	var known []*Node
	seen := map[ledger.ActionID]bool{}
	for _, n := range s.nodes {
		switch {
		case n.State != Hit:
			out.Missing++
		case !seen[n.Key.ID()]:
			seen[n.Key.ID()] = true
			known = append(known, n)
		}
	}
	out.Recorded = len(known)
	if len(known) == 0 {
		return nil, fmt.Errorf("the ledger %s holds nothing of %s yet: run it first", s.opts.Ledger, s.exp.Name)
	}
	taken := sample.take(known)
	s.verification = &verification{led: s.led, out: out}
	for _, k := range Kinds {
		if slices.ContainsFunc(known, func(n *Node) bool { return n.Kind == k && taken[n] }) {
			out.Nodes[k] = &VerifyTally{}
		}
	}
	if err := s.again(ctx, known, taken); err != nil {
		return nil, err
	}
	slices.Sort(out.Devices)
	out.Devices = slices.Compact(out.Devices)
	slices.SortFunc(out.Findings, func(a, b Check) int { return strings.Compare(a.Node, b.Node) })
	out.Seconds = time.Since(s.started).Seconds()
	return out, nil
}

// again executes what was taken, scale by scale. Each node works on the recorded outcomes of what it rests on, so that a difference
// is found where it arises.
func (s *session) again(ctx context.Context, known []*Node, taken map[*Node]bool) error {
	var captures []*Node
	for _, n := range known {
		if !taken[n] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		switch n.Kind {
		case KindPairs, KindQuads, KindControl, KindSweep:
			err = s.dataAgain(ctx, n)
		case KindCheckpoint:
			err = s.checkpointAgain(ctx, n)
		case KindCapture:
			captures = append(captures, n)
		case KindReport:
			err = s.reportAgain(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	for _, m := range s.models {
		for _, sr := range m.series {
			if err := s.seriesAgain(ctx, m, sr, captures, taken); err != nil {
				return err
			}
		}
		if err := s.artefactsAgain(ctx, m, nil, taken); err != nil {
			return err
		}
	}
	return nil
}

// copyOf is a node to be executed again.
func copyOf(n *Node) *Node {
	return &Node{
		ID: n.ID, Kind: n.Kind, State: Due, Key: n.Key, original: n, inputs: n.inputs,
		query: n.query, metric: n.metric, sweepMetric: n.sweepMetric, subset: n.subset, condition: n.condition, artefact: n.artefact, series: n.series,
	}
}

// settleFailure notes what kept a node from being executed again.
func (s *session) settleFailure(n *Node) error {
	if n.outcome.err == nil {
		return nil
	}
	return s.verification.note(n, NotExecuted, 0, 0, n.outcome.err.Error(), 0, s.meta(n.Kind, s.started, 0).Device)
}

// dataAgain reads table or boxes anew, in a session of its own: this one goes on with the recorded pairs.
func (s *session) dataAgain(ctx context.Context, n *Node) error {
	fresh := &session{
		exp: s.exp, opts: s.opts, led: s.led, execute: true, id: s.id, started: s.started, verification: s.verification,
		tablePath: s.tablePath, tableDigest: s.tableDigest, set: s.set, setDigest: s.setDigest, boxesPath: s.boxesPath, runtimeName: s.runtimeName,
	}
	again := copyOf(n)
	var err error
	switch n.Kind {
	case KindPairs:
		err = fresh.buildPairs(ctx, again, s.exp.Data.options())
	case KindQuads:
		err = fresh.buildQuads(ctx, again, s.quadOptions())
	case KindControl:
		err = fresh.buildControl(ctx, &control{condition: n.condition, node: again})
	case KindSweep:
		i := slices.IndexFunc(s.sweeps, func(w *sweep) bool { return w.node == n })
		w := *s.sweeps[i]
		w.node = again
		err = fresh.buildSweep(ctx, &w)
	}
	if err != nil && ctx.Err() == nil {
		again.outcome.err = err
		err = s.settleFailure(again)
	}
	return err
}

// checkpointAgain compiles the model and reads every weight.
func (s *session) checkpointAgain(ctx context.Context, n *Node) error {
	for _, m := range s.models {
		for _, sr := range m.series {
			if sr.checkpoint.Key == nil || sr.checkpoint.Key.ID() != n.Key.ID() {
				continue
			}
			again := &series{model: sr.model, scale: sr.scale, src: sr.src, checkpoint: copyOf(n)}
			if err := s.readCheckpoint(ctx, again); err != nil {
				return err
			}
			return s.settleFailure(again.checkpoint)
		}
	}
	return nil
}

// seriesAgain asks queries again and computes metrics and files of one scale.
func (s *session) seriesAgain(ctx context.Context, m *modelWalk, sr *series, captures []*Node, taken map[*Node]bool) error {
	mine := map[*Node]bool{}
	for _, n := range sr.asked {
		mine[n] = true
	}
	var todo []*Node
	for _, n := range captures {
		if mine[n] {
			todo = append(todo, copyOf(n))
		}
	}
	if len(todo) > 0 {
		again := &series{model: sr.model, scale: sr.scale, src: sr.src, info: sr.info, checkpoint: copyOf(sr.checkpoint)}
		if err := s.capture(ctx, again, todo); err != nil {
			return err
		}
		for _, n := range todo {
			if err := again.checkpoint.outcome.err; err != nil && !n.done {
				n.outcome.err = err
			}
			if err := s.settleFailure(n); err != nil {
				return err
			}
		}
	}
	todo = nil
	var sweeps []*Node
	for _, n := range s.nodes {
		switch {
		case n.series != sr || !taken[n]:
		case n.Kind == KindMetric && n.sweepMetric == nil:
			todo = append(todo, copyOf(n))
		case n.Kind == KindMetric:
			sweeps = append(sweeps, copyOf(n))
		case n.Kind == KindHead:
			again := copyOf(n)
			if err := s.readHead(ctx, sr, again); err != nil {
				return err
			}
			if err := s.settleFailure(again); err != nil {
				return err
			}
		}
	}
	if err := s.measureSweeps(ctx, sr, sweeps); err != nil {
		return err
	}
	for _, n := range sweeps {
		if err := s.settleFailure(n); err != nil {
			return err
		}
	}
	if len(todo) > 0 {
		if err := s.measureAll(ctx, sr, todo); err != nil {
			return err
		}
		for _, n := range todo {
			if err := s.settleFailure(n); err != nil {
				return err
			}
		}
	}
	err := s.artefactsAgain(ctx, m, sr, taken)
	sr.states = nil
	return err
}

// artefactsAgain renders files and figures of one scale, or with sr nil those over all scales.
func (s *session) artefactsAgain(ctx context.Context, m *modelWalk, sr *series, taken map[*Node]bool) error {
	paths := map[string]bool{}
	for _, a := range m.tree {
		paths[a.Paths[0]] = true
	}
	var todo []*Node
	for _, n := range s.nodes {
		if (n.Kind == KindFile || n.Kind == KindFigure) && taken[n] && paths[n.artefact.Paths[0]] && owner(*n.artefact) == scaleName(sr) {
			todo = append(todo, copyOf(n))
		}
	}
	name := "files and figures"
	if sr != nil {
		name += " " + sr.name()
	}
	err := s.each(ctx, name, todo, func(ctx context.Context, n *Node) ([]ledger.Blob, error) { return s.render(ctx, m, n) })
	if err != nil {
		return err
	}
	for _, n := range todo {
		if err := s.settleFailure(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) reportAgain(ctx context.Context, n *Node) error {
	again := copyOf(n)
	err := s.each(ctx, "report", []*Node{again}, func(ctx context.Context, _ *Node) ([]ledger.Blob, error) { return s.page(ctx) })
	if err != nil {
		return err
	}
	return s.settleFailure(again)
}

// compare judges one execution against the outcome that stands and appends it to the ledger as a claim.
func (v *verification) compare(n *Node, blobs []ledger.Blob, failed bool, meta ledger.Meta) error {
	was := &n.original.outcome
	verdict, difference, tolerance, what, err := v.judge(n, was, blobs, failed)
	if err != nil {
		return fmt.Errorf("verify %s: %w", n.ID, err)
	}
	results, err := v.led.Record(ledger.Record{Key: n.Key, Outputs: blobs, Failed: failed, Verified: true, Meta: meta})
	if err != nil {
		return fmt.Errorf("verify %s: %w", n.ID, err)
	}
	n.done = true
	n.outcome = outcome{failed: failed, outputs: results[0].Outputs}
	return v.note(n, verdict, difference, tolerance, what, results[0].Claims, meta.Device)
}

// judge compares outputs: names, then bytes, then within the kind's tolerance.
func (v *verification) judge(n *Node, was *outcome, blobs []ledger.Blob, failed bool) (verdict string, difference, tolerance float64, what string, err error) {
	if failed != was.failed {
		return Differs, math.Inf(1), 0, map[bool]string{true: "fails now, and did not", false: "failed, and does not now"}[failed], nil
	}
	names := func(list []ledger.Output) string {
		var text []string
		for _, o := range list {
			text = append(text, o.Name)
		}
		return strings.Join(text, ", ")
	}
	now := make([]ledger.Output, len(blobs))
	for i, b := range blobs {
		now[i] = ledger.Output{Name: b.Name, Digest: ledger.Sum(b.Bytes)}
	}
	if names(now) != names(was.outputs) {
		return Differs, math.Inf(1), 0, fmt.Sprintf("outputs %s, and had %s", shortList(names(now)), shortList(names(was.outputs))), nil
	}
	var unequal []string
	for i := range now {
		if now[i].Digest != was.outputs[i].Digest {
			unequal = append(unequal, now[i].Name)
		}
	}
	if n.Kind == KindCapture && !failed {
		tolerance = statesTolerance
	}
	if len(unequal) == 0 {
		return SameBits, 0, tolerance, "", nil
	}
	if n.Kind == KindMetric && !failed {
		difference, what, err = v.resultsApart(was, blobs[0])
		return Differs, difference, 0, what, err
	}
	if n.Kind != KindCapture || failed {
		return Differs, math.Inf(1), 0, "other bytes in " + shortList(strings.Join(unequal, ", ")), nil
	}
	for _, b := range blobs {
		d, ok := was.output(b.Name)
		if !ok {
			continue
		}
		old, err := v.led.Get(d)
		if err != nil {
			return "", 0, 0, "", err
		}
		var far float64
		var text string
		switch b.Name {
		case "states":
			far, text, err = statesApart(old, b.Bytes)
		case "answer":
			far, text, err = answersApart(old, b.Bytes)
		}
		if err != nil {
			return "", 0, 0, "", fmt.Errorf("%s: %w", b.Name, err)
		}
		if far > difference || what == "" {
			what = text
		}
		difference = max(difference, far)
	}
	if difference <= tolerance {
		return WithinTolerance, difference, tolerance, what, nil
	}
	return Differs, difference, tolerance, what, nil
}

// resultsApart is the largest difference between numbers of two results, infinite where they do not have the same form.
func (v *verification) resultsApart(was *outcome, now ledger.Blob) (float64, string, error) {
	d, _ := was.output(now.Name)
	old, err := v.led.Get(d)
	if err != nil {
		return 0, "", err
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(old, &a), json.Unmarshal(now.Bytes, &b)); err != nil {
		return 0, "", err
	}
	far, where := jsonApart("", a, b)
	if math.IsInf(far, 1) {
		return far, "another result at " + where, nil
	}
	return far, fmt.Sprintf("numbers differ by up to %.3g, at %s", far, where), nil
}

// jsonApart is the largest difference between numbers in two documents, and its path; infinite at the first
// place where they do not have the same form.
func jsonApart(path string, a, b any) (worst float64, where string) {
	take := func(far float64, at string) {
		if far > worst || where == "" && far > 0 {
			worst, where = far, at
		}
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return math.Inf(1), path
		}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			other, ok := y[k]
			if !ok {
				return math.Inf(1), path + "." + k
			}
			take(jsonApart(path+"."+k, x[k], other))
		}
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return math.Inf(1), path
		}
		for i := range x {
			take(jsonApart(fmt.Sprintf("%s[%d]", path, i), x[i], y[i]))
		}
	case float64:
		y, ok := b.(float64)
		if !ok {
			return math.Inf(1), path
		}
		take(math.Abs(x-y), path)
	default:
		if a != b {
			return math.Inf(1), path
		}
	}
	return worst, where
}

func shortList(text string) string {
	if len(text) > 120 {
		return text[:117] + "…"
	}
	return text
}

// statesApart is the largest difference within a block over the block's largest state, and where it lies.
func statesApart(old, now []byte) (float64, string, error) {
	var values [2][]float32
	var shape [2][]int
	for i, b := range [][]byte{old, now} {
		a, err := npy.Unmarshal(b)
		if err != nil {
			return 0, "", err
		}
		shape[i] = a.Shape
		if values[i], err = npy.Values[float32](a); err != nil {
			return 0, "", err
		}
	}
	if !slices.Equal(shape[0], shape[1]) || len(shape[0]) != 2 {
		return math.Inf(1), fmt.Sprintf("states of shape %v, and had %v", shape[1], shape[0]), nil
	}
	worst, where := 0.0, ""
	for b := range shape[0][0] {
		w := shape[0][1]
		x, y := values[0][b*w:(b+1)*w], values[1][b*w:(b+1)*w]
		scale, far := 0.0, 0.0
		for k := range x {
			scale = max(scale, math.Abs(float64(x[k])))
			far = max(far, math.Abs(float64(x[k])-float64(y[k])))
		}
		if far == 0 {
			continue
		}
		if relative := far / scale; !(relative <= worst) {
			worst, where = relative, fmt.Sprintf("states of block %d differ by %.3g of %.3g", b, far, scale)
		}
	}
	return worst, where, nil
}

// answersApart is infinite where tokens or text differ, else how far apart the first token's logits are.
func answersApart(old, now []byte) (float64, string, error) {
	var a, b extract.Capture
	for text, to := range map[*[]byte]*extract.Capture{&old: &a, &now: &b} {
		if err := json.Unmarshal(*text, to); err != nil {
			return 0, "", err
		}
	}
	switch {
	case a.Answer != b.Answer || !slices.Equal(a.GeneratedIDs, b.GeneratedIDs):
		return math.Inf(1), fmt.Sprintf("answers %q, and answered %q", b.Answer, a.Answer), nil
	case !slices.Equal(a.InputIDs, b.InputIDs) || a.ImageTokens != b.ImageTokens || a.Blocks != b.Blocks || a.Width != b.Width:
		return math.Inf(1), "other prompt tokens", nil
	}
	logits := map[int64]float32{}
	scale, far := 0.0, 0.0
	for _, l := range a.First {
		logits[l.ID] = l.Logit
		scale = max(scale, math.Abs(float64(l.Logit)))
	}
	for _, l := range b.First {
		// Two nearly equal logits may change places at the list's end; what is in both lists is compared.
		if was, ok := logits[l.ID]; ok {
			far = max(far, math.Abs(float64(l.Logit)-float64(was)))
		}
	}
	for w, forms := range a.Words {
		for i, l := range b.Words[w] {
			if was := forms[i]; was != nil && l != nil {
				far = max(far, math.Abs(float64(*l)-float64(*was)))
			}
		}
	}
	if far == 0 {
		return 0, "", nil
	}
	// Judged by the states' tolerance, to which the logits' is scaled.
	relative := far / scale * statesTolerance / logitTolerance
	return relative, fmt.Sprintf("logits differ by %.3g of %.3g", far, scale), nil
}

// note enters one check.
func (v *verification) note(n *Node, verdict string, difference, tolerance float64, what string, claims int, device ledger.Device) error {
	stands := ""
	if r, ok, err := v.led.Lookup(n.Key.ID()); err != nil {
		return err
	} else if ok {
		e, err := v.led.Entry(r.Seq)
		if err != nil {
			return err
		}
		if e.Outcome != nil {
			stands = deviceText(e.Outcome.Device)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c := Check{
		Node: n.ID, Verdict: verdict, Tolerance: tolerance, What: what,
		Action: n.Key.ID().String(), Stands: stands, Device: deviceText(device), Executions: claims,
	}
	if !math.IsInf(difference, 1) && verdict != NotExecuted {
		c.Difference = &difference
	}
	if device.Runtime != "" {
		v.out.Device = c.Device
	}
	v.out.Nodes[n.Kind].count(verdict)
	v.out.Total.count(verdict)
	if stands != "" {
		v.out.Devices = append(v.out.Devices, stands)
	}
	if verdict == Differs || verdict == NotExecuted {
		v.out.Findings = append(v.out.Findings, c)
	}
	if c.Difference != nil && difference > 0 && (v.out.Largest == nil || difference > *v.out.Largest.Difference) {
		v.out.Largest = &c
	}
	return nil
}
