package runner

import (
	"fmt"

	"swaprun/analyze"
	"swaprun/ledger"
	"swaprun/report"
)

// A Kind is what a node computes. Each kind has a version, bumped when its numbers change: an upgrade
// of swaprun that leaves a kind alone reruns none of its nodes.
type Kind string

const (
	KindPairs      Kind = "pairs"      // table → swap pairs
	KindQuads      Kind = "quads"      // pairs and boxes → four questions a picture, and who is higher
	KindControl    Kind = "control"    // pairs → the same pairs under a condition
	KindSweep      Kind = "sweep"      // table → yes/no questions about rendered scenes
	KindCheckpoint Kind = "checkpoint" // files → what the model is, and the digest of every weight
	KindHead       Kind = "head"       // weights → how the head tells answers apart
	KindCapture    Kind = "capture"    // one query → hidden states and answer
	KindMetric     Kind = "metric"     // states and answers → analyze.Result
	KindFile       Kind = "file"       // results → csv, json, npz
	KindFigure     Kind = "figure"     // results → PNG
	KindReport     Kind = "report"     // everything → index.html
)

// Kinds in the order in which they are computed and listed.
var Kinds = []Kind{KindPairs, KindQuads, KindControl, KindSweep, KindCheckpoint, KindHead, KindCapture, KindMetric, KindFile, KindFigure, KindReport}

var kindVersion = map[Kind]int{
	KindPairs:      1,
	KindQuads:      1,
	KindControl:    1,
	KindSweep:      1,
	KindCheckpoint: 1,
	KindHead:       1,
	KindCapture:    1,
	KindMetric:     1, // each metric has a version of its own beside it
	KindFile:       1, // and each artefact
	KindFigure:     1,
	KindReport:     1,
}

// A State is where a node stands.
type State int

const (
	Hit     State = iota + 1 // the ledger holds its outcome
	Due                      // it has to be computed
	Unknown                  // its key rests on outputs that are not there yet
)

func (s State) String() string {
	switch s {
	case Hit:
		return "hit"
	case Due:
		return "run"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// MarshalText writes the state as plan --json prints it.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Node is one action of an experiment.
type Node struct {
	ID    string // readable and stable: capture/qwen/80k/0142/original
	Kind  Kind
	State State
	Why   []string // why it runs, or what it waits for

	// Key is the description of the work; the hash of its encoding is the action's ID. It is nil while the state is Unknown.
	Key *ledger.Key

	outcome outcome // once the node is a hit or has run
	done    bool
	ran     bool
	twin    *Node // does the same work; set on all but the first of equals

	original *Node         // of a copy that is executed again
	inputs   *ledger.Watch // the files it is made from, to be unchanged when its outcome is recorded; nil: the ledger alone

	actionID ledger.ActionID // zero until it is needed

	// What the node is about, by kind.
	query                            // capture
	metric      *analyze.Metric      // metric of pairs
	sweepMetric *analyze.SweepMetric // metric of a sweep
	subset      analyze.Subset       // metric
	condition   string               // control, and metric under one; name of the sweep of a metric of one
	artefact    *report.Artefact     // file, figure
	series      *series              // metric
	comparison  *analyze.Comparison  // metric over scales
	model       *modelWalk           // metric over scales
}

// outcome is what the ledger holds of an action.
type outcome struct {
	failed  bool  // the outcome is a failure, with the reason in the output "failure"
	err     error // what kept the node from having an outcome at all; nothing is recorded
	outputs []ledger.Output
	seq     uint64 // of its record

	claims   int  // how many outcomes the ledger has of the action
	conflict bool // and whether they differ
}

// output is the digest of a named output.
func (o *outcome) output(name string) (ledger.Digest, bool) {
	for _, out := range o.outputs {
		if out.Name == name {
			return out.Digest, true
		}
	}
	return ledger.Digest{}, false
}

// action is the hash of the node's key, which it must have.
func (n *Node) action() ledger.ActionID {
	if n.actionID == (ledger.ActionID{}) {
		n.actionID = n.Key.ID()
	}
	return n.actionID
}

func (n *Node) good() bool { return n.done && !n.outcome.failed && n.outcome.err == nil }

// Tally counts the nodes of a run.
type Tally struct {
	Hit     int `json:"hit"`
	Ran     int `json:"ran"`
	Failed  int `json:"failed"`  // no good outcome: a failed query (hit or just run), or a node that could not be computed
	Skipped int `json:"skipped"` // rests on a node that failed
}

// A Summary is what a run did; its JSON form is part of the contract with scripts.
type Summary struct {
	Experiment string         `json:"experiment"`
	Report     string         `json:"report"`  // path of index.html
	Results    string         `json:"results"` // directory
	Seconds    float64        `json:"seconds"`
	Nodes      map[Kind]Tally `json:"nodes"`
	Total      Tally          `json:"total"`
	Failures   []Failure      `json:"failures"`
}

// A Failure names a node that has no good outcome, and why.
type Failure struct {
	Node   string `json:"node"`
	Reason string `json:"reason"`
}

// PlanSummary is the JSON form of a plan; part of the contract with scripts.
type PlanSummary struct {
	Experiment string         `json:"experiment"`
	Nodes      []PlanNode     `json:"nodes"`
	Total      map[string]int `json:"total"`
	Estimate   Estimate       `json:"estimate"`
	Missing    []string       `json:"missing"` // weights without which it cannot run, as FILE:LINE:COLUMN: PATH: what is missing
}

// A PlanNode is one line of a plan.
type PlanNode struct {
	ID    string   `json:"id"`
	Kind  Kind     `json:"kind"`
	State State    `json:"state"`
	Why   []string `json:"why"`
}
