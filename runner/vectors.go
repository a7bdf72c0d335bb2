package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"swaprun/analyze"
	"swaprun/ledger/npy"
	"swaprun/report"
)

// VectorsOptions say what to make of vectors that somebody else extracted.
type VectorsOptions struct {
	Path     string // vectors_<scale>.npz, in the layout of the released code
	Out      string // directory of the results
	Scale    string // "": from the file's name
	Figures  bool
	Analyze  analyze.Options
	Progress Progress // nil is Silent
}

// A VectorsSummary says what was made of them; its JSON form is for scripts.
type VectorsSummary struct {
	Vectors    string         `json:"vectors"`
	Quads      string         `json:"quads,omitempty"` // file of the quads, if there is one
	Scale      string         `json:"scale"`
	Results    string         `json:"results"`
	Pairs      int            `json:"pairs"`
	QuadsN     int            `json:"quads_n"`
	Blocks     []int          `json:"blocks"`
	Width      int            `json:"width"`
	Answered   bool           `json:"answered"` // the file says which answers were right
	Categories map[string]int `json:"categories"`
	Metrics    int            `json:"metrics"`
	Files      int            `json:"files"`
	Figures    int            `json:"figures"`
	Notes      []string       `json:"notes"`
	Failures   []Failure      `json:"failures"`
	Seconds    float64        `json:"seconds"`
}

// VectorsError says that a file is not vectors as the released code writes them; what was found is in the message.
type VectorsError struct {
	Path string
	Err  error
}

func (e *VectorsError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *VectorsError) Unwrap() error { return e.Err }

// scalePattern bounds what may become part of file names.
var scalePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)

// ScaleOf is the scale a file's name states: s of vectors_s.npz.
func ScaleOf(path string) (string, bool) {
	name, ok := strings.CutPrefix(filepath.Base(path), "vectors_")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, ".npz")
}

// AnalyzeVectors computes every metric the vectors allow and writes the results' tree. It needs no model and no ledger.
func AnalyzeVectors(ctx context.Context, opts VectorsOptions) (*VectorsSummary, error) {
	start := time.Now()
	if opts.Progress == nil {
		opts.Progress = Silent{}
	}
	if opts.Scale == "" {
		s, ok := ScaleOf(opts.Path)
		if !ok {
			return nil, &VectorsError{opts.Path, errors.New("the name does not say the scale, as vectors_SCALE.npz does; give --scale")}
		}
		opts.Scale = s
	}
	if !scalePattern.MatchString(opts.Scale) {
		return nil, fmt.Errorf("scale %q: expected letters, digits and . _ + -, as it becomes part of file names", opts.Scale)
	}
	sum := &VectorsSummary{Vectors: opts.Path, Scale: opts.Scale, Results: opts.Out, Notes: []string{}, Failures: []Failure{}}
	v, notes, err := ReadVectors(opts.Path)
	if err != nil {
		return nil, &VectorsError{opts.Path, err}
	}
	sum.Notes = append(sum.Notes, notes...)
	beside := filepath.Join(filepath.Dir(opts.Path), "cross_group_vectors_"+opts.Scale+".npz")
	if _, err := os.Stat(beside); err == nil {
		if v.Quads, err = readQuads(beside); err != nil {
			return nil, &VectorsError{beside, err}
		}
		sum.Quads, sum.QuadsN = beside, len(v.Quads.Quads)
	}
	sum.Pairs, sum.Blocks, sum.Width, sum.Answered = len(v.Pairs), v.Blocks, v.Width, v.Answered
	sum.Categories = map[string]int{}
	for i := range v.Pairs {
		sum.Categories[v.Pairs[i].Category]++
	}
	if !v.Answered {
		sum.Notes = append(sum.Notes, "the file does not say which answers were right: no accuracies, no both_correct subset")
	}
	a := &vectorsAnalysis{opts: opts, vectors: v, sum: sum, results: map[resultID]*analyze.Result{}}
	if err := a.metrics(ctx); err != nil {
		return nil, err
	}
	if err := a.files(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(sum.Failures, func(a, b Failure) int { return strings.Compare(a.Node, b.Node) })
	sum.Seconds = time.Since(start).Seconds()
	return sum, nil
}

type vectorsAnalysis struct {
	opts    VectorsOptions
	vectors *analyze.Vectors
	sum     *VectorsSummary

	mu      sync.Mutex // guards what follows, and sum
	results map[resultID]*analyze.Result
	names   []string
}

// subsets are those the vectors can tell apart.
func (a *vectorsAnalysis) subsets() []analyze.Subset {
	if a.vectors.Answered {
		return subsets
	}
	return subsets[:1]
}

// metrics computes what the vectors allow.
func (a *vectorsAnalysis) metrics(ctx context.Context) error {
	type job struct {
		metric analyze.Metric
		subset analyze.Subset
	}
	var jobs []job
	for _, m := range analyze.Metrics() {
		if m.Answers && !a.vectors.Answered || m.Quads && a.vectors.Quads == nil || m.Horizontal || m.Layouts || m.Readout || m.Objects || m.Doubtful || m.Wordings {
			continue // nothing in these files says how objects lie, holds horizontal quads, or says what the head is
		}
		a.names = append(a.names, m.Name)
		for _, s := range a.subsets() {
			if m.AppliesTo(s) {
				jobs = append(jobs, job{m, s})
			}
		}
	}
	stage := a.opts.Progress.Stage("metrics "+a.opts.Scale, len(jobs))
	defer stage.End()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := j.metric.Run(a.vectors, j.subset, a.opts.Analyze)
			a.mu.Lock()
			defer a.mu.Unlock()
			defer stage.Step(1)
			if err != nil {
				a.sum.Failures = append(a.sum.Failures, Failure{fmt.Sprintf("metric/%s/%s/%s", a.opts.Scale, j.subset, j.metric.Name), err.Error()})
				return nil
			}
			a.results[resultID{metric: j.metric.Name, subset: j.subset}] = r
			a.sum.Metrics++
			return nil
		})
	}
	return g.Wait()
}

