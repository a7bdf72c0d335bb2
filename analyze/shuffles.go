package analyze

import (
	"sync"

	"swaprun/internal/mt"
)

// releasedShuffles are the permutations of the released control, vertical delta i with distance delta π(i): 100 of one
// stream that starts afresh at every block.
func releasedShuffles(n int) [][]int {
	stream := mt.NewNumpy(42)
	out := make([][]int, 100)
	for s := range out {
		out[s] = stream.Permutation(n)
	}
	return out
}

// shuffles are those of the last number of quads asked for: most often all blocks have as many. They must not be changed.
type shuffles struct {
	sync.Mutex
	n     int
	perms [][]int
}

func (s *shuffles) of(n int) [][]int {
	s.Lock()
	defer s.Unlock()
	if s.n != n {
		s.n, s.perms = n, releasedShuffles(n)
	}
	return s.perms
}

// partners is how many shuffles are summed up at once, each in an accumulator of its own, and partnerLanes how many lanes that has.
const (
	partners     = 20
	partnerLanes = 16
)

// partnerSums are Σ_i ⟨u_i, w_π(i)⟩ of many permutations π. With a hundred of a thousand rows that is a twelfth of all products, so that
// fetching rows is what takes time: the same lanes of all rows lie side by side, to be met in a cache by all shuffles in turn. Only sums of a
// permutation are wanted, so lanes are added up once in runLength/4 rows: float32 sums are then no longer than those of a run in products,
// and the values are of vectors of unit length.
type partnerSums struct {
	n    int
	at   [][]uint32 // for every twenty permutations: where the lanes of row π(i) are, in bytes from those of row 0, [n, partners]
	sums [][partners]float64
	u, w []float32 // [width/partnerLanes, n, partnerLanes]
}

// newPartnerSums takes rows in the order given, width values at a time; release gives memory back.
func newPartnerSums(order []int, perms [][]int, width int) (s *partnerSums, release func()) {
	n := len(order)
	position := make([]uint32, n)
	for p, i := range order {
		position[i] = uint32(p)
	}
	s = &partnerSums{n: n}
	for from := 0; from < len(perms); from += partners {
		at := make([]uint32, n*partners)
		for k, perm := range perms[from:min(from+partners, len(perms))] {
			for p, i := range order {
				at[p*partners+k] = position[perm[i]] * partnerLanes * 4
			}
		}
		s.at = append(s.at, at)
	}
	s.sums = make([][partners]float64, len(s.at))
	size := n * filledTo(width, partnerLanes)
	s.u, s.w = borrowDirty[float32](size), borrowDirty[float32](size)
	return s, func() {
		giveBack(s.u)
		giveBack(s.w)
	}
}

// set sets some values, as many for all rows, of the p-th row of each side, scaled by us and ws.
func (s *partnerSums) set(p int, u []float32, us float64, w []float32, ws float64) {
	scatter32(s.u[p*partnerLanes:], s.n*partnerLanes, u, float32(us))
	scatter32(s.w[p*partnerLanes:], s.n*partnerLanes, w, float32(ws))
}

// add adds the products of as many values.
func (s *partnerSums) add(width int) {
	const length = runLength / 4
	for k := 0; k < width; k += partnerLanes {
		u, w := s.u[k*s.n:], s.w[k*s.n:][:s.n*partnerLanes]
		for g, at := range s.at {
			for i := 0; i < s.n; i += length {
				partners32(min(length, s.n-i), u[i*partnerLanes:], w, at[i*partners:], &s.sums[g])
			}
		}
	}
}

// sum is that of the permutation at a position.
func (s *partnerSums) sum(permutation int) float64 {
	return s.sums[permutation/partners][permutation%partners]
}
