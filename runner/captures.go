package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"swaprun/extract"
	"swaprun/ledger"
	"swaprun/ledger/npy"
)

// smallModel is the size of weights below which one core a query serves better than all cores on one query.
const smallModel = 256 << 20

// walkCaptures lists every query of a scale and asks those the ledger does not hold.
func (s *session) walkCaptures(ctx context.Context, sr *series) error {
	known := sr.fingerprint != (ledger.Digest{})
	folder := "capture/" + sr.name() + "/"
	base := s.captureBase(sr)
	ask := func(pair, side string, q query) *Node {
		n := s.add(KindCapture, folder+pair+side, nil)
		if !known {
			n.Why = []string{"waits for " + sr.checkpoint.ID}
		}
		n.query, n.inputs = q, sr.inputs
		sr.asked = append(sr.asked, n)
		return n
	}
	quads := s.quadList()
	asked := map[string]*Node{}
	sr.captures = make([]*Node, 0, 2*len(s.set.Pairs))
	for i := range s.set.Pairs {
		p := &s.set.Pairs[i]
		original := ask(p.ID, "/original", query{image: p.Image, imageErr: p.ImageErr, question: p.Original.Text})
		swapped := ask(p.ID, "/swapped", query{image: p.Image, imageErr: p.ImageErr, question: p.Swapped.Text})
		sr.captures = append(sr.captures, original, swapped)
		if len(quads) > 0 {
			asked[p.ID+p.Original.Text], asked[p.ID+p.Swapped.Text] = original, swapped
		}
	}
	for _, q := range quads {
		quad := [4]*Node{}
		for k, question := range []struct{ role, text string }{
			{q.Axis, q.Original.Text}, {q.Axis + "_swapped", q.Swapped.Text},
			{"distance", q.DistanceOriginal.Text}, {"distance_swapped", q.DistanceSwapped.Text},
		} {
			n := asked[q.ID+question.text] // a pair of the set asks it already
			if n == nil {
				n = ask(q.ID, "/"+question.role, query{image: q.Image, question: question.text})
				asked[q.ID+question.text] = n
			}
			quad[k] = n
		}
		sr.quads = append(sr.quads, quad)
	}
	s.askControls(sr, ask)
	s.askSweeps(sr, ask)
	if !known {
		return nil
	}
	shareOut(len(sr.asked), func(i int) {
		n := sr.asked[i]
		n.Key = captureKey(base, n.query)
		n.action()
	})
	todo, err := s.settle(sr.asked)
	if err != nil || len(todo) == 0 {
		return err
	}
	if s.execute {
		if err := s.capture(ctx, sr, todo); err != nil {
			return err
		}
		spread(sr.asked)
	}
	return nil
}

// captureBase is what the keys of all queries of a scale have in common.
func (s *session) captureBase(sr *series) *ledger.Key {
	return ledger.NewKey(string(KindCapture), kindVersion[KindCapture]).
		Digest("model", sr.fingerprint).
		Digest("weights", sr.weights).
		Text("runtime", s.runtimeName)
}

// A query is what a capture asks.
type query struct {
	image    string // digest of the picture; "" if there is none, for the reason in imageErr
	imageErr string
	question string
	alone    bool // without a picture on purpose
}

// captureKey holds everything that can change a query's numbers. The prompt's tokens are not in it but what makes them is: the
// question, the picture, and in the model's fingerprint the tokenizer, the template, the processor and how answers are decoded. So a plan
// need not load a tokenizer.
func captureKey(base *ledger.Key, q query) *ledger.Key {
	key := base.Clone(2).Text("question", q.question)
	switch {
	case q.alone:
		return key.Text("image", "none")
	case q.image == "":
		return key.Text("no_image", q.imageErr)
	}
	return key.Text("image", q.image)
}

// capture asks queries. Where the checkpoint changes meanwhile, what was asked before keeps its outcome and the rest has none.
func (s *session) capture(ctx context.Context, sr *series, todo []*Node) error {
	getToWork()
	if err := s.checkRuntime(); err != nil {
		return err
	}
	err := s.steadily(func() error {
		return s.captureAll(ctx, sr, undone(todo))
	})
	if errors.Is(err, ledger.ErrChanged) {
		return s.captureFails(sr, undone(todo), err)
	}
	return err
}

func undone(nodes []*Node) []*Node {
	var list []*Node
	for _, n := range nodes {
		if !n.done {
			list = append(list, n)
		}
	}
	return list
}

