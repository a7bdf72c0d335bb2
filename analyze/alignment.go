package analyze

import (
	"fmt"
	"math"
)

// An alignment holds the cosines of one block's quads.
type alignment struct {
	quads    []int     // positions in Quads.Quads of the rows kept, [n]
	c        []float64 // cosine of vertical delta i with distance delta j, [n, n]; nil if only the released numbers are wanted
	own      []float64 // its diagonal, [n]
	shuffled []float64 // mean cosine of each released shuffle, [100]
	mean     float64   // cosine of the two mean deltas, 1e-10 added to its denominator
	meanSE   float64   // its standard error, by leaving out one scene at a time; NaN with fewer than three
}

// align computes the cosines at position b of q.Blocks: all of them, or only those that the released numbers need.
func (q *Quads) align(b int, all bool, shuffles *shuffles) (*alignment, error) {
	a := &alignment{}
	// Sums of the deltas kept, filled up to whole lanes.
	sv, sd := make([]float64, filledTo(q.Width, lanes[float64]())), make([]float64, filledTo(q.Width, lanes[float64]()))
	var nv, nd []float64
	for i := range q.Quads {
		if !q.has(i, b) {
			continue
		}
		v, d := q.vertical(i, b), q.distance(i, b)
		vv, vd, dd := innerProducts(v, d)
		x, y := math.Sqrt(vv), math.Sqrt(dd)
		if math.IsNaN(x+y) || math.IsInf(x+y, 0) {
			return nil, fmt.Errorf("block %d, quad %d (%s): a delta is not finite", q.Blocks[b], i, q.Quads[i].ID)
		}
		if x > tinyQuad && y > tinyQuad {
			a.quads, nv, nd, a.own = append(a.quads, i), append(nv, x), append(nd, y), append(a.own, vd/(x*y))
			addWide(sv[:q.Width], v)
			addWide(sd[:q.Width], d)
		}
	}
	n := len(a.quads)
	if n == 0 {
		return a, nil
	}
	perms := shuffles.of(n)
	a.shuffled = make([]float64, len(perms))
	members := a.members(q)
	single := n*n*q.Width >= singleWork
	if !all && single {
		a.sumShuffles(q, b, members, sv, sd, nv, nd, perms)
		return a, nil
	}
	a.jackknife(q, b, members, sv, sd, func(int, int, []float32, []float32) {}, func(int) {})
	fv := func(dst []float32, r, at int) { copy(dst, q.vertical(a.quads[r], b)[at:]) }
	fd := func(dst []float32, r, at int) { copy(dst, q.distance(a.quads[r], b)[at:]) }
	a.c = borrowDirty[float64](n * n)
	if single {
		crossProducts(a.c, n, n, q.Width, fv, fd)
	} else {
		crossProducts(a.c, n, n, q.Width, widened(fv), widened(fd))
	}
	for i := range n {
		for j := range n {
			a.c[i*n+j] /= nv[i] * nd[j]
		}
		a.c[i*n+i] = a.own[i]
	}
	for s, perm := range perms {
		var sum float64
		for i, j := range perm {
			sum += a.c[i*n+j]
		}
		a.shuffled[s] = sum / float64(n)
	}
	if !all {
		giveBack(a.c)
		a.c = nil
	}
	return a, nil
}

// sumShuffles is jackknife that fills shuffled too. nv and nd are the deltas' norms.
func (a *alignment) sumShuffles(q *Quads, b int, members [][]int, sv, sd, nv, nd []float64, perms [][]int) {
	var order []int
	for _, m := range members {
		order = append(order, m...)
	}
	sums, release := newPartnerSums(order, perms, min(stretch, q.Width))
	defer release()
	a.jackknife(q, b, members, sv, sd, func(p, r int, v, d []float32) { sums.set(p, v, 1/nv[r], d, 1/nd[r]) }, sums.add)
	for s := range perms {
		a.shuffled[s] = sums.sum(s) / float64(len(order))
	}
}

// members are the positions in a.quads by scene.
func (a *alignment) members(q *Quads) [][]int {
	units, count := q.scenes()
	out := make([][]int, count)
	for r, i := range a.quads {
		out[units[i]] = append(out[units[i]], r)
	}
	return out
}

// stretch is how many values of each delta jackknife takes at a time.
const stretch = 2 * stretchLength

// jackknife fetches every delta once, in stretches and by scene, and fills mean and meanSE from the deltas' sums sv and sd. Leaving out a scene
// takes its own sums from these, so that each jackknife value follows from inner products of both, O(n·d). row is called for
// every stretch of every quad, numbered as they come, and add at the end of a stretch.
func (a *alignment) jackknife(q *Quads, b int, members [][]int, sv, sd []float64, row func(p, r int, v, d []float32), add func(width int)) {
	n := len(a.quads)
	products := make([][7]float64, len(members)) // of each scene's sums, see dots7
	ev, ed := make([]float64, stretch), make([]float64, stretch)
	for at := 0; at < q.Width; at += stretch {
		w := min(stretch, q.Width-at)
		whole := filledTo(w, lanes[float64]())
		clear(ev[w:whole])
		clear(ed[w:whole])
		p := 0
		for s, m := range members {
			if len(m) == 0 {
				continue
			}
			for x, r := range m {
				v, d := q.vertical(a.quads[r], b)[at:at+w], q.distance(a.quads[r], b)[at:at+w]
				row(p, r, v, d)
				p++
				if x == 0 {
					widen(ev, v)
					widen(ed, d)
				} else {
					addWide(ev, v)
					addWide(ed, d)
				}
			}
			dots7(ev[:whole], ed[:whole], sv[at:], sd[at:], &products[s])
		}
		add(w)
	}
	cosine := func(vd, vv, dd, n float64) float64 {
		return vd / (n * n) / (math.Sqrt(max(vv, 0))/n*(math.Sqrt(max(dd, 0))/n) + 1e-10)
	}
	vd, vv, dd := dot(sv, sd), dot(sv, sv), dot(sd, sd)
	a.mean, a.meanSE = cosine(vd, vv, dd, float64(n)), math.NaN()
	var left []float64
	for s, m := range members {
		if len(m) > 0 && len(m) < n {
			c := &products[s]
			left = append(left, cosine(vd-c[1]-c[2]+c[6], vv-2*c[0]+c[4], dd-2*c[3]+c[5], float64(n-len(m))))
		}
	}
	if m := float64(len(left)); m >= 3 {
		_, deviation := meanSD(left)
		a.meanSE = deviation * math.Sqrt(m-1)
	}
}

// innerProducts are ⟨x, x⟩, ⟨x, y⟩ and ⟨y, y⟩ in float64.
func innerProducts(x, y []float32) (xx, xy, yy float64) {
	n := len(x) &^ 7
	var c [3]float64
	dots3(x[:n], y[:n], &c)
	for k := n; k < len(x); k++ {
		p, q := float64(x[k]), float64(y[k])
		c[0], c[1], c[2] = c[0]+p*p, c[1]+p*q, c[2]+q*q
	}
	return c[0], c[1], c[2]
}
