package runner

import (
	"context"
)

// Plan says of every node whether the ledger holds it, whether it would run and why, or what it waits for.
func Plan(ctx context.Context, exp *Experiment, opts Options) (*PlanSummary, error) {
	s, err := open(ctx, exp, opts, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	sum := &PlanSummary{Experiment: exp.Name, Nodes: []PlanNode{}, Total: map[string]int{"hit": 0, "run": 0, "unknown": 0}, Missing: []string{}}
	for _, p := range s.missing {
		sum.Missing = append(sum.Missing, p.String())
	}
	for _, n := range s.nodes {
		why := n.Why
		if why == nil {
			why = []string{}
		}
		sum.Nodes = append(sum.Nodes, PlanNode{ID: n.ID, Kind: n.Kind, State: n.State, Why: why})
		sum.Total[n.State.String()]++
	}
	sum.Estimate, err = s.estimate()
	return sum, err
}