// captureAll asks queries picture by picture: those on one picture share its vision tower and the prompt up to their questions.
func (s *session) captureAll(ctx context.Context, sr *series, todo []*Node) error {
	groups := byPicture(todo)
	program, err := extract.Compile(sr.src)
	if err != nil {
		return s.captureFails(sr, todo, err)
	}
	mode, err := extract.ParseMode(sr.model.Weights)
	if err != nil {
		return err // the schema admits no other
	}
	workers, threads := 1, runtime.GOMAXPROCS(0)
	if sr.info.WeightBytes < smallModel {
		workers, threads = threads, 1
	}
	workers = min(workers, len(groups))
	s.threads = threads
	models := make([]*extract.Model, workers)
	for i := range models {
		models[i], err = program.Open(ctx, extract.Options{Threads: threads, Weights: mode})
		if err != nil {
			return s.captureFails(sr, todo, err)
		}
		defer models[i].Close()
	}
	s.opts.Progress.Note("%s: weights %s, %s", sr.name(), models[0].Mode(), threading(workers, threads))
	stage := s.opts.Progress.Stage("capture "+sr.name(), len(todo))
	defer stage.End()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rec := s.recorder(stage, stop)
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan []*Node)
	g.Go(func() error {
		defer close(queue)
		for _, group := range groups {
			select {
			case queue <- group:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for _, m := range models {
		g.Go(func() error {
			for group := range queue {
				if err := s.captureGroup(ctx, m, group, rec); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	if failure := rec.close(); failure != nil {
		return failure // the reason of the other
	}
	return err
}

// captureFails gives every query the same error, which no query caused.
func (s *session) captureFails(sr *series, todo []*Node, err error) error {
	s.finish(sr.checkpoint, outcome{err: err})
	for _, n := range todo {
		n.Why = []string{"waits for " + sr.checkpoint.ID}
		n.State = Unknown
	}
	return nil
}

// most is how many queries share a picture in one call: a control asks thousands beside one, and there is more than one worker.
const most = 64

func byPicture(todo []*Node) [][]*Node {
	var groups [][]*Node
	at := map[query]int{}
	for _, n := range todo {
		picture := query{image: n.image, alone: n.alone}
		i, ok := at[picture]
		if !ok || n.image == "" && !n.alone || len(groups[i]) == most {
			i = len(groups)
			at[picture] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], n)
	}
	return groups
}

func (s *session) captureGroup(ctx context.Context, m *extract.Model, group []*Node, rec *recorder) error {
	start := time.Now()
	record := func(n *Node, blobs []ledger.Blob, failed bool) {
		rec.put(n, blobs, failed, start)
		start = time.Now()
	}
	image := group[0].image
	if image == "" && !group[0].alone {
		for _, n := range group {
			record(n, failureBlobs("image", errors.New(n.imageErr)), true)
		}
		return nil
	}
	var picture []byte // nil: questions alone
	if image != "" {
		digest, err := ledger.ParseDigest(image)
		if err != nil {
			return err
		}
		if picture, err = s.led.Get(digest); err != nil {
			return fmt.Errorf("picture of %s: %w", group[0].ID, err)
		}
	}
	questions := make([]string, len(group))
	for i, n := range group {
		questions[i] = n.question
	}
	var odd error
	err := m.Capture(ctx, picture, questions, func(i int, c *extract.Capture, err error) {
		if err != nil {
			var q *extract.QueryError
			stage := "capture"
			if errors.As(err, &q) {
				stage, err = q.Stage, q.Err
			}
			record(group[i], failureBlobs(stage, err), true)
			return
		}
		blobs, err := captureBlobs(c)
		if err != nil {
			odd = errors.Join(odd, err)
			return
		}
		record(group[i], blobs, false)
	})
	return errors.Join(odd, err)
}

// captureBlobs are the two outputs of a query: "states", float32 [blocks, width] as .npy, and "answer", everything else as JSON.
func captureBlobs(c *extract.Capture) ([]ledger.Blob, error) {
	states, err := npy.Marshal(npy.New(c.States, c.Blocks, c.Width))
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return []ledger.Blob{{Name: "states", Bytes: states}, {Name: "answer", Bytes: answer}}, nil
}

// queryFailure is the JSON of a failed query's one output, "failure".
type queryFailure struct {
	Stage string `json:"stage"`
	Error string `json:"error"`
}

func failureBlobs(stage string, err error) []ledger.Blob {
	blob, _ := json.Marshal(queryFailure{stage, err.Error()}) // two strings
	return []ledger.Blob{{Name: "failure", Bytes: blob}}
}

func threading(workers, threads int) string {
	if workers == 1 {
		return fmt.Sprintf("one query at a time on %d threads", threads)
	}
	return fmt.Sprintf("%d queries at a time, %d thread each", workers, threads)
}
