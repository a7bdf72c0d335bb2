package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"swaprun/ledger/npy"
)

func init() {
	renderers["vectors.npz"] = writeVectors
	renderers["quads.npz"] = writeQuads
}

// writeVectors writes delta_ groups_ categories_ [is_correct_orig_ is_correct_swap_] indices_ orig_ swap_ labels_ + L{n},
// block by block, so that no more than one block is in memory.
func writeVectors(w io.Writer, a Artefact, in []Material) error {
	v := in[0].Vectors
	if len(v.Pairs) == 0 {
		return ErrEmpty
	}
	n := len(v.Pairs)
	axes, categories := make([]string, n), make([]string, n)
	original, swapped := make([]bool, n), make([]bool, n)
	for i, p := range v.Pairs {
		axes[i], categories[i] = p.Axis, word(a.Recipe.Layout, p.Category)
		original[i], swapped[i] = p.OriginalCorrect, p.SwappedCorrect
	}
	indices := indexArray(v.Pairs)
	delta := make([]float32, n*v.Width)
	out := npy.NewWriter(w)
	for _, block := range wanted(v.Blocks, a.Recipe.Layers) {
		before, after, err := v.Block(block)
		if err != nil {
			return fmt.Errorf("block %d: %w", block, err)
		}
		if len(before) != len(delta) || len(after) != len(delta) {
			return fmt.Errorf("block %d: %d and %d values, expected %d pairs × %d", block, len(before), len(after), n, v.Width)
		}
		for i := range delta {
			delta[i] = after[i] - before[i]
		}
		add := adder{w: out, block: block}
		add.array("delta", npy.New(delta, n, v.Width))
		add.array("groups", npy.New(axes))
		add.array("categories", npy.New(categories))
		if a.Recipe.Layout != Release {
			add.array("is_correct_orig", npy.New(original))
			add.array("is_correct_swap", npy.New(swapped))
		}
		add.array("indices", indices)
		add.array("orig", npy.New(before, n, v.Width))
		add.array("swap", npy.New(after, n, v.Width))
		add.array("labels", npy.New(categories))
		if add.err != nil {
			return add.err
		}
	}
	return out.Close()
}

// writeQuads writes delta_vert_ and delta_dist_ + L{n}, block by block.
func writeQuads(w io.Writer, a Artefact, in []Material) error {
	q := in[0].Quads
	if q.Len == 0 {
		return ErrEmpty
	}
	out := npy.NewWriter(w)
	for _, block := range wanted(q.Blocks, a.Recipe.Layers) {
		vertical, distance, err := q.Block(block)
		if err != nil {
			return fmt.Errorf("block %d: %w", block, err)
		}
		if len(vertical) != q.Len*q.Width || len(distance) != q.Len*q.Width {
			return fmt.Errorf("block %d: %d and %d values, expected %d quads × %d", block, len(vertical), len(distance), q.Len, q.Width)
		}
		add := adder{w: out, block: block}
		add.array("delta_vert", npy.New(vertical, q.Len, q.Width))
		add.array("delta_dist", npy.New(distance, q.Len, q.Width))
		if add.err != nil {
			return add.err
		}
	}
	return out.Close()
}

// An adder appends a block's arrays until one fails.
type adder struct {
	w     *npy.Writer
	block int
	err   error
}

func (a *adder) array(stem string, array *npy.Array) {
	if a.err == nil {
		a.err = a.w.Add(fmt.Sprintf("%s_L%d", stem, a.block), array)
	}
}

// wanted are the blocks that are both there and asked for, ascending.
func wanted(have, want []int) []int {
	if want == nil {
		return have
	}
	set := map[int]bool{}
	for _, b := range want {
		set[b] = true
	}
	var out []int
	for _, b := range have {
		if set[b] {
			out = append(out, b)
		}
	}
	return out
}

// indexArray types the row labels as numpy does: all integers, else all numbers, else text.
func indexArray(pairs []VectorPair) *npy.Array {
	ints, floats, texts := make([]int64, len(pairs)), make([]float64, len(pairs)), make([]string, len(pairs))
	whole, number := true, true
	for i, p := range pairs {
		texts[i] = p.Index
		var err error
		if ints[i], err = strconv.ParseInt(p.Index, 10, 64); err != nil {
			whole = false
		}
		switch strings.ToLower(p.Index) {
		case "nan", "":
			floats[i] = nan
		default:
			if floats[i], err = strconv.ParseFloat(p.Index, 64); err != nil {
				number = false
			}
		}
	}
	switch {
	case whole:
		return npy.New(ints)
	case number:
		return npy.New(floats)
	}
	return npy.New(texts)
}