// treeModel stands for the model's folder, which the tree of vectors alone does not have.
const treeModel = "vectors"

// files writes the tree. What would need more than the vectors (answers' texts) or would only repeat them (npz) is not
// in it.
func (a *vectorsAnalysis) files(ctx context.Context) error {
	v := a.vectors
	spec := report.Spec{
		Model: treeModel, Title: a.opts.Scale, Scales: []report.ScaleMark{{Name: a.opts.Scale}},
		Blocks: v.Blocks[len(v.Blocks)-1] + 1, Layers: v.Blocks,
		Subsets: a.subsets(), Metrics: a.names, Figures: a.opts.Figures, Quads: v.Quads != nil,
	}
	var todo []report.Artefact
	for _, f := range report.Tree(spec) {
		if !slices.ContainsFunc(f.Inputs, func(in report.Input) bool { return in.Source != report.FromResult }) {
			todo = append(todo, f)
		}
	}
	stage := a.opts.Progress.Stage("files and figures "+a.opts.Scale, len(todo))
	defer stage.End()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range todo {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			defer stage.Step(1)
			return a.write(f)
		})
	}
	return g.Wait()
}

// write renders one artefact. A result that could not be computed has been reported; what rests on it is left out.
func (a *vectorsAnalysis) write(f report.Artefact) error {
	material := make([]report.Material, len(f.Inputs))
	for i, in := range f.Inputs {
		material[i].Result = a.results[resultID{metric: in.Metric, subset: in.Subset}]
		if material[i].Result == nil && !in.Optional {
			return nil
		}
	}
	var out bytes.Buffer
	err := f.Render(&out, material)
	if errors.Is(err, report.ErrEmpty) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.sum.Failures = append(a.sum.Failures, Failure{f.Paths[0], err.Error()})
		return nil
	}
	for _, p := range f.Paths {
		p = strings.TrimPrefix(p, treeModel+"/")
		if err := writeFile(filepath.Join(a.opts.Out, filepath.FromSlash(p)), out.Bytes()); err != nil {
			return err
		}
		if f.Figure {
			a.sum.Figures++
		} else {
			a.sum.Files++
		}
	}
	return nil
}

// What vectors may hold. More is not vectors but a mistake, or malice.
const (
	maxVectorBlocks = 4096
	maxVectorWidth  = 1 << 20
)

