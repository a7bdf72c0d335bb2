//go:build unix

package npy

import (
	"math/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkWriteBlock writes one block of vectors of real size, states and deltas of 1,200 pairs × 4,096, to a file.
func BenchmarkWriteBlock(b *testing.B) {
	const n, d = 1200, 4096
	rng := rand.New(rand.NewSource(2))
	states := [3][]float32{make([]float32, n*d), make([]float32, n*d), make([]float32, n*d)}
	for i := range states[0] {
		states[1][i] = 2 * float32(rng.NormFloat64())
		states[2][i] = states[1][i] + 1.3*float32(rng.NormFloat64())
		states[0][i] = states[2][i] - states[1][i]
	}
	words := make([]string, n)
	index := make([]int64, n)
	for i := range words {
		words[i], index[i] = []string{"left", "right", "above", "below", "far", "close"}[i/200], int64(i)
	}
	start := cpuSeconds()
	for b.Loop() {
		f, err := os.Create(filepath.Join(b.TempDir(), "vectors.npz"))
		if err != nil {
			b.Fatal(err)
		}
		w := NewWriter(f)
		for _, m := range []struct {
			name  string
			array *Array
		}{
			{"delta_L0", New(states[0], n, d)}, {"groups_L0", New(words)}, {"categories_L0", New(words)}, {"indices_L0", New(index)},
			{"orig_L0", New(states[1], n, d)}, {"swap_L0", New(states[2], n, d)}, {"labels_L0", New(words)},
		} {
			if err := w.Add(m.name, m.array); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuSeconds()-start)/float64(b.N), "cpu-s/block")
}

// cpuSeconds is the processor time of the process, which a busy machine does not stretch.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
