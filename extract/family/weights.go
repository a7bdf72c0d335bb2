package family

import (
	"slices"
	"strings"

	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// usedWeights lists the tensors of set that the graphs use, by name; a tensor used in parts counts as a whole.
func usedWeights(g Graphs, set *safetensors.Set) []safetensors.Tensor {
	seen := map[string]bool{}
	var used []safetensors.Tensor
	for _, b := range []*onnx.Builder{g.Vision, g.Text, g.Head} {
		for _, w := range b.Weights() {
			name := w.Name
			t, ok := set.Lookup(name)
			if !ok { // a part is called name[from:to]
				name = name[:strings.LastIndexByte(name, '[')]
				t, _ = set.Lookup(name)
			}
			if !seen[name] {
				seen[name] = true
				used = append(used, t)
			}
		}
	}
	slices.SortFunc(used, func(a, b safetensors.Tensor) int { return strings.Compare(a.Name, b.Name) })
	return used
}
