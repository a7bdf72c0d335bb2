package analyze

import (
	"math/bits"
	"sync"
)

// Large matrices are borrowed and given back, block after block: beside vectors of gigabytes the garbage collector
// would let as much garbage pile up. Results never alias them. Capacities are of few sizes, four to a doubling, so that
// subsets of a few pairs less fit as well.
var buffers sync.Map // bufferKind → *sync.Pool of *[]T

type bufferKind struct {
	capacity int
	single   bool
}

// capacityFor is n rounded up to three significant bits.
func capacityFor(n int) int {
	shift := max(bits.Len(uint(n))-3, 0)
	return (n + 1<<shift - 1) >> shift << shift
}

func poolOf[T float32 | float64](capacity int) *sync.Pool {
	_, single := any(T(0)).(float32)
	p, _ := buffers.LoadOrStore(bufferKind{capacity, single}, &sync.Pool{})
	return p.(*sync.Pool)
}

// borrow returns n zeros.
func borrow[T float32 | float64](n int) []T {
	x := borrowDirty[T](n)
	clear(x)
	return x
}

// borrowDirty returns n values of any kind.
func borrowDirty[T float32 | float64](n int) []T {
	c := capacityFor(n)
	if x, ok := poolOf[T](c).Get().(*[]T); ok {
		return (*x)[:n]
	}
	return make([]T, n, c)
}

// giveBack takes what borrow returned.
func giveBack[T float32 | float64](x []T) { poolOf[T](cap(x)).Put(&x) }
