package nn

import (
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// A Linear is x·Wᵀ, plus a bias where Biased: [..., In] to [..., Out].
type Linear struct {
	In, Out int64
	Biased  bool
	Stored  []int64 // the weight's shape in the file where it is not [Out, In], as of a convolution used as a product

	Weight, Bias safetensors.Tensor
}

func (l *Linear) parameters() []parameter {
	p := []parameter{{name: "weight", shape: []int64{l.Out, l.In}, stored: l.Stored, dst: &l.Weight}}
	if l.Biased {
		p = append(p, parameter{name: "bias", shape: []int64{l.Out}, dst: &l.Bias})
	}
	return p
}

// Forward is the whole product.
func (l *Linear) Forward(g *Graph, x onnx.Value) onnx.Value { return l.ForwardRows(g, x, 0, l.Out) }

// ForwardRows computes outputs [from, to) only: one of several projections stored as one, or part of a large vocabulary.
func (l *Linear) ForwardRows(g *Graph, x onnx.Value, from, to int64) onnx.Value {
	y := g.MatMulT(x, g.Param(l.Weight.Rows(from, to)))
	if l.Biased {
		y = g.Add(y, g.Param(l.Bias.Rows(from, to)))
	}
	return y
}

// An RMSNorm is x/sqrt(mean(x²)+Eps)·w over the last axis, of length Dim.
type RMSNorm struct {
	Dim int64
	Eps float32

	Weight safetensors.Tensor
}

func (n *RMSNorm) parameters() []parameter {
	return []parameter{{name: "weight", shape: []int64{n.Dim}, dst: &n.Weight}}
}

func (n *RMSNorm) Forward(g *Graph, x onnx.Value) onnx.Value {
	return g.RMSNorm(x, g.Param(n.Weight), n.Eps)
}

// A LayerNorm is (x−mean)/sqrt(var+Eps)·w+b over the last axis, of length Dim.
type LayerNorm struct {
	Dim int64
	Eps float32

	Weight, Bias safetensors.Tensor
}

func (n *LayerNorm) parameters() []parameter {
	return []parameter{
		{name: "weight", shape: []int64{n.Dim}, dst: &n.Weight},
		{name: "bias", shape: []int64{n.Dim}, dst: &n.Bias},
	}
}

func (n *LayerNorm) Forward(g *Graph, x onnx.Value) onnx.Value {
	return g.LayerNorm(x, g.Param(n.Weight), g.Param(n.Bias), n.Eps)
}

// A GatedMLP is down(silu(gate(x))·up(x)), with the weight names of the Llama line.
type GatedMLP struct {
	Gate Linear `weight:"gate_proj"`
	Up   Linear `weight:"up_proj"`
	Down Linear `weight:"down_proj"`
}

// NewGatedMLP sets the sizes.
func NewGatedMLP(width, inner int64, biased bool) GatedMLP {
	return GatedMLP{
		Gate: Linear{In: width, Out: inner, Biased: biased},
		Up:   Linear{In: width, Out: inner, Biased: biased},
		Down: Linear{In: inner, Out: width, Biased: biased},
	}
}

func (m *GatedMLP) Forward(g *Graph, x onnx.Value) onnx.Value {
	return m.Down.Forward(g, g.Mul(g.QuickGelu(m.Gate.Forward(g, x), 1), m.Up.Forward(g, x)))
}

// headRows is how many vocabulary rows are converted at a time, so that a streamed head of a large vocabulary needs
// tens of megabytes, not the gigabyte a float32 copy would take.
const headRows = 8192

// Head adds the logits graph: `tap` [batch, width], a hidden state after the last block, to `logits` [batch, vocab].
func Head(g *Graph, norm *RMSNorm, out *Linear) *Readout {
	x := norm.Forward(g, g.Input("tap", onnx.Float32, onnx.Sym("batch"), onnx.N(out.In)))
	var parts []onnx.Value
	for from := int64(0); from < out.Out; from += headRows {
		parts = append(parts, out.ForwardRows(g, x, from, min(from+headRows, out.Out)))
	}
	logits := parts[0]
	if len(parts) > 1 {
		logits = g.Concat(1, onnx.N(out.Out), parts...)
	}
	g.Output("logits", logits)
	return &Readout{Weight: out.Weight, Norm: norm.Weight, Round: g.Round}
}

// WithZeroRow puts a row of zeros before x, [n, width]: what positions without a feature look up.
func WithZeroRow(g *Graph, x onnx.Value) onnx.Value {
	width := x.Dim(1).N
	zero := g.Floats([]int64{1, width}, make([]float32, width))
	return g.Concat(0, onnx.Sym("features"), zero, x)
}

// MeanRow is the mean over the rows of a table, [1, width]: what transformers gives new tokens for an embedding. The
// mean is taken in float32 and rounded as the table is.
func MeanRow(g *Graph, table safetensors.Tensor) onnx.Value {
	n := table.Shape[0]
	var sum onnx.Value
	for from := int64(0); from < n; from += headRows {
		part := g.ReduceSum(g.Param(table.Rows(from, min(from+headRows, n))), 0)
		if from > 0 {
			part = g.Add(sum, part)
		}
		sum = part
	}
	return g.Widen(g.Div(sum, g.Float(float32(n))))
}

// Inverse is the permutation that undoes order: order[Inverse(order)[i]] == i.
func Inverse(order []int64) []int64 {
	inverse := make([]int64, len(order))
	for i, p := range order {
		inverse[p] = int64(i)
	}
	return inverse
}