// ReadVectors reads vectors_<scale>.npz as the released scripts write it: for each block n the arrays delta_Ln, orig_Ln, swap_Ln
// [pairs, width], groups_Ln, categories_Ln, indices_Ln [pairs] and, from the extended script, is_correct_orig_Ln and is_correct_swap_Ln.
// Blocks may lack pairs. Deltas are computed as swap − orig; where the file's own differ, a note says by how much.
func ReadVectors(path string) (*analyze.Vectors, []string, error) {
	r, err := npy.Open(path, npy.Limits{})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	blocks, err := blocksNamed(r.Names(), "orig")
	if err != nil {
		return nil, nil, err
	}
	if len(blocks) == 0 {
		return nil, nil, fmt.Errorf("no array orig_L<block>; expected delta_, orig_, swap_, groups_, categories_ and indices_ of every block, found %s", someNames(r.Names()))
	}
	in := &vectorsReader{r: r, v: &analyze.Vectors{Blocks: blocks}, at: map[string]int{}}
	in.v.Answered = r.Has(fmt.Sprintf("is_correct_orig_L%d", blocks[0]))
	if err := in.pairs(); err != nil {
		return nil, nil, err
	}
	for b := range blocks {
		if err := in.states(b); err != nil {
			return nil, nil, err
		}
	}
	return in.v, in.notes(), in.v.Validate()
}

type vectorsReader struct {
	r        *npy.Reader
	v        *analyze.Vectors
	at       map[string]int // pair by its key
	rows     [][]int        // of each block: which pair each row is
	furthest float64        // between a delta of the file and swap − orig
	where    string
}

func (in *vectorsReader) notes() []string {
	if in.furthest == 0 {
		return nil
	}
	return []string{fmt.Sprintf("deltas of the file differ from swap − orig by up to %.3g (%s); swap − orig is used", in.furthest, in.where)}
}

// pairs reads who the rows are. A pair is told by index, category and its rank among equals, in the order of the block
// that has most.
func (in *vectorsReader) pairs() error {
	type row struct {
		key  string
		pair analyze.Pair
	}
	lists := make([][]row, len(in.v.Blocks))
	longest := 0
	for b, block := range in.v.Blocks {
		name := func(stem string) string { return fmt.Sprintf("%s_L%d", stem, block) }
		categories, err := texts(in.r, name("categories"), -1)
		if err != nil {
			return err
		}
		groups, err := texts(in.r, name("groups"), len(categories))
		if err != nil {
			return err
		}
		labels, numbers, err := indices(in.r, name("indices"), len(categories))
		if err != nil {
			return err
		}
		var right [2][]bool
		for k, stem := range []string{"is_correct_orig", "is_correct_swap"} {
			if has := in.r.Has(name(stem)); has != in.v.Answered {
				return fmt.Errorf("%s is there in some blocks and not in others", stem)
			} else if !has {
				continue
			}
			if right[k], err = vector[bool](in.r, name(stem), len(categories)); err != nil {
				return err
			}
		}
		seen := map[string]int{}
		for i, c := range categories {
			if c == "under" {
				c = "below" // the seed's word
			}
			k := slices.Index(analyze.Categories, c)
			if k < 0 {
				return fmt.Errorf("%s row %d: category %q, expected one of %v", name("categories"), i, c, analyze.Categories)
			}
			if groups[i] != analyze.Axes[k/2] {
				return fmt.Errorf("%s row %d: %q, but the category is %q", name("groups"), i, groups[i], c)
			}
			p := analyze.Pair{Index: numbers[i], Category: c, Axis: groups[i]}
			if in.v.Answered {
				p.CorrectOriginal, p.CorrectSwapped = right[0][i], right[1][i]
			}
			key := labels[i] + "\x00" + c
			rank := seen[key]
			seen[key]++
			p.ID = labels[i]
			if rank > 0 {
				p.ID = fmt.Sprintf("%s (%s, no. %d)", labels[i], c, rank+1)
			}
			lists[b] = append(lists[b], row{fmt.Sprintf("%s\x00%d", key, rank), p})
		}
		if len(lists[b]) > len(lists[longest]) {
			longest = b
		}
	}
	in.rows = make([][]int, len(lists))
	order := []int{longest}
	for b := range lists {
		if b != longest {
			order = append(order, b)
		}
	}
	for _, b := range order {
		for i, row := range lists[b] {
			at, ok := in.at[row.key]
			if !ok {
				at = len(in.v.Pairs)
				in.at[row.key] = at
				in.v.Pairs = append(in.v.Pairs, row.pair)
			}
			if was := &in.v.Pairs[at]; was.CorrectOriginal != row.pair.CorrectOriginal || was.CorrectSwapped != row.pair.CorrectSwapped {
				return fmt.Errorf("is_correct of block %d row %d: differs from another block's for the same pair (index %s)", in.v.Blocks[b], i, row.pair.ID)
			}
			in.rows[b] = append(in.rows[b], at)
		}
	}
	return nil
}

