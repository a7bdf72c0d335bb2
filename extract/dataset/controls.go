package dataset

import (
	"slices"

	"swaprun/internal/mt"
)

// OtherImages gives every pair an image that is not its own, for the control of mismatched pictures: the distinct
// images in a random order (RandomState(seed)), each replaced by the next. The result is aligned with pairs and holds digests; it
// is empty where a pair has no image or there is no other.
func OtherImages(pairs []Pair, seed uint32) []string {
	var distinct []string
	for _, p := range pairs {
		if p.Image != "" {
			distinct = append(distinct, p.Image)
		}
	}
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	out := make([]string, len(pairs))
	if len(distinct) < 2 {
		return out
	}
	next := make(map[string]string, len(distinct))
	order := mt.NewNumpy(seed).Permutation(len(distinct))
	for i, at := range order {
		next[distinct[at]] = distinct[order[(i+1)%len(order)]]
	}
	for i, p := range pairs {
		out[i] = next[p.Image]
	}
	return out
}
