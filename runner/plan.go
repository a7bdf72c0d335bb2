package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"swaprun/ledger"
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
	return sum, nil
}

// An Explanation is what swaprun knows of one node: its key, field by field, and what sets it apart from the
// nearest earlier key.
type Explanation struct {
	ID      string       `json:"id"`
	Kind    Kind         `json:"kind"`
	State   State        `json:"state"`
	Why     []string     `json:"why"`
	Action  string       `json:"action,omitempty"`
	Fields  []KeyField   `json:"fields,omitempty"`
	Nearest string       `json:"nearest,omitempty"` // action of the earlier key
	Changes []FieldDelta `json:"changes,omitempty"`
	Records []string     `json:"records,omitempty"` // who computed it, when and where, of a hit
}

// A KeyField is one input of a node's key.
type KeyField struct {
	Role  string `json:"role"`
	Value string `json:"value"`
}

// A FieldDelta is a field that differs from an earlier key; empty means absent.
type FieldDelta struct {
	Role string `json:"role"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Explain says why a node is a hit or has to run.
func Explain(ctx context.Context, exp *Experiment, opts Options, id string) (*Explanation, error) {
	s, err := open(ctx, exp, opts, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.nodes, func(n *Node) bool { return n.ID == id })
	if i < 0 {
		ids := make([]string, len(s.nodes))
		for i, n := range s.nodes {
			ids[i] = n.ID
		}
		hint := "`swaprun plan` lists the nodes"
		if n := nearest(id, ids); n != "" {
			hint = fmt.Sprintf("did you mean %s?", n)
		}
		return nil, fmt.Errorf("experiment %s has no node %s; %s", exp.Name, id, hint)
	}
	n := s.nodes[i]
	x := &Explanation{ID: n.ID, Kind: n.Kind, State: n.State, Why: n.Why}
	if n.Key == nil {
		return x, nil
	}
	x.Action = n.Key.ID().String()
	for _, f := range n.Key.Fields {
		x.Fields = append(x.Fields, KeyField{f.Role, f.Value.String()})
	}
	return x, s.compareNearest(x, n.Key)
}

func (s *session) compareNearest(x *Explanation, key *ledger.Key) error {
	claims, err := s.led.Claims(key.ID())
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	for _, e := range claims {
		o := e.Outcome
		x.Records = append(x.Records, fmt.Sprintf("%s in %s by swaprun %s on %s, run %s, entry %d",
			o.Started.UTC().Format(time.DateTime), o.Duration.Round(time.Millisecond), o.Tool, deviceText(o.Device), o.Run, e.Seq))
	}
	near, _, ok, err := s.led.Nearest(key)
	if err != nil || !ok {
		return err
	}
	x.Nearest = near.ID().String()
	for _, d := range ledger.DiffKeys(near, key) {
		x.Changes = append(x.Changes, FieldDelta{d.Path, d.Old, d.New})
	}
	return nil
}

func deviceText(d ledger.Device) string {
	text := d.CPU + " " + d.Platform
	if d.Runtime != "" {
		text += " " + d.Runtime
	}
	return text
}