// states reads one block.
func (in *vectorsReader) states(b int) error {
	v, block, rows := in.v, in.v.Blocks[b], in.rows[b]
	original, err := matrix(in.r, fmt.Sprintf("orig_L%d", block), len(rows), v.Width)
	if err != nil {
		return err
	}
	if v.Width == 0 {
		v.Width = original.Shape[1]
		if err := in.allocate(); err != nil {
			return err
		}
	}
	swapped, err := matrix(in.r, fmt.Sprintf("swap_L%d", block), len(rows), v.Width)
	if err != nil {
		return err
	}
	delta, err := matrix(in.r, fmt.Sprintf("delta_L%d", block), len(rows), v.Width)
	if err != nil {
		return err
	}
	for i, at := range rows {
		if v.Absent != nil && v.Absent[at] != nil {
			v.Absent[at][b] = false
		}
		o, s := v.Original[at][b*v.Width:(b+1)*v.Width], v.Swapped[at][b*v.Width:(b+1)*v.Width]
		copy(o, original.row(i))
		copy(s, swapped.row(i))
		for k, d := range delta.row(i) {
			if off := math.Abs(float64(d) - float64(s[k]-o[k])); off > in.furthest {
				in.furthest, in.where = off, fmt.Sprintf("block %d, row %d, dimension %d", block, i, k)
			}
		}
	}
	return nil
}

// allocate makes room for every pair and block. Pairs scattered over blocks would take far more than the file holds.
func (in *vectorsReader) allocate() error {
	v := in.v
	stored := 0
	for _, rows := range in.rows {
		stored += len(rows)
	}
	if len(v.Pairs)*len(v.Blocks) > 8*stored+1024 {
		return fmt.Errorf("%d blocks have %d rows but %d different pairs: blocks hold the same pairs, but for a few that are missing", len(v.Blocks), stored, len(v.Pairs))
	}
	values := len(v.Blocks) * v.Width
	ragged := stored < len(v.Pairs)*len(v.Blocks)
	for range v.Pairs {
		v.Original = append(v.Original, make([]float32, values))
		v.Swapped = append(v.Swapped, make([]float32, values))
		if ragged {
			absent := make([]bool, len(v.Blocks))
			for b := range absent {
				absent[b] = true
			}
			v.Absent = append(v.Absent, absent)
		}
	}
	return nil
}

// readQuads reads cross_group_vectors_<scale>.npz: delta_vert_Ln and delta_dist_Ln [quads, width]. A block with fewer
// rows lacks quads; which ones does not matter to any number.
func readQuads(path string) (*analyze.Quads, error) {
	r, err := npy.Open(path, npy.Limits{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	q := new(analyze.Quads)
	if q.Blocks, err = blocksNamed(r.Names(), "delta_vert"); err != nil {
		return nil, err
	}
	if len(q.Blocks) == 0 {
		return nil, fmt.Errorf("no array delta_vert_L<block>, found %s", someNames(r.Names()))
	}
	have := make([]int, len(q.Blocks))
	var arrays [][2]floats
	for b, block := range q.Blocks {
		vertical, err := matrix(r, fmt.Sprintf("delta_vert_L%d", block), -1, q.Width)
		if err != nil {
			return nil, err
		}
		q.Width, have[b] = vertical.Shape[1], vertical.Shape[0]
		distance, err := matrix(r, fmt.Sprintf("delta_dist_L%d", block), have[b], q.Width)
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, [2]floats{vertical, distance})
	}
	n, stored := slices.Max(have), 0
	for _, h := range have {
		stored += h
	}
	if n*len(have) > 8*stored+1024 {
		return nil, fmt.Errorf("%d blocks hold %d rows, one of them %d: blocks hold the same quads, but for a few that are missing", len(have), stored, n)
	}
	for i := range n {
		q.Quads = append(q.Quads, analyze.Quad{ID: strconv.Itoa(i), Index: int64(i)})
		var sides [2][]float32
		absent := make([]bool, len(q.Blocks))
		for k := range sides {
			sides[k] = make([]float32, len(q.Blocks)*q.Width)
			for b := range q.Blocks {
				if absent[b] = i >= have[b]; !absent[b] {
					copy(sides[k][b*q.Width:], arrays[b][k].row(i))
				}
			}
		}
		q.Vertical, q.Distance, q.Absent = append(q.Vertical, sides[0]), append(q.Distance, sides[1]), append(q.Absent, absent)
	}
	return q, nil
}

// blocksNamed lists the blocks n of arrays stem_Ln, ascending.
func blocksNamed(names []string, stem string) ([]int, error) {
	var blocks []int
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, stem+"_L")
		if !ok {
			continue
		}
		b, err := strconv.Atoi(rest)
		if err != nil || b < 0 || b >= maxVectorBlocks || strconv.Itoa(b) != rest {
			return nil, fmt.Errorf("array %q: %q is no block", n, rest)
		}
		blocks = append(blocks, b)
	}
	slices.Sort(blocks)
	if len(slices.Compact(slices.Clone(blocks))) != len(blocks) {
		return nil, fmt.Errorf("an array %s_L<block> occurs twice", stem)
	}
	return blocks, nil
}

