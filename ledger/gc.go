package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Keep names what a collection must leave: actions with all their outputs and the inputs their keys name, and
// blobs by digest.
type Keep struct {
	Actions []ActionID
	Blobs   []Digest
}

// A GCPlan says what a collection would take out, and what it would cost to have it again.
type GCPlan struct {
	Actions uint64 // whose outputs go, in part or whole
	Blobs   uint64
	Bytes   int64
	Compute time.Duration // that those actions took
	Kinds   []KindCost    // by kind, dearest first

	digests []Digest // ascending
	actions []ActionID
}

// A KindCost is one line of a plan.
type KindCost struct {
	Kind    string
	Actions uint64
	Compute time.Duration
}

// PlanGC says what GC would do, and does nothing.
func (l *Ledger) PlanGC(ctx context.Context, keep Keep) (*GCPlan, error) {
	var p *GCPlan
	err := l.view("plan gc", func(tx *bbolt.Tx) (err error) {
		p, err = l.planGC(ctx, tx, keep)
		return err
	})
	return p, err
}

func (l *Ledger) planGC(ctx context.Context, tx *bbolt.Tx, keep Keep) (*GCPlan, error) {
	marked := map[Digest]bool{}
	for _, d := range keep.Blobs {
		marked[d] = true
	}
	kept := map[ActionID]bool{}
	for _, id := range keep.Actions {
		kept[id] = true
	}
	// What the log itself is made of stays: lists of earlier collections, of reused actions, and proofs of imports.
	entries := tx.Bucket(bEntries).Cursor()
	for k, raw := entries.First(); k != nil; k, raw = entries.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := decodeEntry(decodeSeq(k), raw)
		if err != nil {
			return nil, corrupt(fmt.Sprintf("entry %d", decodeSeq(k)), "%v", err)
		}
		switch {
		case e.Run != nil:
			marked[e.Run.Hits] = true
		case e.GC != nil:
			marked[e.GC.List] = true
		case e.Import != nil:
			marked[e.Import.Evidence] = true
		}
		if e.Outcome != nil && kept[e.Outcome.Action] {
			for _, o := range e.Outcome.Outputs {
				marked[o.Digest] = true
			}
			for _, d := range e.Outcome.Key.Inputs() {
				marked[d] = true
			}
		}
	}
	p := &GCPlan{}
	gone := map[Digest]bool{}
	err := tx.Bucket(bBlobs).ForEach(func(k, v []byte) error {
		ref, err := decodeBlobRef(v)
		if err != nil || len(k) != len(Digest{}) {
			return corrupt("index of blobs", "%x: %v", k, err)
		}
		if d := Digest(k); !marked[d] {
			gone[d] = true
			p.digests = append(p.digests, d)
			p.Blobs++
			p.Bytes += ref.size
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cost := map[string]*KindCost{}
	err = tx.Bucket(bActions).ForEach(func(k, v []byte) error {
		w, err := decodeRow(v)
		if err != nil || len(k) != len(ActionID{}) {
			return corrupt("index of actions", "%x: %v", k, err)
		}
		if w.collected || !slices.ContainsFunc(w.outputs, func(o Output) bool { return gone[o.Digest] }) {
			return nil
		}
		e, err := entryIn(tx, w.stands)
		if err != nil || e.Outcome == nil {
			return corrupt("index of actions", "%x leads to no outcome: %v", k, err)
		}
		p.actions = append(p.actions, ActionID(k))
		p.Actions++
		p.Compute += w.duration
		kind := e.Outcome.Key.Kind
		if cost[kind] == nil {
			cost[kind] = &KindCost{Kind: kind}
		}
		cost[kind].Actions++
		cost[kind].Compute += w.duration
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range cost {
		p.Kinds = append(p.Kinds, *c)
	}
	slices.SortFunc(p.Kinds, func(a, b KindCost) int {
		return cmp.Or(cmp.Compare(b.Compute, a.Compute), cmp.Compare(a.Kind, b.Kind))
	})
	return p, nil
}

// GC takes out every blob that is neither kept nor part of the log. Entries stay, so that proofs about them stay
// valid, and actions whose outputs are gone are unknown to look-ups from then on. What was taken out is recorded.
// Space is given back to the disk when the ledger is closed.
func (l *Ledger) GC(ctx context.Context, keep Keep, meta Meta) (*GCPlan, error) {
	var p *GCPlan
	err := l.update("gc", func(w *writer) (err error) {
		if p, err = l.planGC(ctx, w.tx, keep); err != nil || len(p.digests) == 0 {
			return err
		}
		return w.collect(p, meta)
	})
	if err != nil {
		return nil, err
	}
	for _, d := range p.digests {
		l.verified.Delete(d)
	}
	return p, nil
}

func (w *writer) collect(p *GCPlan, meta Meta) error {
	if meta.Started.IsZero() {
		meta.Started = w.time
	}
	list := make([]byte, 0, 32*len(p.digests))
	for _, d := range p.digests {
		ref, err := decodeBlobRef(w.blobs.Get(d[:]))
		if err != nil {
			return corrupt("index of blob "+d.String(), "%v", err)
		}
		for n := range ref.chunks() {
			if err := w.data.Delete(uint64Key(ref.chunk + n)); err != nil {
				return err
			}
		}
		if err := w.blobs.Delete(d[:]); err != nil {
			return err
		}
		if err := w.tombs.Put(d[:], uint64Key(w.next)); err != nil {
			return err
		}
		list = append(list, d[:]...)
	}
	for _, id := range p.actions {
		r, err := decodeRow(w.actions.Get(id[:]))
		if err != nil {
			return corrupt("index of "+id.String(), "%v", err)
		}
		r.collected = true
		if err := w.actions.Put(id[:], r.encode()); err != nil {
			return err
		}
	}
	d := Sum(list)
	if err := w.putBlob(d, list); err != nil {
		return err
	}
	_, err := w.append(&Entry{Type: GCEntry, GC: &GC{d, p.Blobs, uint64(p.Bytes), meta}})
	return err
}
