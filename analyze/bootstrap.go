package analyze

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// batch is the number of draws that are weighed together: two panels of the matrix kernel.
const batch = 192

// A stream draws bounded integers the same way in every version of the library.
type stream struct{ src *rand.PCG }

func newStream(seed, sequence uint64) stream { return stream{rand.NewPCG(seed, sequence)} }

// below is uniform in [0, n), up to n·2⁻⁶⁴.
func (s stream) below(n int) int {
	hi, _ := bits.Mul64(s.src.Uint64(), uint64(n))
	return int(hi)
}

// A resampler draws scenes with replacement: draw b has the same weights for every block, axis, subset and
// checkpoint with the same scenes, so that intervals are joint and differences are paired.
type resampler struct {
	unit  []int // scene of each pair
	count int   // scenes
	seed  uint64
}

// counts returns how often draw b holds each scene. The stream of a draw depends on seed and b alone.
func (r *resampler) counts(b int, dst []uint8) []uint8 {
	dst = dst[:0]
	dst = append(dst, make([]uint8, r.count)...)
	rng := newStream(r.seed, uint64(b))
	for range r.count {
		at := rng.below(r.count)
		if dst[at] < math.MaxUint8 {
			dst[at]++
		}
	}
	return dst
}

// weights fills w [m, len(pairs)] with the weights of draws from to from+m; a negative pair weighs nothing.
func (r *resampler) weights(w []float64, pairs []int, from, m int) {
	var c []uint8
	for j := range m {
		c = r.counts(from+j, c)
		row := w[j*len(pairs) : (j+1)*len(pairs)]
		for i, p := range pairs {
			row[i] = 0
			if p >= 0 {
				row[i] = float64(c[r.unit[p]])
			}
		}
	}
}

// intervals of a bootstrap distribution: sd, and the central 95 % by percentiles. Undefined draws (NaN) are left out;
// if more than one in twenty is, there is no interval. It sorts draws.
func percentiles(draws []float64) (sd, low, high float64, ok bool) {
	all := len(draws)
	kept := draws[:0]
	for _, d := range draws {
		if !math.IsNaN(d) {
			kept = append(kept, d)
		}
	}
	if len(kept) < 20 || (all-len(kept))*20 > all {
		return 0, 0, 0, false
	}
	_, sd = meanSD(kept)
	slices.Sort(kept)
	return sd * math.Sqrt(float64(len(kept))/float64(len(kept)-1)), quantile(kept, 0.025), quantile(kept, 0.975), true
}

// quantile of ascending values, with linear interpolation between order statistics (numpy's default, Hyndman–Fan 7).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// meanSD is mean and population deviation in two passes; NaN of nothing.
func meanSD(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(len(x)))
}
