package runner

import (
	"runtime"
	"time"

	"swaprun/ledger"
)

// An Estimate says roughly how long it takes to compute what the ledger does not hold.
type Estimate struct {
	Seconds    float64          `json:"seconds"`
	Kinds      map[Kind]float64 `json:"kinds"`      // seconds of each
	Unmeasured int              `json:"unmeasured"` // nodes of kinds that no earlier outcome says anything about, and left out
}

// recent is how many earlier outcomes of a kind are asked how long they took.
const recent = 32

// estimate goes by the latest outcomes of each kind; queries by those of the same model, if there are any. Nodes that run beside one
// another share the time.
func (s *session) estimate() (Estimate, error) {
	e := Estimate{Kinds: map[Kind]float64{}}
	type group struct {
		kind  Kind
		model ledger.Digest
	}
	count := map[group]int{}
	lanes := map[group]int{}
	seen := map[ledger.ActionID]bool{}
	for _, n := range s.nodes {
		if n.State == Hit {
			continue
		}
		if n.Key != nil {
			if id := n.action(); seen[id] {
				continue
			} else {
				seen[id] = true
			}
		}
		g := group{kind: n.Kind}
		together := 1
		switch n.Kind {
		case KindCapture:
			if sr := s.seriesOf(n); sr != nil {
				g.model = sr.fingerprint
				if sr.info.WeightBytes < smallModel {
					together = runtime.GOMAXPROCS(0)
				}
			}
		case KindMetric, KindFile, KindFigure:
			together = runtime.GOMAXPROCS(0)
		}
		count[g]++
		lanes[g] = together
	}
	for g, n := range count {
		each, ok, err := s.took(g.kind, g.model)
		if err != nil {
			return e, err
		}
		if !ok {
			e.Unmeasured += n
			continue
		}
		seconds := each.Seconds() * float64(n) / float64(lanes[g])
		e.Kinds[g.kind] += seconds
		e.Seconds += seconds
	}
	return e, nil
}

// took is how long one node of a kind takes on average; false where nothing is known.
func (s *session) took(kind Kind, model ledger.Digest) (time.Duration, bool, error) {
	var same, any []time.Duration
	for e, err := range s.led.OfKind(string(kind)) {
		if err != nil {
			return 0, false, err
		}
		if e.Outcome.Failed {
			continue
		}
		v, _ := e.Outcome.Key.Get("model")
		if d, ok := v.Digest(); ok && d == model {
			same = append(same, e.Outcome.Duration)
		}
		if any = append(any, e.Outcome.Duration); len(any) == recent {
			break
		}
	}
	if len(same) > 0 {
		any = same
	}
	var sum time.Duration
	for _, d := range any {
		sum += d
	}
	if len(any) == 0 {
		return 0, false, nil
	}
	return sum / time.Duration(len(any)), true, nil
}
