package analyze

import (
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"unsafe"
)

// Large matrices are borrowed and given back, block after block: beside vectors of gigabytes the garbage collector would let as much
// garbage pile up. Results never alias them.
//
// What is given back is kept for the next who needs as much. Metrics need matrices of other sizes one after the other, so before more is
// allocated than heldMost in all, those that lie idle are collected first; what is in use at a time is then all that counts.
var buffers struct {
	sync.Mutex
	idle [][]float64
	held int // capacity of all there are, borrowed or idle
}

// heldMost is in values of 8 bytes: 96 MB, about what two blocks' principal components take at 1,200 pairs.
const heldMost = 12 << 20

// capacityFor is n rounded up to three significant bits, so that subsets of a few pairs less fit as well.
func capacityFor(n int) int {
	shift := max(bits.Len(uint(n))-3, 0)
	return (n + 1<<shift - 1) >> shift << shift
}

// borrow returns n zeros.
func borrow[T float32 | float64](n int) []T {
	x := borrowDirty[T](n)
	clear(x)
	return x
}

// borrowDirty returns n values of any kind.
func borrowDirty[T float32 | float64](n int) []T {
	if n == 0 {
		return nil
	}
	per := 8 / int(unsafe.Sizeof(T(0)))
	x := take(capacityFor((n + per - 1) / per))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*per)[:n]
}

// take returns a buffer of at least a size, and not of much more.
func take(size int) []float64 {
	buffers.Lock()
	best := -1
	for i, x := range buffers.idle {
		if len(x) >= size && len(x) <= size+size/4 && (best < 0 || len(x) < len(buffers.idle[best])) {
			best = i
		}
	}
	if best >= 0 {
		x := buffers.idle[best]
		buffers.idle = slices.Delete(buffers.idle, best, best+1)
		buffers.Unlock()
		return x
	}
	collect := buffers.held+size > heldMost && len(buffers.idle) > 0
	if collect {
		for _, x := range buffers.idle {
			buffers.held -= len(x)
		}
		buffers.idle = nil
	}
	buffers.held += size
	buffers.Unlock()
	if collect {
		runtime.GC()
	}
	return make([]float64, size)
}

// giveBack takes what borrow returned.
func giveBack[T float32 | float64](x []T) {
	if cap(x) == 0 {
		return
	}
	per := 8 / int(unsafe.Sizeof(T(0)))
	buffers.Lock()
	defer buffers.Unlock()
	buffers.idle = append(buffers.idle, unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(x))), cap(x)/per))
}
