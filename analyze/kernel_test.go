package analyze

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func noise(n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// eachUnit calls f with every vector unit that this machine has, one after the other, and with none first.
func eachUnit(t *testing.T, f func(t *testing.T)) {
	best := unit
	defer func() { unit = best }()
	for unit = portable; unit <= best; unit++ {
		t.Run([]string{"portable", "AVX2", "AVX-512"}[unit], f)
	}
	for u := best + 1; u <= avx512; u++ {
		t.Logf("no %s here", []string{"portable", "AVX2", "AVX-512"}[u])
	}
}

// noise32 spans exponents, and cancels.
func noise32(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 9))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(40)-20)))
	}
	return x
}

// TestKernelsAreTheSameEverywhere holds every kernel of every vector unit to the portable one, bit by bit, and that to plain sums.
func TestKernelsAreTheSameEverywhere(t *testing.T) {
	type outcome struct {
		tile, tile32, widened, added, summed []float64
		scattered, less, lessToo, spread     []float32
		square                               float64
		two                                  [2]float64
		three                                [3]float64
		seven                                [7]float64
		partners                             [partners]float64
	}
	for _, n := range []int{16, 48, 64, 512, 4096} {
		x, y := noise32(n, 1), noise32(n, 2)
		a, b := noise(n, 3), noise(n, 4)
		tileX, tileY := noise((tileA+1)*(n+4), 5), noise(tileB*n, 6)
		tileX32, tileY32 := noise32((tileA+1)*(n+8), 7), noise32(tileB*n, 8)
		rows := n / partnerLanes
		at := make([]uint32, rows*partners)
		for i := range at {
			at[i] = uint32(i*i%rows) * partnerLanes * 4
		}
		compute := func() (o outcome) {
			const ldc = 7
			o.tile, o.tile32 = noise(tileB*ldc, 9), noise(tileB*ldc, 9)
			tile64(n/4, tileX, n+4, 4, tileY, o.tile, ldc)
			tile32(n/8, tileX32, n+8, 8, tileY32, o.tile32, ldc)
			o.widened, o.added = make([]float64, n), noise(n, 10)
			widen(o.widened[:n-1], x[:n-1]) // not whole vectors
			addWide(o.added[:n-1], x[:n-1])
			o.scattered, o.less, o.spread = make([]float32, 6*n), make([]float32, n), make([]float32, 3*n)
			scatter32(o.scattered, 48, x[:n-1], 0.3)
			sub32(o.less[:n-1], x[:n-1], y[:n-1])
			o.lessToo, o.summed = make([]float32, n), noise(n, 10)
			subSum32(o.lessToo[:n-1], o.summed[:n-1], x[:n-1], y[:n-1])
			spread(o.spread, 24, x)
			o.square = square(x)
			dots2(x, a, b, &o.two)
			dots3(x, y, &o.three)
			dots7(a, b, noise(n, 11), noise(n, 12), &o.seven)
			partners32(rows, x, y, at, &o.partners)
			return o
		}
		best := unit
		unit = portable
		want := compute()
		unit = best
		eachUnit(t, func(t *testing.T) {
			if d := cmp.Diff(want, compute(), cmp.AllowUnexported(outcome{})); d != "" {
				t.Errorf("n = %d: %s", n, d)
			}
		})
		before := noise(n, 10)
		for i := range n - 1 {
			if want.widened[i] != float64(x[i]) || want.scattered[i/16*48+i%16] != x[i]*0.3 || want.less[i] != x[i]-y[i] || want.lessToo[i] != want.less[i] || want.summed[i] != before[i]+float64(want.less[i]) || want.spread[i/8*24+i%8] != x[i] {
				t.Fatalf("n = %d: value %d: %v, %v, %v, %v of %v and %v", n, i, want.widened[i], want.scattered[i/16*48+i%16], want.less[i], want.spread[i/8*24+i%8], x[i], y[i])
			}
		}
		xw, yw := make([]float64, n), make([]float64, n)
		widen(xw, x)
		widen(yw, y)
		near := func(what string, got, want, size float64) {
			t.Helper()
			if math.Abs(got-want) > size {
				t.Errorf("n = %d: %s is %v, expected %v", n, what, got, want)
			}
		}
		xx, yy := dot(xw, xw), dot(yw, yw)
		near("square", want.square, xx, 1e-12*xx)
		near("dots2[1]", want.two[1], dot(xw, b), 1e-12*float64(n)*math.Sqrt(xx))
		near("dots3[1]", want.three[1], dot(xw, yw), 1e-12*math.Sqrt(xx*yy))
		near("dots3[2]", want.three[2], yy, 1e-12*yy)
		near("dots7[1]", want.seven[1], dot(a, noise(n, 12)), 1e-10)
		near("dots7[6]", want.seven[6], dot(a, b), 1e-10)
		var sum, size float64
		for i := range rows {
			for k := range partnerLanes {
				p := xw[i*partnerLanes+k] * yw[int(at[i*partners+3])/4+k]
				sum += p
				size += math.Abs(p)
			}
		}
		near("partners[3]", want.partners[3], sum, 67*0x1p-24*size)
	}
}

