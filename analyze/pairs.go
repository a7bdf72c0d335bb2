package analyze

import (
	"fmt"
	"slices"
)

// Projections returns, for every pair, its leave-one-out projection h_i at a block: the mean cosine of its signed delta with those of the
// other pairs of its axis and subset, so how well the axis' direction calls this pair. Nil where the pair is not in
// the subset, lacks the block, or is alone. The values come with the draws of o, which other metrics share.
func (v *Vectors) Projections(block int, s Subset, o Options) ([]*float64, error) {
	if err := v.Validate(); err != nil {
		return nil, fmt.Errorf("projections: %w", err)
	}
	if err := v.member(s); err != nil {
		return nil, fmt.Errorf("projections: %w", err)
	}
	b, ok := slices.BinarySearch(v.Blocks, block)
	if !ok {
		return nil, fmt.Errorf("projections: block %d: not among %v", block, v.Blocks)
	}
	sum, err := v.summarise(o)
	if err != nil {
		return nil, fmt.Errorf("projections: %w", err)
	}
	f := sum.facts(b, s)
	out := make([]*float64, len(v.Pairs))
	for _, axis := range Axes {
		for i, h := range f.projection[axis] {
			out[f.pairs[axis][i]] = &h
		}
	}
	return out, nil
}
