// Package mt draws what Python's random.Random and numpy's RandomState draw. Both are Mersenne
// Twisters (MT19937), but they seed it differently and turn its words into integers differently,
// and the released selection of pairs and the released permutations rest on exactly those draws.
package mt

import (
	"math/bits"
	"slices"

	"gonum.org/v1/gonum/mathext/prng"
)

// Python is the stream of CPython's random.Random (3.2 and later).
type Python struct {
	src prng.MT19937
}

// NewPython returns the stream of random.Random(seed) for a non-negative seed: the twister is
// seeded by key (init_by_array) with the seed's 32-bit words, low word first.
func NewPython(seed uint64) *Python {
	p := new(Python)
	keys := []uint32{uint32(seed)}
	if high := uint32(seed >> 32); high != 0 {
		keys = append(keys, high)
	}
	p.src.SeedFromKeys(keys)
	return p
}

// Bits is getrandbits(k) for 1 ≤ k ≤ 32: the high k bits of one word. It panics outside that range.
func (p *Python) Bits(k int) uint32 {
	if k < 1 || k > 32 {
		panic("mt: bits out of range")
	}
	return p.src.Uint32() >> (32 - k)
}

// Below returns the index that choice draws from n items, in [0, n). It draws even when n is 1
// (one bit, again while that bit is set), as Python does. It panics unless 0 < n < 2³².
func (p *Python) Below(n int) int {
	if n <= 0 || uint64(n) > 1<<32-1 {
		panic("mt: choice from an impossible number of items")
	}
	k := bits.Len(uint(n))
	for {
		if r := int(p.Bits(k)); r < n {
			return r
		}
	}
}

// Sample is sample(range(n), k): k distinct integers from [0, n) in the order drawn. Python has
// two ways and takes whichever it thinks needs less memory; both are here, since they draw
// differently. It panics unless 0 ≤ k ≤ n.
func (p *Python) Sample(n, k int) []int {
	if k < 0 || k > n {
		panic("mt: sample larger than the population")
	}
	set := 21 // the size of a small set less that of an empty list, in random.py
	if k > 5 {
		grown := 1 // 4^ceil(log₄(3k)); 3k is never a power of four, so integers suffice
		for grown < 3*k {
			grown *= 4
		}
		set += grown
	}
	out := make([]int, k)
	if n <= set {
		pool := make([]int, n)
		for i := range pool {
			pool[i] = i
		}
		for i := range out {
			j := p.Below(n - i)
			out[i] = pool[j]
			pool[j] = pool[n-i-1] // the last live element moves into the hole
		}
		return out
	}
	drawn := make(map[int]bool, k)
	for i := range out {
		j := p.Below(n)
		for drawn[j] {
			j = p.Below(n)
		}
		drawn[j] = true
		out[i] = j
	}
	return out
}

// Numpy is the stream of numpy.random.RandomState, which numpy has frozen.
type Numpy struct {
	src prng.MT19937
}

// NewNumpy returns the stream of RandomState(seed): the twister is seeded by its plain
// recurrence (init_genrand), not by key.
func NewNumpy(seed uint32) *Numpy {
	r := new(Numpy)
	r.src.Seed(uint64(seed))
	return r
}

// interval is the legacy bounded integer: uniform in [0, max], by mask and reject on the low bits
// of a word. No word is drawn for max = 0.
func (r *Numpy) interval(max uint32) uint32 {
	if max == 0 {
		return 0
	}
	mask := uint32(1)<<bits.Len32(max) - 1
	for {
		if v := r.src.Uint32() & mask; v <= max {
			return v
		}
	}
}

// Permutation is permutation(n), the integers [0, n) shuffled from the end.
func (r *Numpy) Permutation(n int) []int {
	p := make([]int, n)
	r.PermutationTo(p)
	return p
}

// PermutationTo fills dst with permutation(len(dst)).
func (r *Numpy) PermutationTo(dst []int) {
	for i := range dst {
		dst[i] = i
	}
	for i := len(dst) - 1; i > 0; i-- {
		j := r.interval(uint32(i))
		dst[i], dst[j] = dst[j], dst[i]
	}
}

// Pick returns the elements of items that sample(items, k) draws; items are left alone.
func Pick[T any](p *Python, items []T, k int) []T {
	out := make([]T, 0, k)
	for _, i := range p.Sample(len(items), k) {
		out = append(out, items[i])
	}
	return slices.Clip(out)
}