// TestSinglePrecisionRuns measures what float32 products within runs cost on vectors of real width, with dimensions that
// dominate and without.
func TestSinglePrecisionRuns(t *testing.T) {
	const n, d = 120, 4096
	for _, rogue := range []float32{1, 30, 300} {
		rng := rand.New(rand.NewPCG(3, 3))
		g := &gram{cells: []cell{{}}, start: []int{0, n}}
		rows := make([][]float32, n)
		common := noise(d, 8)
		for i := range rows {
			rows[i] = make([]float32, d)
			for k := range rows[i] {
				rows[i][k] = float32(rng.NormFloat64() + 0.7*common[k])
			}
			rows[i][7] *= rogue
			g.pairs, g.sign, g.inv = append(g.pairs, i), append(g.sign, 1), append(g.inv, 1/norm32(rows[i]))
		}
		fill := func(dst []float32, i, at int) { copy(dst, rows[i][at:]) }
		single, double := make([]float64, n*n), make([]float64, n*n)
		products(single, n, d, fill, 0, n)
		products(double, n, d, widened(fill), 0, n)
		var worst float64
		for i := range n {
			for j := range n {
				worst = max(worst, math.Abs(single[i*n+j]-double[i*n+j])*g.inv[i]*g.inv[j])
			}
		}
		g.k = single
		mean, sd := g.spread(g.gather(), AllPairs, onAxis(0))
		g.k = double
		exactMean, exactSD := g.spread(g.gather(), AllPairs, onAxis(0))
		if worst > 2.1e-6 || math.Abs(mean-exactMean) > 1e-8 || math.Abs(sd-exactSD) > 1e-8 {
			t.Errorf("factor %v: a cosine off by %.2g, their mean by %.2g, their deviation by %.2g", rogue, worst, mean-exactMean, sd-exactSD)
		}
		t.Logf("factor %v: a cosine off by %.2g, their mean by %.2g, their deviation by %.2g", rogue, worst, mean-exactMean, sd-exactSD)
	}
}

// TestResultsAreTheSameEverywhere does so for whole results.
func TestResultsAreTheSameEverywhere(t *testing.T) {
	want := map[string]string{}
	eachUnit(t, func(t *testing.T) {
		v := readGolden(t, "small").vectors
		for i := range v.Pairs {
			v.Pairs[i].Objects = [2]string{fmt.Sprint("cup ", i%7), fmt.Sprint("book ", i%5)}
			v.Pairs[i].Doubtful = i%9 == 4
		}
		v.Usual = readGolden(t, "small").vectors
		for _, m := range Metrics() {
			if m.Horizontal || m.Readout || !m.AppliesTo(AllPairs) {
				continue
			}
			got := jsonOf(t, run(t, v, m.Name, AllPairs, Options{Draws: 200, Seed: 1}))
			if unit == portable {
				want[m.Name] = got
			} else if got != want[m.Name] {
				t.Errorf("%s differs: %s", m.Name, cmp.Diff(want[m.Name], got))
			}
		}
	})
}

