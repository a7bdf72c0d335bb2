package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"swaprun/ledger"
)

// GCOptions say what a collection leaves.
type GCOptions struct {
	Ledger      string
	Experiments []*Experiment // everything these need stays; none: what the latest runs used
	Runs        int           // of each experiment, without Experiments
	PlanOnly    bool
	Version     string
}

// A GCSummary says what a collection took out, or would take out, and what it costs to have that again.
type GCSummary struct {
	Plan    bool     `json:"plan"` // nothing was taken out
	Roots   []string `json:"roots"`
	Kept    int      `json:"kept"`    // actions
	Actions uint64   `json:"actions"` // whose outputs go, in part or whole
	Blobs   uint64   `json:"blobs"`
	Bytes   int64    `json:"bytes"`
	Seconds float64  `json:"seconds"` // of computing behind what goes
	Kinds   []GCKind `json:"kinds"`
}

// A GCKind is the share of one kind of nodes.
type GCKind struct {
	Kind    string  `json:"kind"`
	Actions uint64  `json:"actions"`
	Seconds float64 `json:"seconds"`
}

// GC takes out of the ledger what neither the experiments nor, without any, the latest runs need. The log keeps every entry, so
// that proofs stay valid; what was taken out is computed again when it is asked for.
func GC(ctx context.Context, opts GCOptions) (*GCSummary, error) {
	keep, roots, err := experimentRoots(ctx, opts)
	if err != nil {
		return nil, err
	}
	led, err := ledger.Open(opts.Ledger, ledger.Options{ReadOnly: opts.PlanOnly, Wait: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	sum, err := collect(ctx, led, opts, keep, roots)
	if err = errors.Join(err, led.Close()); err != nil {
		return nil, err
	}
	return sum, nil
}

func collect(ctx context.Context, led *ledger.Ledger, opts GCOptions, keep ledger.Keep, roots []string) (*GCSummary, error) {
	var err error
	if len(opts.Experiments) == 0 {
		if keep, roots, err = runRoots(led, max(1, opts.Runs)); err != nil {
			return nil, err
		}
		if len(roots) == 0 {
			return nil, fmt.Errorf("ledger %s records no run, so nothing says what to keep: name the experiments", opts.Ledger)
		}
	}
	var plan *ledger.GCPlan
	if opts.PlanOnly {
		plan, err = led.PlanGC(ctx, keep)
	} else {
		plan, err = led.GC(ctx, keep, ledger.Meta{Tool: opts.Version, Device: ledger.ThisDevice(""), Started: time.Now()})
	}
	if err != nil {
		return nil, err
	}
	sum := &GCSummary{
		Plan: opts.PlanOnly, Roots: roots, Kept: len(keep.Actions), Actions: plan.Actions, Blobs: plan.Blobs, Bytes: plan.Bytes,
		Seconds: plan.Compute.Seconds(), Kinds: []GCKind{},
	}
	for _, k := range plan.Kinds {
		sum.Kinds = append(sum.Kinds, GCKind{k.Kind, k.Actions, k.Compute.Seconds()})
	}
	return sum, nil
}

// experimentRoots are the actions that experiments, as they stand, find in the ledger. An experiment whose queries cannot be told
// is an error: they would all be taken for garbage.
func experimentRoots(ctx context.Context, opts GCOptions) (ledger.Keep, []string, error) {
	var keep ledger.Keep
	var roots []string
	for _, exp := range opts.Experiments {
		s, err := open(ctx, exp, Options{Ledger: opts.Ledger, Version: opts.Version}, false)
		if err != nil {
			return keep, nil, err
		}
		err = s.walk(ctx)
		if err = errors.Join(err, s.close()); err != nil {
			return keep, nil, err
		}
		for _, n := range s.nodes {
			switch {
			case n.Kind == KindCapture && n.Key == nil:
				return keep, nil, fmt.Errorf("%s: the queries of a scale cannot be told (%s), and would be taken out: run the experiment, or leave it out of the list", exp.File, n.Why[0])
			case n.State == Hit:
				keep.Actions = append(keep.Actions, n.Key.ID())
			}
		}
		roots = append(roots, exp.File)
	}
	return keep, roots, nil
}

// runRoots are the actions that the latest runs of every experiment reused or computed.
func runRoots(led *ledger.Ledger, runs int) (ledger.Keep, []string, error) {
	var keep ledger.Keep
	latest := map[string][]*ledger.Run{} // by experiment, oldest first
	var order []string
	computed := map[string][]ledger.ActionID{} // by run
	for e, err := range led.Entries(0) {
		switch {
		case err != nil:
			return keep, nil, err
		case e.Run != nil:
			name := e.Run.Name
			if latest[name] == nil {
				order = append(order, name)
			}
			list := append(latest[name], e.Run)
			latest[name] = list[max(0, len(list)-runs):]
		case e.Outcome != nil && e.Import == nil:
			computed[e.Outcome.Run] = append(computed[e.Outcome.Run], e.Outcome.Action)
		}
	}
	var roots []string
	for _, name := range order {
		for _, r := range latest[name] {
			list, err := led.Get(r.Hits)
			if err != nil {
				return keep, nil, fmt.Errorf("run of %s: %w", name, err)
			}
			for ; len(list) >= len(ledger.ActionID{}); list = list[len(ledger.ActionID{}):] {
				keep.Actions = append(keep.Actions, ledger.ActionID(list))
			}
			keep.Actions = append(keep.Actions, computed[r.Run]...)
			roots = append(roots, fmt.Sprintf("%s, run of %s", name, r.Started.UTC().Format(time.DateTime)))
		}
	}
	return keep, roots, nil
}
