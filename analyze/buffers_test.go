package analyze

import (
	"runtime"
	"testing"
	"unsafe"
)

// TestBuffers holds what is given back to be taken again, by whatever type, and idle ones to go before too much is held.
func TestBuffers(t *testing.T) {
	held := func() int {
		buffers.Lock()
		defer buffers.Unlock()
		return buffers.held
	}
	x := borrow[float32](100_000)
	for i := range x {
		x[i] = 1
	}
	at, before := unsafe.Pointer(&x[0]), held()
	giveBack(x)
	y := borrow[float64](49_000)
	if unsafe.Pointer(&y[0]) != at || held() != before {
		t.Errorf("%d values of 8 bytes are not where %d of 4 bytes were; %d held, expected %d", len(y), len(x), held(), before)
	}
	for _, v := range y {
		if v != 0 {
			t.Fatalf("borrowed %v, expected zeros", v)
		}
	}
	large := borrowDirty[float64](60_000)
	if unsafe.Pointer(&large[0]) == at {
		t.Error("lent twice")
	}
	giveBack(y)
	small := borrow[float64](20_000)
	if unsafe.Pointer(&small[0]) == at {
		t.Error("much more was lent than asked for")
	}
	giveBack(small)
	giveBack(large)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	collections := m.NumGC
	z := borrowDirty[float64](heldMost)
	runtime.ReadMemStats(&m)
	if m.NumGC == collections || len(buffers.idle) != 0 || held() != len(z[:cap(z)]) {
		t.Errorf("%d held, %d of them idle, beside %d; %d collections", held(), len(buffers.idle), len(z), m.NumGC-collections)
	}
	giveBack(z)
	// So much goes again as soon as anything else is needed.
	giveBack(borrow[float64](1000))
	if held() >= heldMost {
		t.Errorf("%d still held", held())
	}
}
