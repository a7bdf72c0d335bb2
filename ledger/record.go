package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// chunkSize is the length of all chunks of a blob but the last. One chunk is one bbolt value, and a page that is
// written again carries at most two.
const chunkSize = 1 << 20

// A Blob is named bytes to be stored.
type Blob struct {
	Name  string
	Bytes []byte
}

// A Record is the outcome of one action, to be stored.
type Record struct {
	Key      *Key
	Outputs  []Blob // in the order they are to be listed; names unique
	Failed   bool   // the action fails by its nature, on every run; Outputs say why
	Verified bool   // a re-execution made to check an earlier outcome
	Meta
}

// Record stores outcomes with their outputs in one durable transaction: after a return without error they are on
// disk, after one with an error none is. Outcomes of an action that has one already are kept beside it; where
// outputs differ, a conflict is recorded too. What is returned says for each record which outputs were stored.
func (l *Ledger) Record(recs ...Record) ([]Result, error) {
	// Everything that takes time and no lock comes first.
	sums := make([][]Digest, len(recs))
	for i, r := range recs {
		if err := checkOutputs(r.Outputs); err != nil {
			return nil, fmt.Errorf("record %s: %w", r.Key.Kind, err)
		}
		for _, o := range r.Outputs {
			sums[i] = append(sums[i], Sum(o.Bytes))
		}
	}
	results := make([]Result, len(recs))
	err := l.update("record", func(w *writer) error {
		for i, r := range recs {
			for j, o := range r.Outputs {
				if err := w.putBlob(sums[i][j], o.Bytes); err != nil {
					return err
				}
			}
		}
		w.l.fail("blobs written")
		for i, r := range recs {
			o := Outcome{Action: r.Key.ID(), Key: r.Key, Failed: r.Failed, Verified: r.Verified, Meta: r.Meta}
			for j, b := range r.Outputs {
				o.Outputs = append(o.Outputs, Output{b.Name, sums[i][j], int64(len(b.Bytes))})
			}
			if o.Started.IsZero() {
				o.Started = w.time
			}
			var err error
			if results[i], err = w.appendOutcome(&Entry{Type: OutcomeEntry, Outcome: &o}); err != nil {
				return err
			}
		}
		w.l.fail("entries written")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func checkOutputs(list []Blob) error {
	for i, o := range list {
		if o.Name == "" || slices.ContainsFunc(list[:i], func(x Blob) bool { return x.Name == o.Name }) {
			return fmt.Errorf("output name %q is empty or taken", o.Name)
		}
	}
	return nil
}

// Put stores blobs that no outcome names, such as the bytes of inputs, in one durable transaction.
func (l *Ledger) Put(blobs ...[]byte) ([]Digest, error) {
	sums := make([]Digest, len(blobs))
	for i, b := range blobs {
		sums[i] = Sum(b)
	}
	if l.haveAll(sums) {
		return sums, nil
	}
	err := l.update("put", func(w *writer) error {
		for i, b := range blobs {
			if err := w.putBlob(sums[i], b); err != nil {
				return err
			}
		}
		return nil
	})
	return sums, err
}

func (l *Ledger) haveAll(list []Digest) bool {
	for _, d := range list {
		if !l.Has(d) {
			return false
		}
	}
	return true
}

// RecordRun stores what a run did: which actions it reused, how many it executed. A run that reused the same
// actions as an earlier one costs a few hundred bytes.
func (l *Ledger) RecordRun(run Run, hits []ActionID) error {
	list := make([]byte, 0, len(hits)*32)
	for _, at := range indexOrder(hits) {
		if id := hits[at][:]; !bytes.HasSuffix(list, id) {
			list = append(list, id...)
		}
	}
	run.Hits, run.Reused = Sum(list), uint64(len(list)/32)
	return l.update("record run", func(w *writer) error {
		if run.Started.IsZero() {
			run.Started = w.time
		}
		if err := w.putBlob(run.Hits, list); err != nil {
			return err
		}
		_, err := w.append(&Entry{Type: RunEntry, Run: &run})
		return err
	})
}

func compareHash[T ~[32]byte](a, b T) int { return bytes.Compare(a[:], b[:]) }

// A writer is the one write transaction, with the log it extends.
type writer struct {
	l    *Ledger
	tx   *bbolt.Tx
	time time.Time
	meta, data, blobs, entries, actions, kinds,
	hashes, tombs *bbolt.Bucket

	first, next uint64 // seqs: of the next entry when the transaction began, and now
	chunk       uint64 // number of the next chunk in data
}

func (l *Ledger) newWriter(tx *bbolt.Tx) (*writer, error) {
	w := &writer{l: l, tx: tx, time: l.now().UTC()}
	for name, b := range map[string]**bbolt.Bucket{"meta": &w.meta, "data": &w.data, "blobs": &w.blobs, "entries": &w.entries, "actions": &w.actions,
		"kinds": &w.kinds, "hashes": &w.hashes, "tombs": &w.tombs} {
		var err error
		if *b, err = tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return nil, err
		}
	}
	if _, err := tx.CreateBucketIfNotExists(bMemo); err != nil {
		return nil, err
	}
	// These only ever grow at the end: pages are filled instead of half filled.
	for _, b := range []*bbolt.Bucket{w.data, w.entries, w.hashes} {
		b.FillPercent = 1
	}
	w.next = after(w.entries)
	if w.next > maxEntries {
		return nil, corrupt("bucket entries", "the last is numbered %d", w.next-1)
	}
	w.first, w.chunk = w.next, after(w.data)
	return w, nil
}

// maxEntries is more than any ledger has; the arithmetic of trees does not end for numbers that only damage makes.
const maxEntries = 1 << 48

// after is one more than the last key of a bucket keyed by numbers.
func after(b *bbolt.Bucket) uint64 {
	k, _ := b.Cursor().Last()
	if len(k) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k) + 1
}

// putBlob stores bytes under their digest, unless they are there.
func (w *writer) putBlob(d Digest, b []byte) error {
	if w.blobs.Get(d[:]) != nil {
		return nil
	}
	ref := blobRef{chunk: w.chunk, size: int64(len(b))}
	for len(b) > 0 {
		n := min(len(b), chunkSize)
		if err := w.data.Put(uint64Key(w.chunk), b[:n]); err != nil {
			return err
		}
		b = b[n:]
		w.chunk++
	}
	if w.tombs.Get(d[:]) != nil {
		if err := w.tombs.Delete(d[:]); err != nil {
			return err
		}
	}
	return w.blobs.Put(d[:], ref.encode())
}

// A blobRef is where a blob's bytes are: size bytes in consecutive chunks.
type blobRef struct {
	chunk uint64
	size  int64
}

func (r blobRef) encode() []byte {
	return binary.AppendUvarint(uint64Key(r.chunk), uint64(r.size))
}

func decodeBlobRef(b []byte) (blobRef, error) {
	r := &wireReader{b: b}
	ref := blobRef{r.uint64(), r.length()}
	return ref, r.done()
}

// chunks is how many chunks the blob takes.
func (r blobRef) chunks() uint64 { return uint64((r.size + chunkSize - 1) / chunkSize) }

// append stores an entry, which gets the next seq, and its hashes.
func (w *writer) append(e *Entry) (uint64, error) {
	e.Seq, e.Time = w.next, w.time
	raw := e.encode()
	if err := w.entries.Put(uint64Key(e.Seq), raw); err != nil {
		return 0, err
	}
	w.next++
	return e.Seq, w.appendHashes(e.Seq, raw)
}

// appendOutcome stores an entry that holds an outcome, indexes it, and records a conflict if it is one.
func (w *writer) appendOutcome(e *Entry) (Result, error) {
	o := e.Outcome
	seq, err := w.append(e)
	if err != nil {
		return Result{}, err
	}
	was, err := w.row(o.Action)
	if err != nil {
		return Result{}, err
	}
	if was == nil {
		if err := w.kinds.Put(kindKey(o.Key.Kind, seq), fingerprints(o.Key)); err != nil {
			return Result{}, err
		}
	}
	absent := e.absent()
	for _, d := range absent {
		if err := w.tombs.Put(d[:], uint64Key(seq)); err != nil {
			return Result{}, err
		}
	}
	now, conflict := was.with(seq, o, len(absent) > 0)
	if conflict != nil {
		if _, err := w.append(&Entry{Type: ConflictEntry, Conflict: conflict}); err != nil {
			return Result{}, err
		}
	}
	if err := w.actions.Put(o.Action[:], now.encode()); err != nil {
		return Result{}, err
	}
	return Result{o.Action, seq, o.Failed, now.conflict, len(now.claims), o.Duration, o.Outputs}, nil
}

// row returns what the index has of an action, or nil.
func (w *writer) row(id ActionID) (*row, error) {
	raw := w.actions.Get(id[:])
	if raw == nil {
		return nil, nil
	}
	r, err := decodeRow(raw)
	if err != nil {
		return nil, corrupt("index of "+id.String(), "%v", err)
	}
	return &r, nil
}

// absent lists the outputs an import came without.
func (e *Entry) absent() []Digest {
	var list []Digest
	if e.Import != nil {
		for _, i := range e.Import.Absent {
			list = append(list, e.Outcome.Outputs[i].Digest)
		}
	}
	return list
}

// with returns the row of an action after one more outcome (was is nil before the first), and the conflict there is
// if the outcome differs from the one that stood. Absent says that not all outputs of the new one are here.
//
// Which outcome stands, that is, which look-ups give: the first, except that one whose outputs were collected gives
// way to any, and a failure to a success that is here in full.
func (was *row) with(seq uint64, o *Outcome, absent bool) (row, *Conflict) {
	now := row{stands: seq, failed: o.Failed, collected: absent, duration: max(o.Duration, 0), outputs: o.Outputs}
	var conflict *Conflict
	if was != nil {
		differs := was.failed != o.Failed || !slices.Equal(was.outputs, o.Outputs)
		now.claims, now.conflict = was.claims, was.conflict || differs
		other := was.stands
		if !was.collected && (!was.failed || o.Failed || absent) {
			stays := *was
			stays.claims, stays.conflict = now.claims, now.conflict
			now, other = stays, seq
		}
		if differs {
			conflict = &Conflict{o.Action, now.stands, other}
		}
	}
	now.claims = append(slices.Clip(now.claims), seq)
	return now, conflict
}

// finish completes the transaction: remembered memos go along, and the log is signed at its new size.
func (w *writer) finish() (pendingMemos, error) {
	taken := w.l.memos.take()
	if err := taken.write(w.tx); err != nil {
		return taken, err
	}
	if w.next == w.first {
		return taken, nil
	}
	return taken, w.sign()
}
