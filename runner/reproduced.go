package runner

import (
	"fmt"
	"strings"

	"swaprun/ledger"
)

// reproductions says, kind by kind, how many nodes were executed more than once and how often, and how many of these came to
// different outcomes; "" if none was. It goes by the index alone.
func (s *session) reproductions() string {
	var parts []string
	for _, k := range Kinds {
		if k == KindReport {
			continue // it is what says so
		}
		nodes, again, executions, conflicts := 0, 0, 0, 0
		for _, n := range s.nodes {
			if n.Kind != k || !n.done || n.outcome.err != nil {
				continue
			}
			nodes++
			if n.outcome.claims > 1 {
				again++
				executions += n.outcome.claims
			}
			if n.outcome.conflict {
				conflicts++
			}
		}
		if again == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %d of %d nodes, %d executions", k, again, nodes, executions)
		if conflicts > 0 {
			text += fmt.Sprintf(", %d with different outcomes", conflicts)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// reproduced is the same for people to read, with the machines and the largest difference.
func (s *session) reproduced() (string, error) {
	text := s.reproductions()
	if text == "" {
		return "", nil
	}
	classes := map[string]bool{}
	conflicts, farthest := 0, 0.0
	for _, n := range s.nodes {
		if !n.done || n.outcome.err != nil || n.outcome.claims < 2 || n == s.report {
			continue
		}
		claims, err := s.led.Claims(n.Key.ID())
		if err != nil {
			return "", fmt.Errorf("%s: %w", n.ID, err)
		}
		claims = claims[:min(len(claims), n.outcome.claims)] // those the report's key counts
		for _, c := range claims {
			d := c.Outcome.Device
			classes[d.CPU+" "+d.Platform] = true
		}
		if n.outcome.conflict {
			conflicts++
			far, err := s.farthest(n, claims)
			if err != nil {
				return "", fmt.Errorf("%s: %w", n.ID, err)
			}
			farthest = max(farthest, far)
		}
	}
	text += fmt.Sprintf("; on %d class", len(classes))
	if len(classes) != 1 {
		text += "es"
	}
	text += " of machines"
	switch {
	case conflicts == 0:
		text += ", every bit the same"
	case farthest > 0:
		text += fmt.Sprintf(", states apart by at most %.2g of the largest in their block", farthest)
	}
	return text, nil
}

// farthest is how far apart the states of a query's outcomes lie, as verify judges it.
func (s *session) farthest(n *Node, claims []*ledger.Entry) (float64, error) {
	if n.Kind != KindCapture || n.outcome.failed {
		return 0, nil
	}
	stands, ok := n.outcome.output("states")
	if !ok || !s.led.Has(stands) {
		return 0, nil
	}
	was, err := s.led.Get(stands)
	if err != nil {
		return 0, err
	}
	worst := 0.0
	for _, c := range claims {
		for _, o := range c.Outcome.Outputs {
			if o.Name != "states" || o.Digest == stands || !s.led.Has(o.Digest) {
				continue
			}
			b, err := s.led.Get(o.Digest)
			if err != nil {
				return 0, err
			}
			far, _, err := statesApart(was, b)
			if err != nil {
				return 0, err
			}
			worst = max(worst, far)
		}
	}
	return worst, nil
}
