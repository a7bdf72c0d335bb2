package vision

import (
	"runtime"
	"sync"
)

// worth is the number of pixels from which a second goroutine pays for itself.
const worth = 1 << 16

// rows calls f on ranges that cover [0, n), on two goroutines if the work (in pixels) is worth it. f must write
// to places that belong to its own range only.
func rows(n, work int, f func(lo, hi int)) {
	if work < worth || n < 2 || runtime.GOMAXPROCS(0) < 2 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { f(0, n/2) })
	f(n/2, n)
	wg.Wait()
}
