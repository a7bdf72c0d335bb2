package extract

import (
	"encoding/json"
	"errors"
	"fmt"

	"swaprun/extract/family"
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// A Source names the directories a model comes from; see family.Source.
type Source = family.Source

// A File was read to make a Program.
type File = family.File

// A Weight is a tensor the graphs use, and where it lies.
type Weight = safetensors.Tensor

// A MissingError says which file of weights is not there.
type MissingError = safetensors.MissingError

// Present looks whether a checkpoint's weights are there, without reading any: a *MissingError says what is not.
func Present(src Source) error {
	f, err := family.Find(src)
	if err != nil {
		return err
	}
	return f.Present(src.Checkpoint)
}

// Families lists the families Compile knows.
func Families() []string { return family.Names() }

// A Program is a compiled checkpoint: everything but its weights.
type Program struct {
	model       family.Model
	fingerprint []byte
}

// Compile reads the configs, the tokenizer and the tensor headers of a checkpoint, binds every tensor, and builds the graphs.
// Weights are not read. Errors name the file, the key or the tensor: *family.ConfigError, *nn.BindError,
// *safetensors.FormatError, *onnx.ShapeError, or what the file system says.
func Compile(src Source) (_ *Program, err error) {
	defer func() {
		// Shapes that do not fit are a checkpoint's fault, and only they are.
		switch r := recover().(type) {
		case nil:
		case *onnx.ShapeError:
			err = fmt.Errorf("compile %s: %w", src.Checkpoint, r)
		default:
			panic(r)
		}
	}()
	if src.Checkpoint == "" {
		return nil, errors.New("compile: no checkpoint directory given")
	}
	m, err := family.Load(src)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", src.Checkpoint, err)
	}
	g := m.Graphs()
	info := m.Info()
	fingerprint, err := json.Marshal(map[string]any{
		"family": info.Family,
		"graphs": map[string]string{
			"vision": graphDigest(g.Vision), "text": graphDigest(g.Text), "head": graphDigest(g.Head),
		},
		"settings": m.Settings(),
		"version":  captureVersion,
	})
	if err != nil {
		return nil, fmt.Errorf("compile %s: fingerprint: %w", src.Checkpoint, err)
	}
	return &Program{model: m, fingerprint: fingerprint}, nil
}

// captureVersion changes whenever code outside the graphs changes a number: prefix sharing, decoding, batching, what is kept of the logits.
const captureVersion = 2

func graphDigest(b *onnx.Builder) string { return fmt.Sprintf("sha256:%x", b.Digest()) }

// Info describes a program.
type Info struct {
	Family      string `json:"family"`
	Blocks      int    `json:"blocks"`
	Width       int    `json:"width"`
	Vocab       int    `json:"vocab"`        // logits a token
	Parameters  int64  `json:"parameters"`   // in the tensors the graphs use
	WeightBytes int64  `json:"weight_bytes"` // as stored
	Nodes       int    `json:"nodes"`        // of the three graphs
}

// Info describes the program.
func (p *Program) Info() Info {
	m := p.model.Info()
	info := Info{Family: m.Family, Blocks: m.Blocks, Width: m.Width, Vocab: m.Vocab}
	for _, w := range p.model.Weights() {
		info.Parameters += w.Elements()
		info.WeightBytes += w.Length
	}
	g := p.model.Graphs()
	for _, b := range []*onnx.Builder{g.Vision, g.Text, g.Head} {
		info.Nodes += b.Nodes()
	}
	return info
}

// Fingerprint is canonical JSON of everything except the weights' values that can change a number: the graphs, the
// parsed config, processor, tokenizer, template and generation settings. It holds no paths.
func (p *Program) Fingerprint() []byte { return p.fingerprint }

// WordTokens are the first tokens of every answer word's forms (see AnswerWords, WordForms); −1 where the head has no such token.
func (p *Program) WordTokens() map[string][4]int64 { return wordTokens(p.model) }

// Token is the text of one id.
func (p *Program) Token(id int64) string { return p.model.Token(id) }

// HeadRows reads what the logits of some tokens are made of: rows [len(ids)][width] of the head, and the gains [width] of the norm before
// it, both as the reference holds them. A logit is row · (state ⊙ gains) over the state's root mean square.
func (p *Program) HeadRows(ids []int64) (rows [][]float32, gains []float32, err error) {
	r := p.model.Graphs().Readout
	if r == nil {
		return nil, nil, fmt.Errorf("family %s does not say where its head lies", p.model.Info().Family)
	}
	if rows, err = r.Rows(ids); err != nil {
		return nil, nil, err
	}
	gains, err = r.Gains()
	return rows, gains, err
}

// Files lists every file that was read, weights included.
func (p *Program) Files() []File { return p.model.Files() }

// Weights lists the tensors the graphs use, by name.
func (p *Program) Weights() []Weight { return p.model.Weights() }

// Unused lists the checkpoint's tensors that no graph needs.
func (p *Program) Unused() []string { return p.model.Unused() }
