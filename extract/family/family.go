package family

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// A Source names the directories a model comes from.
type Source struct {
	Family     string // a registered name; "" asks every family whether the checkpoint is its own
	Checkpoint string // config, weights, generation config
	Processor  string // tokenizer, chat template, image processor; "" means Checkpoint
	// StoredWeights leaves weights as the file holds them; without it they are rounded as the reference rounds them on loading.
	StoredWeights bool
	MaxNew        int // tokens an answer may have; 0 means MaxNew
}

// rounding is what graphs do to weights.
func (s Source) rounding(reference nn.Rounding) nn.Rounding {
	if s.StoredWeights {
		return nn.Keep
	}
	return reference
}

// maxNew is the number of tokens an answer may have.
func (s Source) maxNew() int {
	if s.MaxNew > 0 {
		return s.MaxNew
	}
	return MaxNew
}

// A Family reads checkpoints of one architecture.
type Family interface {
	// Name is how experiments call it.
	Name() string
	// Matches says whether the directory holds such a checkpoint. It reads config files only.
	Matches(dir string) bool
	// Present says which file of weights is missing, a *safetensors.MissingError, without reading any.
	Present(dir string) error
	// Load reads configs, tokenizer and tensor headers, binds every tensor, and builds the graphs. No weight is read.
	Load(src Source) (Model, error)
}

// A Model is one checkpoint, ready to be run. Its methods may be called from several goroutines.
type Model interface {
	Info() Info
	Graphs() Graphs
	// Files lists what was read, weights included.
	Files() []File
	// Weights lists the tensors the graphs use, by name.
	Weights() []safetensors.Tensor
	// Unused lists tensors of the checkpoint that no graph needs.
	Unused() []string
	// Settings is everything besides graphs and weights that can change a number, as a value that encodes to the same
	// JSON whenever it is equal. No paths.
	Settings() any
	// Decoding says how answers are produced.
	Decoding() Decoding
	// Image prepares an image file. An error is a *RefusedError, an outcome of the query.
	Image(file []byte) (*Image, error)
	// Prompt prepares a question about a prepared image; without one (nil) it is the question alone, as the reference asks it. An
	// error is a *RefusedError, an outcome of the query.
	Prompt(img *Image, question string) (*Prompt, error)
	// Text decodes generated ids, special tokens dropped.
	Text(ids []int64) string
	// Token is the text of one id; IDs are the tokens of a text, for looking words up among the logits.
	Token(id int64) string
	IDs(text string) []int64
}

// Info is what a model is, in numbers.
type Info struct {
	Family  string
	Blocks  int
	Width   int
	Vocab   int // rows of the head
	KVHeads int
	HeadDim int
}

// Graphs are a model's three graphs.
//
// vision: an image's feeds to `features` [1+n, width], row 0 zeros, and further outputs that the text graph has inputs
// of the same name for. text: see nn.Text. head: see nn.Head.
type Graphs struct {
	Vision, Text, Head *onnx.Builder
	// Readout is what nn.Head returned: where the rows of the head lie.
	Readout *nn.Readout
}

// A File was read to make the model.
type File struct {
	Role string // "config", "weights", "tokenizer" …
	Path string
}

// Decoding is how greedy decoding is steered.
type Decoding struct {
	MaxNew  int     `json:"max_new_tokens"`
	End     []int64 `json:"end_tokens"`
	Penalty float32 `json:"repetition_penalty"` // 1 for none; on every id of the prompt and the answer so far, once
}

// A Tensor is one input of a graph: Float, Int or Int32 holds its elements, row-major.
type Tensor struct {
	Name  string
	Shape []int64
	Float []float32
	Int   []int64
	Int32 []int32
}

// An Image is prepared for the vision graph.
type Image struct {
	Feeds    []Tensor // the vision graph's inputs
	Features int      // feature rows that come out, the zero row not counted
	Tokens   int      // positions the image takes in the prompt
	// Layout is what the family's Prompt needs to know.
	Layout any
}

// A Prompt is prepared for the text graph.
type Prompt struct {
	Text string  // as rendered, before the image token is repeated
	IDs  []int64 // as long as the language model's input
	Rows []int64 // rows of the embedding table to look up where they are not IDs; else nil
	// Source has, for every position, 0 or 1 + the feature row that belongs there.
	Source []int64
	// Positions are the rotary positions, one slice per axis.
	Positions [][]int64
	// Cos and Sin are the rotary tables [len(IDs)+MaxNew, headDim/2]: the prompt's positions, then those of the answer.
	Cos, Sin []float32
	// Indivisible is the length of the beginning that must be computed in one call; 0 if any cut will do.
	Indivisible int
}

// A RefusedError says why a query has no capture: the reference refuses it too.
type RefusedError struct {
	Stage string // "image" or "prompt"
	Err   error
}

func (e *RefusedError) Error() string { return e.Stage + ": " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

func refuse(stage, format string, args ...any) error {
	return &RefusedError{Stage: stage, Err: fmt.Errorf(format, args...)}
}

// MaxNew is the number of tokens an answer may have unless told otherwise, as the published experiment has it for every family.
const MaxNew = 20

var registry = map[string]Family{}

// Register adds a family. It panics on a name taken.
func Register(f Family) {
	if _, ok := registry[f.Name()]; ok {
		panic("family: " + f.Name() + " registered twice")
	}
	registry[f.Name()] = f
}

// Names lists the registered families in order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for name := range registry {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Find is the family of src: the one it names, or the one whose own the checkpoint is.
func Find(src Source) (Family, error) {
	if src.Family != "" {
		f, ok := registry[src.Family]
		if !ok {
			return nil, fmt.Errorf("unknown family %q: known are %s", src.Family, strings.Join(Names(), ", "))
		}
		return f, nil
	}
	for _, name := range Names() {
		if registry[name].Matches(src.Checkpoint) {
			return registry[name], nil
		}
	}
	return nil, fmt.Errorf("%s: no checkpoint of a known family (%s)", src.Checkpoint, strings.Join(Names(), ", "))
}

// Load finds the family of src and loads the model.
func Load(src Source) (Model, error) {
	if src.Processor == "" {
		src.Processor = src.Checkpoint
	}
	f, err := Find(src)
	if err != nil {
		return nil, err
	}
	return f.Load(src)
}

// digest prints a SHA-256 for settings.
func digest(sum [sha256.Size]byte) string { return fmt.Sprintf("sha256:%x", sum) }
