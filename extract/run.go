package extract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"swaprun/extract/family"
	"swaprun/extract/ort"
)

// After the prefill answers are decoded side by side: a step reads every weight once, so that two answers cost as much as
// one, and four, a quad's, a tenth more than two. One answer alone is decoded beside an idle row: a product with a
// single row takes another path in the runtime and rounds differently, from two on all agree bit for bit.
const (
	fewRows, mostRows = 2, 4
	// cacheLimit is what the cache may take, in bytes, where it has more than fewRows.
	cacheLimit = 1 << 30
)

// width is how many rows the waiting answers are decoded in, when each takes perRow bytes of the cache.
func width(waiting, perRow int) int {
	if waiting <= fewRows || mostRows*perRow > cacheLimit {
		return fewRows
	}
	return mostRows
}

// chunk is the number of prompt tokens computed in one call, which bounds memory: attention keeps heads·chunk·length
// scores, the MLP chunk·ffn values.
const chunk = 2048

// startAt says from which token to compute a prompt of n tokens when the first shared of them are in the cache, so that
// the result is bit for bit that of the whole prompt. onnxruntime's attention takes queries in blocks, counted from the
// first one computed: 2·headDim of them, or fewer, by multiples of 32, where the processor's second-level cache is small. A
// block of one query takes another path and rounds differently; all others agree. So the last block must hold one query
// if and only if it does in the whole prompt.
func startAt(shared, n, headDim int) int {
	block := 2 * headDim
	unit := min(block, 32)
	shared = min(shared, n-minSuffix)
	if shared <= 0 {
		return 0
	}
	if n%unit == 1 {
		return shared - shared%block
	}
	if (n-shared)%unit == 1 {
		shared--
	}
	return shared
}

// minSuffix is how many tokens are computed at least: a single token is a decoding step to the runtime.
const minSuffix = 2

// Capture runs questions about one image, or, with image nil, questions without any. The vision tower runs once, what prompts have in
// common is computed once, and answers are decoded two or four at a time. done is called once for every question, with a capture or with a *QueryError,
// in an order of Capture's choice. The error returned is not about a query: ctx was cancelled, or the runtime failed;
// questions that done has not been called for have no outcome then.
func (m *Model) Capture(ctx context.Context, image []byte, questions []string, done func(i int, c *Capture, err error)) error {
	if !m.busy.TryLock() {
		return errors.New("capture: the model is in use")
	}
	defer m.busy.Unlock()
	if len(questions) == 0 {
		return ctx.Err()
	}
	var img *family.Image
	if image != nil {
		var err error
		if img, err = m.program.model.Image(image); err != nil {
			for i := range questions {
				done(i, nil, queryError(err))
			}
			return ctx.Err()
		}
	}
	var waiting []*answer
	for i, q := range questions {
		p, err := m.program.model.Prompt(img, q)
		if err != nil {
			done(i, nil, queryError(err))
			continue
		}
		a := &answer{index: i, prompt: p}
		if img != nil {
			a.imageTokens = img.Tokens
		}
		waiting = append(waiting, a)
	}
	if len(waiting) == 0 {
		return ctx.Err()
	}
	var features map[string][]float32 // none: the text graph gets rows of zeros
	if img != nil {
		var err error
		if features, err = m.see(ctx, img); err != nil {
			return fmt.Errorf("vision graph: %w", err)
		}
	}
	length := 0
	for _, a := range waiting {
		length = max(length, len(a.prompt.IDs))
	}
	info, capacity := m.program.model.Info(), length+m.program.model.Decoding().MaxNew
	rows := width(len(waiting), cacheRow(info, capacity))
	if err := m.cache.reset(info, rows, capacity); err != nil {
		return err
	}
	for group := range slices.Chunk(waiting, rows) {
		if err := m.answer(ctx, features, group, done); err != nil {
			return err
		}
	}
	return nil
}

func queryError(err error) *QueryError {
	var refused *family.RefusedError
	if errors.As(err, &refused) {
		return &QueryError{Stage: refused.Stage, Err: refused.Err}
	}
	return &QueryError{Stage: "prompt", Err: err}
}

// An answer is a query under way.
type answer struct {
	index       int
	prompt      *family.Prompt
	imageTokens int

	taps    []float32 // [blocks, width], from the prefill
	seen    []bool    // ids the penalty applies to
	out     []int64   // new tokens
	ended   bool
	capture *Capture
	failed  error
}

