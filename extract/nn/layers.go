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

// ForwardRows computes outputs [from, to) only: one of several projections stored as one.
func (l *Linear) ForwardRows(g *Graph, x onnx.Value, from, to int64) onnx.Value {
	var ys []onnx.Value
	for _, p := range l.parts(from, to) {
		ys = append(ys, l.part(g, x, p))
	}
	return beside(g, ys, to-from)
}

// A span is rows [from, to) of a weight.
type span struct{ from, to int64 }

// A streamed weight is converted and used in parts of about partBytes in float32, which the processor's cache holds between
// the two: a decoding step then takes little more than half the time. Smaller parts still would make it a little faster, and
// opening a session slow: the runtime sorts a graph's conversions in time with the square of their number (BenchmarkOpenDeep). minPart
// bounds it in wide models; and a part must not leave a thread fewer than 65 columns, which the runtime sums in another order.
const (
	partBytes = 2 << 20
	minPart   = 512
)

func (l *Linear) parts(from, to int64) []span {
	rows := to - from
	n := max(1, min((4*rows*l.In+partBytes-1)/partBytes, rows/minPart))
	cut := func(i int64) int64 {
		if i == n {
			return to
		}
		return from + i*rows/n/16*16
	}
	list := make([]span, n)
	for i := range n {
		list[i] = span{cut(i), cut(i + 1)}
	}
	return list
}

func (l *Linear) part(g *Graph, x onnx.Value, p span) onnx.Value {
	y := g.MatMulT(x, g.Param(l.Weight.Rows(p.from, p.to)))
	if l.Biased {
		y = g.Add(y, g.Param(l.Bias.Rows(p.from, p.to)))
	}
	return y
}

// beside puts parts side by side along the last axis.
func beside(g *Graph, ys []onnx.Value, length int64) onnx.Value {
	if len(ys) == 1 {
		return ys[0]
	}
	return g.Concat(ys[0].Rank()-1, onnx.N(length), ys...)
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
	var hs []onnx.Value
	for _, p := range m.Gate.parts(0, m.Gate.Out) {
		hs = append(hs, g.Mul(g.QuickGelu(m.Gate.part(g, x, p), 1), m.Up.part(g, x, p)))
	}
	return m.Down.Forward(g, beside(g, hs, m.Gate.Out))
}

// Head adds the logits graph: `tap` [batch, width], a hidden state after the last block, to `logits` [batch, vocab].
func Head(g *Graph, norm *RMSNorm, out *Linear) *Readout {
	x := norm.Forward(g, g.Input("tap", onnx.Float32, onnx.Sym("batch"), onnx.N(out.In)))
	g.Output("logits", out.Forward(g, x))
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
	const rows = 8192
	n := table.Shape[0]
	var sum onnx.Value
	for from := int64(0); from < n; from += rows {
		part := g.ReduceSum(g.Param(table.Rows(from, min(from+rows, n))), 0)
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