// TestMultiply compares with plain sums where nothing is whole: neither tiles nor lanes nor panels.
func TestMultiply(t *testing.T) {
	eachUnit(t, func(t *testing.T) {
		for _, s := range [][3]int{{1, 1, 1}, {4, 12, 4}, {5, 4, 7}, {9, 100, 12}, {13, 7, 3}, {120, 200, 17}, {27, 25, 300}} {
			m, n, d := s[0], s[1], s[2]
			a, b := noise(m*d, 1), noise(n*d, 2)
			multiplyCase(t, a, b, m, n, d, 1e-12)
			single := func(x []float64) []float32 {
				out := make([]float32, len(x))
				for i, v := range x {
					out[i] = float32(v)
					x[i] = float64(out[i])
				}
				return out
			}
			multiplyCase(t, single(a), single(b), m, n, d, 1e-5)
		}
	})
}

func multiplyCase[T float32 | float64](t *testing.T, a, b []T, m, n, d int, tolerance float64) {
	t.Helper()
	x, y := borrowRows[T](m, d), borrowRows[T](n, d)
	x.fill(m, d, func(dst []T, i int) { copy(dst, a[i*d:]) })
	y.fill(n, d, func(dst []T, j int) { copy(dst, b[j*d:]) })
	ld := filledTo(d, lanes[T]())
	plain := make([]T, filledTo(m, tileA)*ld)
	for i := range m {
		copy(plain[i*ld:], a[i*d:(i+1)*d])
	}
	for what, x := range map[string]rows[T]{"packed": x, "plain": plainRows(plain, ld)} {
		for _, half := range []bool{false, true} {
			ldc := m + 3
			c := make([]float64, n*ldc)
			multiply(c, ldc, x, y, 0, m, n, 0, d, half)
			for j := range n {
				for i := range ldc {
					var want float64
					for k := range d {
						if i < m {
							want += float64(a[i*d+k]) * float64(b[j*d+k])
						}
					}
					if half && i < j && c[j*ldc+i] == 0 {
						continue // left out
					}
					if math.Abs(c[j*ldc+i]-want) > tolerance*float64(d) {
						t.Fatalf("%s, %d×%d×%d: c[%d, %d] = %v, expected %v", what, m, n, d, j, i, c[j*ldc+i], want)
					}
				}
			}
		}
	}
	giveBack(x.x)
	giveBack(y.x)
}

func TestProducts(t *testing.T) {
	for _, s := range [][2]int{{1, 3}, {7, 300}, {13, 256}, {110, 1000}} {
		n, d := s[0], s[1]
		x := noise(n*d, 4)
		fill := func(dst []float64, i, at int) { copy(dst, x[i*d+at:]) }
		k, c := make([]float64, n*n), make([]float64, n*n)
		products(k, n, d, fill, 0, n)
		crossProducts(c, n, n, d, fill, fill)
		for i := range n {
			for j := range n {
				want := dot(x[i*d:(i+1)*d], x[j*d:(j+1)*d])
				if math.Abs(k[i*n+j]-want) > 1e-11 || math.Abs(c[i*n+j]-want) > 1e-11 {
					t.Fatalf("%v: [%d, %d]: %v and %v, expected %v", s, i, j, k[i*n+j], c[i*n+j], want)
				}
			}
		}
	}
}

func setProcessors(t *testing.T, n int) {
	t.Helper()
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// jsonOf also proves that a result has a JSON form: no NaN, no infinity.
func jsonOf(t *testing.T, r *Result) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%s: %v", r.Metric, err)
	}
	return string(text)
}
