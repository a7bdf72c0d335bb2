package runner

import (
	"context"
	"fmt"
	"time"

	"swaprun/ledger"
)

// A finding is the outcome of a node on its way to the ledger.
type finding struct {
	node   *Node
	blobs  []ledger.Blob
	failed bool
	start  time.Time
	took   time.Duration
}

// A recorder stores findings in the order in which they come, on one goroutine, so that nobody who computes waits for the
// disk. What comes while a transaction is being written goes into the next one: a kill loses what was computed in
// the milliseconds that a transaction takes, at most 2*waiting findings however slow the disk is, besides what is being
// computed: a node, or the few answers that are decoded together, of each worker.
type recorder struct {
	session *session
	in      chan finding
	stored  chan error
}

// waiting is how many findings one transaction takes, and how many may wait for the next before those who compute wait too.
// It is enough for a thousand queries a second on a disk that takes sixteen milliseconds a transaction.
const waiting = 16

// computed is told of every finding before it is stored; a test counts what kills lose.
var computed = func(*Node) {}

// recorder starts recording; progress is told of every finding stored. stop is called when storing has failed and
// nothing more need be computed. The caller must close the recorder, also after an error.
func (s *session) recorder(progress Stage, stop context.CancelFunc) *recorder {
	r := &recorder{session: s, in: make(chan finding, waiting), stored: make(chan error, 1)}
	go func() {
		var failure error
		for f := range r.in {
			batch := r.following(f)
			if failure != nil {
				continue // nobody must be left waiting
			}
			if failure = s.recordAll(batch); failure != nil {
				stop()
			}
			progress.Step(len(batch))
		}
		r.stored <- failure
	}()
	return r
}

// following is f and what waits behind it.
func (r *recorder) following(f finding) []finding {
	batch := []finding{f}
	for len(batch) < waiting {
		select {
		case next, open := <-r.in:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// put hands over what was computed since start.
func (r *recorder) put(n *Node, blobs []ledger.Blob, failed bool, start time.Time) {
	computed(n)
	r.in <- finding{n, blobs, failed, start, time.Since(start)}
}

// close waits until everything is stored.
func (r *recorder) close() error {
	close(r.in)
	return <-r.stored
}

// record stores one outcome and finishes the node.
func (s *session) record(n *Node, blobs []ledger.Blob, failed bool, start time.Time) error {
	return s.recordAll([]finding{{n, blobs, failed, start, time.Since(start)}})
}

// recordAll stores outcomes in one transaction and finishes their nodes, if the files behind them are what their keys say.
func (s *session) recordAll(found []finding) error {
	records := make([]ledger.Record, len(found))
	for i, f := range found {
		if err := f.node.inputs.Check(context.Background()); err != nil {
			return fmt.Errorf("%s: %w", f.node.ID, err)
		}
		meta := s.meta(f.node.Kind, f.start, f.took)
		if s.verification != nil {
			if err := s.verification.compare(f.node, f.blobs, f.failed, meta); err != nil {
				return err
			}
			continue
		}
		records[i] = ledger.Record{Key: f.node.Key, Outputs: f.blobs, Failed: f.failed, Meta: meta}
	}
	if s.verification != nil {
		return nil
	}
	results, err := s.led.Record(records...)
	if err != nil {
		return fmt.Errorf("record %s: %w", found[0].node.ID, err)
	}
	for i, f := range found {
		r := &results[i]
		s.finish(f.node, outcome{failed: f.failed, outputs: r.Outputs, seq: r.Seq, claims: r.Claims, conflict: r.Conflict})
	}
	return nil
}