// see runs the vision tower: its outputs by name, each [1+features, width], rows of zeros first.
func (m *Model) see(ctx context.Context, img *family.Image) (map[string][]float32, error) {
	feeds := map[string]family.Tensor{}
	for _, f := range img.Feeds {
		feeds[f.Name] = f
	}
	var ts tensors
	defer ts.close()
	var in, out []*ort.Tensor
	for _, name := range m.vision.Inputs() {
		f, ok := feeds[name]
		if !ok {
			return nil, fmt.Errorf("no feed for input %s", name)
		}
		t, err := tensor(f)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		ts.list = append(ts.list, t)
		in = append(in, t)
	}
	width := m.program.model.Info().Width
	n := 1 + img.Features
	features := map[string][]float32{}
	for _, name := range m.vision.Outputs() {
		features[name] = make([]float32, n*width)
		out = append(out, lend(&ts, features[name], int64(n), int64(width)))
	}
	if ts.err != nil {
		return nil, ts.err
	}
	return features, m.vision.Run(ctx, in, out)
}

// answer prefills the prompts of a group, no more than the cache has rows, and decodes their answers together.
func (m *Model) answer(ctx context.Context, features map[string][]float32, group []*answer, done func(int, *Capture, error)) error {
	for r, a := range group {
		if err := m.prefill(ctx, r, a, features); err != nil {
			return fmt.Errorf("prefill: %w", err)
		}
	}
	for r := len(group); r < m.cache.rows; r++ {
		m.cache.held[r] = nil // the idle row writes over its beginning
	}
	if err := m.decode(ctx, group); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	for _, a := range group {
		if a.failed != nil {
			done(a.index, nil, &QueryError{Stage: "states", Err: a.failed})
			continue
		}
		a.capture.GeneratedIDs = a.out
		a.capture.Answer = m.program.model.Text(a.out)
		done(a.index, a.capture, nil)
	}
	return nil
}

// prefill computes a's prompt in row r of the cache, from the first token that no row of the cache shares with it.
func (m *Model) prefill(ctx context.Context, r int, a *answer, features map[string][]float32) error {
	p, info := a.prompt, m.program.model.Info()
	n := len(p.IDs)
	from := 0
	if !m.unshared {
		from = startAt(m.cache.shared(p.IDs), n, info.HeadDim)
	}
	if from < p.Indivisible {
		from = 0
	}
	m.cache.share(r, p.IDs, from)
	m.cache.held[r] = nil
	a.taps = make([]float32, info.Blocks*info.Width)
	for start := from; start < n; {
		end := n
		if end-start > chunk && start+chunk >= p.Indivisible {
			end = start + chunk
			if n-end < minSuffix { // the last block keeps its size
				end -= 2 * info.HeadDim
			}
		}
		call := textCall{
			batch: 1, row: r, ids: p.IDs[start:end], source: p.Source[start:end], cos: p.Cos, sin: p.Sin,
			lengths: []int32{int32(end - 1)}, last: int64(end - start - 1), features: features, taps: a.taps,
		}
		if p.Rows != nil {
			call.ids = p.Rows[start:end]
		}
		for i := start; i < end; i++ {
			call.rows = append(call.rows, int64(i))
		}
		if err := m.runText(ctx, call); err != nil {
			return err
		}
		start = end
	}
	m.cache.held[r] = p.IDs

	a.capture = &Capture{
		States: a.taps, Blocks: info.Blocks, Width: info.Width, InputIDs: p.IDs, ImageTokens: a.imageTokens,
	}
	for i, v := range a.taps {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			a.failed = fmt.Errorf("the hidden state of block %d is not finite at channel %d", i/info.Width, i%info.Width)
			break
		}
	}
	a.seen = make([]bool, info.Vocab)
	for _, id := range p.IDs {
		if id >= 0 && id < int64(len(a.seen)) {
			a.seen[id] = true
		}
	}
	return nil
}

