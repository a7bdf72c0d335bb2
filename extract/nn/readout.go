package nn

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"swaprun/extract/safetensors"
)

// A Readout is how logits are read off the last block's state: Weight [vocab, width] times the normed state, Norm [width] being
// the norm's gains; both as stored, to be rounded as Round says. A tied head is the embedding table.
type Readout struct {
	Weight, Norm safetensors.Tensor
	Round        Rounding
}

// Rows reads rows of the head, rounded, without reading the rest of it.
func (r *Readout) Rows(ids []int64) ([][]float32, error) {
	rows := make([][]float32, len(ids))
	for i, id := range ids {
		if len(r.Weight.Shape) != 2 || id < 0 || id >= r.Weight.Shape[0] {
			return nil, fmt.Errorf("row %d of %s: its shape is %s", id, r.Weight.Name, safetensors.FormatShape(r.Weight.Shape))
		}
		row, err := read(r.Weight.Rows(id, id+1), r.Round)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

// Gains reads the norm's weight, rounded.
func (r *Readout) Gains() ([]float32, error) { return read(r.Norm, r.Round) }

// read is a small tensor as float32, rounded as Graph.Widen rounds.
func read(t safetensors.Tensor, round Rounding) ([]float32, error) {
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, t.Length)
	if _, err := f.ReadAt(b, t.Offset); err != nil {
		return nil, fmt.Errorf("tensor %s in %s: %w", t.Name, t.Path, err)
	}
	out := make([]float32, t.Elements())
	for i := range out {
		var v float32
		switch t.DType {
		case safetensors.F32:
			v = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		case safetensors.BF16:
			v = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		case safetensors.F16:
			v = fromF16(binary.LittleEndian.Uint16(b[2*i:]))
		default:
			return nil, fmt.Errorf("tensor %s in %s: type %s, expected F32, F16 or BF16", t.Name, t.Path, t.DType)
		}
		switch round {
		case ToBF16:
			v = roundBF16(v)
		case ToF16:
			v = roundF16(v)
		}
		out[i] = v
	}
	return out, nil
}

// roundBF16 rounds to bfloat16, to nearest, ties to even. v is finite.
func roundBF16(v float32) float32 {
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// roundF16 rounds to float16, to nearest, ties to even: a multiple of the spacing at v's size, which below 2⁻¹⁴ is 2⁻²⁴.
func roundF16(v float32) float32 {
	x := float64(v)
	_, exp := math.Frexp(x)
	spacing := math.Ldexp(1, max(exp-11, -24))
	x = math.RoundToEven(x/spacing) * spacing
	if math.Abs(x) > 65504 {
		return float32(math.Inf(int(math.Copysign(1, x))))
	}
	return float32(x)
}

// fromF16 widens a float16.
func fromF16(h uint16) float32 {
	exp, frac := int(h>>10&0x1f), float64(h&0x3ff)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(frac, -24)
	case 31:
		v = math.Inf(1)
		if frac != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+frac, exp-25)
	}
	if h&0x8000 != 0 {
		v = -v
	}
	return float32(v)
}
