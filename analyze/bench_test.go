//go:build unix

package analyze

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
)

// realSize makes vectors like a large model's: 1,200 pairs × width 4,096, directions and noise so that coherences lie
// where published ones do, six in ten pairs both-correct. quads adds as many quads as the benchmark has distance pairs.
func realSize(blocks, width int, quads bool) *Vectors {
	rng := rand.New(rand.NewPCG(1, 1))
	v := &Vectors{Width: width, Answered: true}
	for b := range blocks {
		v.Blocks = append(v.Blocks, b)
	}
	directions := make([][]float32, 4)
	for a := range directions {
		directions[a] = make([]float32, blocks*width)
		for k := range directions[a] {
			directions[a][k] = float32(rng.NormFloat64())
		}
	}
	for c, category := range Categories {
		for i := range 200 {
			p := Pair{ID: fmt.Sprintf("%s-%d", category, i), Category: category, Axis: Axes[c/2], Scene: fmt.Sprint(rng.IntN(900)),
				Objects:         [2]string{fmt.Sprint(rng.IntN(100)), fmt.Sprint(100 + rng.IntN(100))},
				CorrectOriginal: rng.Float64() < .8, CorrectSwapped: rng.Float64() < .75}
			if c/2 == 2 {
				p.Layout = []Layout{Consistent, Consistent, Consistent, Counter, Ambiguous}[i%5]
			}
			o, s := make([]float32, blocks*width), make([]float32, blocks*width)
			sign := float32(signOf(c))
			for k := range o {
				o[k] = 2 * float32(rng.NormFloat64())
				s[k] = o[k] + sign*0.7*directions[c/2][k] + 0.4*directions[3][k] + float32(rng.NormFloat64())
			}
			v.Pairs = append(v.Pairs, p)
			v.Original, v.Swapped = append(v.Original, o), append(v.Swapped, s)
		}
	}
	if quads {
		q := &Quads{Blocks: v.Blocks, Width: width}
		for i := range 1206 {
			a, d := make([]float32, blocks*width), make([]float32, blocks*width)
			for k := range a {
				shared := float32(rng.NormFloat64())
				a[k], d[k] = shared+float32(rng.NormFloat64()), shared+float32(rng.NormFloat64())
			}
			q.Quads = append(q.Quads, Quad{ID: fmt.Sprint(i), Scene: fmt.Sprint(rng.IntN(900)), Layout: layouts[i%3]})
			q.Vertical, q.Distance = append(q.Vertical, a), append(q.Distance, d)
		}
		v.Quads = q
	}
	return v
}

// perUnit reports processor seconds a unit of work since start, which a busy machine does not stretch.
func perUnit(b *testing.B, start, units float64, unit string) {
	b.ReportMetric((cpuSeconds()-start)/float64(b.N)/units, "cpu-s/"+unit)
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// single keeps a benchmark to one processor, as the reference it is compared with.
func single(b *testing.B) {
	old := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// BenchmarkPoint is coherence, within-category, similarity and VD-EI over both subsets with their deviations.
func BenchmarkPoint(b *testing.B) {
	single(b)
	v := realSize(2, 4096, false)
	start := cpuSeconds()
	for b.Loop() {
		v.Forget()
		for _, name := range []string{"axis-coherence", "within-category", "delta-similarity", "vd-ei"} {
			for _, s := range []Subset{AllPairs, BothCorrect} {
				run(b, v, name, s, Options{})
			}
		}
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
}

// BenchmarkBootstrap is the same with 10,000 draws.
func BenchmarkBootstrap(b *testing.B) {
	single(b)
	v := realSize(1, 4096, false)
	start := cpuSeconds()
	for b.Loop() {
		v.Forget()
		run(b, v, "axis-coherence", AllPairs, Options{Draws: 10000, Seed: 42})
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
}

// BenchmarkAlignment is the quads' alignment with the released shuffles and the exact moments.
func BenchmarkAlignment(b *testing.B) {
	single(b)
	v := realSize(2, 4096, true)
	start := cpuSeconds()
	for b.Loop() {
		run(b, v, "cross-alignment", AllPairs, Options{})
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
}

// BenchmarkAlignmentDraws adds 10,000 draws of scenes, shuffles and signs.
func BenchmarkAlignmentDraws(b *testing.B) {
	single(b)
	v := realSize(1, 4096, true)
	start := cpuSeconds()
	for b.Loop() {
		run(b, v, "cross-alignment", AllPairs, Options{Draws: 10000, Seed: 42})
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
}

// BenchmarkPCA is the three fits of a block.
func BenchmarkPCA(b *testing.B) {
	single(b)
	v := realSize(1, 4096, false)
	start := cpuSeconds()
	for b.Loop() {
		run(b, v, "pca", AllPairs, Options{})
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
}

func BenchmarkProducts(b *testing.B) {
	single(b)
	n, d := 400, 4096
	x := noise(n*d, 1)
	k := make([]float64, n*n)
	start := cpuSeconds()
	for b.Loop() {
		clear(k)
		products(k, n, d, func(dst []float64, i, at int) { copy(dst, x[i*d+at:]) }, 0, n)
	}
	perUnit(b, start, 1, "matrix")
}

// BenchmarkEverything is every metric on both subsets with 10,000 draws and two processors, and how much the process grows beyond the
// vectors.
func BenchmarkEverything(b *testing.B) {
	old := runtime.GOMAXPROCS(2)
	b.Cleanup(func() { runtime.GOMAXPROCS(old) })
	v := realSize(4, 4096, true)
	// A limit, not a percentage, is what keeps garbage small beside gigabytes of vectors; these hold no pointers, so
	// collecting often costs nothing.
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + 160<<20)
	b.Cleanup(func() { debug.SetMemoryLimit(limit) })
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	before := u.Maxrss
	start, draws := cpuSeconds(), 0.0
	for b.Loop() {
		v.Forget()
		for _, m := range Metrics() {
			from := cpuSeconds()
			// Principal components and anisotropy have closed-form intervals or none; all else rests on draws, directly or through the summary.
			drawn := m.Name != "pca" && m.Name != "anisotropy"
			for _, s := range []Subset{AllPairs, BothCorrect} {
				if m.AppliesTo(s) && !m.Horizontal && !m.Readout && !m.Doubtful && !m.Wordings {
					run(b, v, m.Name, s, Options{Draws: 10000, Seed: 42})
				}
			}
			if drawn {
				draws += cpuSeconds() - from
			}
			b.Logf("%s: %.2f CPU s/block", m.Name, (cpuSeconds()-from)/float64(len(v.Blocks)))
		}
	}
	perUnit(b, start, float64(len(v.Blocks)), "block")
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(u.Maxrss-before)/1024, "MB-beyond-vectors")
	b.ReportMetric(draws/float64(b.N)/float64(len(v.Blocks)), "cpu-s-of-draws/block")
}