// decode extends the answers of a group until each has ended, greedily.
func (m *Model) decode(ctx context.Context, group []*answer) error {
	model := m.program.model
	info, d, rows := model.Info(), model.Decoding(), m.cache.rows
	last := make([]float32, rows*info.Width) // the last block's state in every row
	logits := make([]float32, rows*info.Vocab)
	taps := make([]float32, rows*info.Blocks*info.Width)
	tail := (info.Blocks - 1) * info.Width
	for r := range rows {
		a := group[min(r, len(group)-1)]
		copy(last[r*info.Width:(r+1)*info.Width], a.taps[tail:])
		a.ended = a.failed != nil
	}
	for step := 0; ; step++ {
		if !slices.ContainsFunc(group, func(a *answer) bool { return !a.ended }) {
			return nil
		}
		if err := m.runHead(ctx, last, logits); err != nil {
			return err
		}
		for r, a := range group {
			if a.ended {
				continue
			}
			scores := logits[r*info.Vocab : (r+1)*info.Vocab]
			if step == 0 {
				a.capture.First, a.capture.Words = m.firstLogits(scores), m.wordLogits(scores)
			}
			id := pick(scores, a.seen, d.Penalty)
			if id < 0 {
				a.failed, a.ended = fmt.Errorf("no logit after %d new tokens is a number", step), true
				continue
			}
			a.seen[id] = true
			a.out = append(a.out, id)
			a.ended = slices.Contains(d.End, id) || len(a.out) >= d.MaxNew
		}
		if !slices.ContainsFunc(group, func(a *answer) bool { return !a.ended }) {
			return nil
		}
		call := textCall{batch: rows, ids: make([]int64, rows), source: make([]int64, rows), lengths: make([]int32, rows), taps: taps}
		half := info.HeadDim / 2
		for r := range rows {
			if r < len(group) && len(group[r].out) > 0 {
				// A row that has ended repeats its last token at its last place.
				a := group[r]
				at := len(a.prompt.IDs) + len(a.out) - 1
				call.ids[r] = a.out[len(a.out)-1]
				call.lengths[r] = int32(at)
				call.cos = append(call.cos, a.prompt.Cos[at*half:(at+1)*half]...)
				call.sin = append(call.sin, a.prompt.Sin[at*half:(at+1)*half]...)
			} else {
				// An idle row computes one token with an empty past.
				call.cos = append(call.cos, group[0].prompt.Cos[:half]...)
				call.sin = append(call.sin, group[0].prompt.Sin[:half]...)
			}
			call.rows = append(call.rows, int64(r))
		}
		if err := m.runText(ctx, call); err != nil {
			return err
		}
		for r := range rows {
			copy(last[r*info.Width:(r+1)*info.Width], taps[r*info.Blocks*info.Width+tail:])
		}
	}
}

// pick is the largest score after the repetition penalty: scores of ids seen, once each, are divided by the penalty
// where positive and multiplied where negative, in float32. Ties go to the lower id. −1 when no score is a number.
func pick(scores []float32, seen []bool, penalty float32) int64 {
	best, id := float32(math.Inf(-1)), int64(-1)
	for i, s := range scores {
		if seen[i] && penalty != 1 {
			if s < 0 {
				s *= penalty
			} else {
				s /= penalty
			}
		}
		if s > best || (id < 0 && s == best) {
			best, id = s, int64(i)
		}
	}
	return id
}

// A textCall is one run of the text graph: batch rows of the same number of new tokens, starting at row of the cache.
type textCall struct {
	batch, row  int
	ids, source []int64
	cos, sin    []float32
	rows        []int64 // of the rotary tables
	lengths     []int32 // of every row after the call, less one
	last        int64
	features    map[string][]float32 // nil: only text
	taps        []float32            // [batch, blocks, width]
}

func (m *Model) runText(ctx context.Context, c textCall) error {
	info := m.program.model.Info()
	b, s := int64(c.batch), int64(len(c.ids)/c.batch)
	half := int64(info.HeadDim / 2)
	var ts tensors
	defer ts.close()
	var in, out []*ort.Tensor
	for _, name := range m.text.Inputs() {
		var t *ort.Tensor
		switch name {
		case "ids":
			t = lend(&ts, c.ids, b, s)
		case "source":
			t = lend(&ts, c.source, b, s)
		case "cos":
			t = lend(&ts, c.cos, int64(len(c.cos))/half, half)
		case "sin":
			t = lend(&ts, c.sin, int64(len(c.sin))/half, half)
		case "rows":
			t = lend(&ts, c.rows, b, s)
		case "seqlens":
			t = lend(&ts, c.lengths, b)
		case "total":
			t = lend(&ts, []int32{slices.Max(c.lengths) + 1}, 1)
		case "last":
			t = lend(&ts, []int64{c.last}, 1)
		default:
			if strings.HasPrefix(name, "past_") {
				continue
			}
			f, ok := c.features[name]
			if !ok {
				f = make([]float32, info.Width)
			}
			t = lend(&ts, f, int64(len(f)/info.Width), int64(info.Width))
		}
		in = append(in, t)
	}
	if ts.err != nil {
		return ts.err
	}
	caches := m.cache.views(c.batch, c.row)
	// The graph declares the cache between its fixed inputs and its features.
	in = slices.Insert(in, slices.IndexFunc(m.text.Inputs(), func(n string) bool { return strings.HasPrefix(n, "past_") }), caches...)
	out = append(out, lend(&ts, c.taps, b, int64(info.Blocks), int64(info.Width)))
	if ts.err != nil {
		return ts.err
	}
	return m.text.Run(ctx, in, append(out, caches...))
}

func (m *Model) runHead(ctx context.Context, last, logits []float32) error {
	info, rows := m.program.model.Info(), int64(m.cache.rows)
	var ts tensors
	defer ts.close()
	in := lend(&ts, last, rows, int64(info.Width))
	out := lend(&ts, logits, rows, int64(info.Vocab))
	if ts.err != nil {
		return ts.err
	}
	return m.head.Run(ctx, []*ort.Tensor{in}, []*ort.Tensor{out})
}