func someNames(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	text := strings.Join(names[:min(len(names), 6)], ", ")
	if len(names) > 6 {
		text += fmt.Sprintf(" and %d more", len(names)-6)
	}
	return strconv.Quote(text)
}

// floats is a matrix of finite numbers.
type floats struct {
	Shape [2]int
	data  []float32
}

func (f floats) row(i int) []float32 { return f.data[i*f.Shape[1] : (i+1)*f.Shape[1]] }

// matrix reads float32 (or float64) [rows, width]; -1 rows and width 0 are any.
func matrix(r *npy.Reader, name string, rows, width int) (floats, error) {
	a, err := r.Array(name)
	if err != nil {
		return floats{}, err
	}
	if len(a.Shape) != 2 || rows >= 0 && a.Shape[0] != rows || width > 0 && a.Shape[1] != width {
		want := "[pairs, width]"
		if rows >= 0 && width > 0 {
			want = fmt.Sprintf("[%d %d]", rows, width)
		}
		return floats{}, fmt.Errorf("%s has shape %v, expected %s", name, a.Shape, want)
	}
	if w := a.Shape[1]; w == 0 || w > maxVectorWidth {
		return floats{}, fmt.Errorf("%s has rows of %d values, expected 1 to %d", name, w, maxVectorWidth)
	}
	f := floats{Shape: [2]int{a.Shape[0], a.Shape[1]}}
	switch a.DType {
	case npy.Float32:
		f.data, err = npy.Values[float32](a)
	case npy.Float64:
		var wide []float64
		wide, err = npy.Values[float64](a)
		f.data = make([]float32, len(wide))
		for i, x := range wide {
			f.data[i] = float32(x)
		}
	default:
		return floats{}, fmt.Errorf("%s is of type %s, expected float32", name, a.DType)
	}
	if err != nil {
		return floats{}, fmt.Errorf("%s: %w", name, err)
	}
	for i, x := range f.data {
		if x-x != 0 {
			return floats{}, fmt.Errorf("%s row %d dimension %d: %v, expected a finite number", name, i/f.Shape[1], i%f.Shape[1], x)
		}
	}
	return f, nil
}

// vector reads a one-dimensional array; -1 rows are any.
func vector[T npy.Element](r *npy.Reader, name string, rows int) ([]T, error) {
	a, err := r.Array(name)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) != 1 || rows >= 0 && a.Shape[0] != rows {
		if rows < 0 {
			return nil, fmt.Errorf("%s has shape %v, expected one dimension", name, a.Shape)
		}
		return nil, fmt.Errorf("%s has shape %v, expected [%d]", name, a.Shape, rows)
	}
	out, err := npy.Values[T](a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func texts(r *npy.Reader, name string, rows int) ([]string, error) {
	return vector[string](r, name, rows)
}

// indices are the table's row labels, as text and, where they are whole, as numbers; else a row's number is its place.
func indices(r *npy.Reader, name string, rows int) (labels []string, numbers []int64, err error) {
	a, err := r.Array(name)
	if err != nil {
		return nil, nil, err
	}
	labels, numbers = make([]string, 0, max(rows, 0)), make([]int64, 0, max(rows, 0))
	switch a.DType {
	case npy.Int64, npy.Int32:
		if a.DType == npy.Int64 {
			numbers, err = vector[int64](r, name, rows)
		} else {
			var small []int32
			small, err = vector[int32](r, name, rows)
			for _, n := range small {
				numbers = append(numbers, int64(n))
			}
		}
		for _, n := range numbers {
			labels = append(labels, strconv.FormatInt(n, 10))
		}
	case npy.Float64:
		var values []float64
		values, err = vector[float64](r, name, rows)
		for i, x := range values {
			labels, numbers = append(labels, strconv.FormatFloat(x, 'g', -1, 64)), append(numbers, int64(i))
		}
	case npy.Unicode:
		labels, err = texts(r, name, rows)
		for i := range labels {
			numbers = append(numbers, int64(i))
		}
	default:
		err = fmt.Errorf("%s is of type %s, expected numbers or texts", name, a.DType)
	}
	return labels, numbers, err
}
