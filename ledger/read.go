package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"
)

// A Result is what the index says of an action: the outcome that stands.
type Result struct {
	Action   ActionID
	Seq      uint64 // of the outcome
	Failed   bool
	Conflict bool // some outcome of the action differs from another
	Claims   int  // how many outcomes of the action there are
	Duration time.Duration
	Outputs  []Output
}

// Output returns the output of a name.
func (r *Result) Output(name string) (Output, bool) {
	for _, o := range r.Outputs {
		if o.Name == name {
			return o, true
		}
	}
	return Output{}, false
}

func (w *row) result(id ActionID) Result {
	return Result{id, w.stands, w.failed, w.conflict, len(w.claims), w.duration, w.outputs}
}

// Lookup returns what an action came to, and whether it is known. An action whose outputs were collected is not.
func (l *Ledger) Lookup(id ActionID) (Result, bool, error) {
	var found [1]Result
	err := l.lookup([]ActionID{id}, []int32{0}, found[:])
	return found[0], found[0].Known(), err
}

// Known says whether a look-up found the action: entry 0 of a ledger is no outcome.
func (r *Result) Known() bool { return r.Seq != 0 }

// lookupShare is how many look-ups are worth a goroutine of their own.
const lookupShare = 500

// shareOf is how many of n look-ups each goroutine does.
func shareOf(n int) int {
	return max(lookupShare, (n+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
}

// LookupAll looks many actions up. Results are in the order of ids, zero where unknown. What another goroutine records
// meanwhile may be seen or not.
func (l *Ledger) LookupAll(ids []ActionID) ([]Result, error) {
	found := make([]Result, len(ids))
	order := indexOrder(ids)
	var g errgroup.Group
	for part := range slices.Chunk(order, shareOf(len(order))) {
		g.Go(func() error { return l.lookup(ids, part, found) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

// lookup fills in results of the ids at the positions that part lists in the order of the index.
func (l *Ledger) lookup(ids []ActionID, part []int32, found []Result) error {
	return l.view("look up", func(tx *bbolt.Tx) error {
		c := tx.Bucket(bActions).Cursor()
		slab := &rowSlab{}
		var key, raw []byte
		for _, at := range part {
			id := &ids[at]
			key, raw = seekNear(c, key, raw, id[:])
			if key == nil {
				return nil // the index ends before this id, and so before all that follow
			}
			if !bytes.Equal(key, id[:]) {
				continue
			}
			w, err := slab.row(raw)
			if err != nil {
				return corrupt("index of "+id.String(), "%v", err)
			}
			if !w.collected {
				found[at] = w.result(*id)
			}
		}
		return nil
	})
}

// indexOrder is the order in which the index holds ids, so that neighbours share pages. Being hashes they spread
// evenly: dealt out by their leading bits, they lie where they belong but for a few steps.
func indexOrder(ids []ActionID) []int32 {
	shift := 64 - min(bits.Len(uint(len(ids))), 16)
	lead := func(i int32) uint64 { return binary.BigEndian.Uint64(ids[i][:]) }
	ends := make([]int32, 1<<(64-shift))
	for i := range ids {
		ends[lead(int32(i))>>shift]++
	}
	sum := int32(0)
	for i, n := range ends {
		ends[i] = sum
		sum += n
	}
	order := make([]int32, len(ids))
	for i := range ids {
		at := &ends[lead(int32(i))>>shift]
		order[*at] = int32(i)
		*at++
	}
	from := int32(0)
	for _, end := range ends {
		if end-from > 1 {
			slices.SortFunc(order[from:end], func(a, b int32) int { return bytes.Compare(ids[a][:], ids[b][:]) })
		}
		from = end
	}
	return order
}

// seekNear moves a cursor that stands at key, or nowhere yet, forward to the first key not before want. Sorted
// questions about most of an index find the answer within a cell or two; going there costs a tenth of a search
// from the root.
func seekNear(c *bbolt.Cursor, key, raw, want []byte) ([]byte, []byte) {
	if key == nil {
		return c.Seek(want)
	}
	for range 2 {
		if bytes.Compare(key, want) >= 0 {
			return key, raw
		}
		if key, raw = c.Next(); key == nil {
			return nil, nil
		}
	}
	if bytes.Compare(key, want) >= 0 {
		return key, raw
	}
	return c.Seek(want)
}

// A View is a consistent state of the ledger. It and everything it returns end with the function it was given to.
type View struct {
	l  *Ledger
	tx *bbolt.Tx
}

// View calls fn with the present state. Byte slices from the view are the ledger's own memory: they must not be
// changed, nor used after fn returns. fn must call no method of the ledger, only of the view: with a writer waiting in
// between, that could wait for ever.
func (l *Ledger) View(fn func(v *View) error) error {
	return l.view("view", func(tx *bbolt.Tx) error { return fn(&View{l, tx}) })
}

// Lookup is as Ledger.Lookup.
func (v *View) Lookup(id ActionID) (Result, bool, error) {
	return v.lookup(v.tx.Bucket(bActions), id)
}

func (v *View) lookup(b *bbolt.Bucket, id ActionID) (Result, bool, error) {
	raw := b.Get(id[:])
	if raw == nil {
		return Result{}, false, nil
	}
	w, err := decodeRow(raw)
	if err != nil {
		return Result{}, false, corrupt("index of "+id.String(), "%v", err)
	}
	return w.result(id), !w.collected, nil
}

// Get returns a blob's bytes, without copying where they lie in one piece. They are hashed the first time this
// process sees them; bytes that are not what was stored are a *CorruptError.
func (v *View) Get(d Digest) ([]byte, error) {
	b, err := v.bytes(d)
	if err != nil {
		return nil, err
	}
	if _, seen := v.l.verified.Load(d); !seen {
		if got := Sum(b); got != d {
			return nil, corrupt("blob "+d.String(), "%d bytes hash to %s", len(b), got)
		}
		v.l.verified.Store(d, struct{}{})
	}
	return b, nil
}

// bytes finds a blob without hashing it.
func (v *View) bytes(d Digest) ([]byte, error) {
	raw := v.tx.Bucket(bBlobs).Get(d[:])
	if raw == nil {
		return nil, v.missing(d)
	}
	ref, err := decodeBlobRef(raw)
	if err != nil {
		return nil, corrupt("index of blob "+d.String(), "%v", err)
	}
	return v.chunks(d, ref)
}

func (v *View) missing(d Digest) error {
	if t := v.tx.Bucket(bTombs).Get(d[:]); t != nil {
		return fmt.Errorf("blob %s: %w: taken out by the gc of entry %d", d, ErrNotFound, decodeSeq(t))
	}
	return fmt.Errorf("blob %s: %w", d, ErrNotFound)
}

// chunks returns the bytes a reference names: in place if they are one chunk, else put together.
func (v *View) chunks(d Digest, ref blobRef) ([]byte, error) {
	data := v.tx.Bucket(bData)
	if ref.chunks() == 1 {
		b := data.Get(uint64Key(ref.chunk))
		if int64(len(b)) != ref.size {
			return nil, corrupt("blob "+d.String(), "%d bytes in place of %d", len(b), ref.size)
		}
		return b, nil
	}
	// Grown as chunks are found, so that a damaged size costs no memory.
	var out bytes.Buffer
	for n := range ref.chunks() {
		want := min(chunkSize, ref.size-int64(n)*chunkSize)
		b := data.Get(uint64Key(ref.chunk + n))
		if int64(len(b)) != want {
			return nil, corrupt("blob "+d.String(), "chunk %d: %d bytes in place of %d", n, len(b), want)
		}
		if n == 0 {
			out.Grow(int(min(ref.size, 64*chunkSize)))
		}
		out.Write(b)
	}
	return out.Bytes(), nil
}

// Get returns a copy of a blob's bytes. They are hashed each time; bytes that are not what was stored are a
// *CorruptError, a blob that is not there is ErrNotFound.
func (l *Ledger) Get(d Digest) ([]byte, error) {
	var out []byte
	err := l.View(func(v *View) error {
		b, err := v.bytes(d)
		if err != nil {
			return err
		}
		out = append(make([]byte, 0, len(b)), b...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if got := Sum(out); got != d {
		return nil, corrupt("blob "+d.String(), "%d bytes hash to %s", len(out), got)
	}
	l.verified.Store(d, struct{}{})
	return out, nil
}

// Has says whether a blob is there, without reading it.
func (l *Ledger) Has(d Digest) bool {
	found := false
	err := l.view("look up", func(tx *bbolt.Tx) error {
		found = tx.Bucket(bBlobs).Get(d[:]) != nil
		return nil
	})
	return err == nil && found
}

// Len is the number of entries: one more than the seq of the last.
func (l *Ledger) Len() (uint64, error) {
	var n uint64
	err := l.view("count", func(tx *bbolt.Tx) error {
		n = after(tx.Bucket(bEntries))
		return nil
	})
	return n, err
}

// Entry returns one entry.
func (l *Ledger) Entry(seq uint64) (*Entry, error) {
	var e *Entry
	err := l.view("entry", func(tx *bbolt.Tx) (err error) {
		e, err = entryIn(tx, seq)
		return err
	})
	return e, err
}

// EntriesAt returns many entries, in the order of seqs. What another goroutine records meanwhile does not matter: entries
// never change.
func (l *Ledger) EntriesAt(seqs []uint64) ([]*Entry, error) {
	list := make([]*Entry, len(seqs))
	share := shareOf(len(seqs))
	var g errgroup.Group
	for from := 0; from < len(seqs); from += share {
		g.Go(func() error {
			return l.view("entries", func(tx *bbolt.Tx) (err error) {
				for i := from; i < min(from+share, len(seqs)) && err == nil; i++ {
					list[i], err = entryIn(tx, seqs[i])
				}
				return err
			})
		})
	}
	return list, g.Wait()
}

func entryIn(tx *bbolt.Tx, seq uint64) (*Entry, error) {
	raw := tx.Bucket(bEntries).Get(uint64Key(seq))
	if raw == nil {
		return nil, fmt.Errorf("entry %d: %w", seq, ErrNotFound)
	}
	e, err := decodeEntry(seq, bytes.Clone(raw))
	if err != nil {
		return nil, corrupt(fmt.Sprintf("entry %d", seq), "%v", err)
	}
	return e, nil
}

// Entries yields the entries from a seq on, in order. No transaction is open while an entry is being looked at.
func (l *Ledger) Entries(from uint64) iter.Seq2[*Entry, error] {
	const batch = 256
	return func(yield func(*Entry, error) bool) {
		for {
			var list []*Entry
			err := l.view("entries", func(tx *bbolt.Tx) error {
				for end := min(from+batch, after(tx.Bucket(bEntries))); from < end; from++ {
					e, err := entryIn(tx, from)
					if err != nil {
						return err
					}
					list = append(list, e)
				}
				return nil
			})
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(list) == 0 {
				return
			}
		}
	}
}

// Claims returns every outcome of an action, oldest first: one normally, more where it was verified or imported.
func (l *Ledger) Claims(id ActionID) ([]*Entry, error) {
	var out []*Entry
	err := l.view("claims", func(tx *bbolt.Tx) error {
		raw := tx.Bucket(bActions).Get(id[:])
		if raw == nil {
			return fmt.Errorf("%s: %w", id, ErrNotFound)
		}
		w, err := decodeRow(raw)
		if err != nil {
			return corrupt("index of "+id.String(), "%v", err)
		}
		for _, seq := range w.claims {
			e, err := entryIn(tx, seq)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// Key returns the key behind an action id: the pre-image of the hash.
func (l *Ledger) Key(id ActionID) (*Key, error) {
	claims, err := l.Claims(id)
	if err != nil {
		return nil, err
	}
	if len(claims) == 0 || claims[0].Outcome == nil || claims[0].Outcome.Action != id {
		return nil, corrupt("index of "+id.String(), "does not lead to an outcome of the action")
	}
	return claims[0].Outcome.Key, nil
}

// OfKind yields the outcomes that made actions of a kind known, the latest first.
func (l *Ledger) OfKind(kind string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		idx, err := l.kindIndex(kind)
		if err != nil {
			yield(nil, err)
			return
		}
		// Who looks for one entry finds it early; who wants all wants them fast.
		batch := 16
		for rest := idx.seqs; len(rest) > 0; batch = min(2*batch, 4*lookupShare) {
			at := max(0, len(rest)-batch)
			list, err := l.EntriesAt(rest[at:])
			if err != nil {
				yield(nil, err)
				return
			}
			rest = rest[:at]
			for i, e := range slices.Backward(list) {
				if e.Outcome == nil {
					yield(nil, corrupt("index of kind "+kind, "entry %d is no outcome", idx.seqs[at+i]))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Runs returns the runs of a name, or all with "", the latest last.
func (l *Ledger) Runs(name string) ([]*Entry, error) {
	var list []*Entry
	err := l.view("runs", func(tx *bbolt.Tx) error {
		c := tx.Bucket(bEntries).Cursor()
		for k, raw := c.First(); k != nil; k, raw = c.Next() {
			if len(raw) < 2 || EntryType(raw[1]) != RunEntry {
				continue // most entries are outcomes, which take time to decode
			}
			e, err := decodeEntry(decodeSeq(k), bytes.Clone(raw))
			if err != nil {
				return corrupt(fmt.Sprintf("entry %d", decodeSeq(k)), "%v", err)
			}
			if name == "" || e.Run.Name == name {
				list = append(list, e)
			}
		}
		return nil
	})
	return list, err
}

// RunActions returns a function that says whether an outcome is one that a run reused or computed.
func (l *Ledger) RunActions(run *Entry) (func(*Entry) bool, error) {
	ids, err := l.reused(run)
	if err != nil {
		return nil, err
	}
	reused := make(map[ActionID]bool, len(ids))
	for _, id := range ids {
		reused[id] = true
	}
	return func(e *Entry) bool { return reused[e.Outcome.Action] || e.Outcome.Run == run.Run.Run }, nil
}

// reused lists the actions that a run reused.
func (l *Ledger) reused(run *Entry) ([]ActionID, error) {
	hits, err := l.Get(run.Run.Hits)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", run.Seq, err)
	}
	ids := make([]ActionID, 0, len(hits)/len(ActionID{}))
	for ; len(hits) >= len(ActionID{}); hits = hits[len(ActionID{}):] {
		ids = append(ids, ActionID(hits))
	}
	return ids, nil
}

// RunOutcomes returns the outcomes that made known the actions a run reused or computed, the latest first.
func (l *Ledger) RunOutcomes(run *Entry) ([]*Entry, error) {
	ids, err := l.reused(run)
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	err = l.view("run", func(tx *bbolt.Tx) error {
		c := tx.Bucket(bActions).Cursor()
		slab := &rowSlab{}
		var key, raw []byte
		for _, id := range ids {
			if key, raw = seekNear(c, key, raw, id[:]); !bytes.Equal(key, id[:]) {
				return corrupt(fmt.Sprintf("entry %d", run.Seq), "reused %s, of which nothing is recorded", id)
			}
			w, err := slab.row(raw)
			if err != nil || len(w.claims) == 0 {
				return corrupt("index of "+id.String(), "%v", err)
			}
			seqs = append(seqs, w.claims[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// One process at a time writes, so what a run computed lies together, before the entry of the run.
	own, err := l.recordedBefore(run)
	if err != nil {
		return nil, err
	}
	seqs = append(seqs, own...)
	slices.Sort(seqs)
	slices.Reverse(seqs)
	return l.EntriesAt(slices.Compact(seqs))
}

// recordedBefore lists the outcomes of a run that made an action known.
func (l *Ledger) recordedBefore(run *Entry) ([]uint64, error) {
	var seqs []uint64
	err := l.view("run", func(tx *bbolt.Tx) error {
		actions := tx.Bucket(bActions)
		for seq := run.Seq; seq > 0; {
			seq--
			e, err := entryIn(tx, seq)
			if err != nil {
				return err
			}
			switch e.Type {
			case SignerEntry, ConflictEntry:
				continue
			case OutcomeEntry:
			default:
				return nil
			}
			if e.Outcome.Run != run.Run.Run {
				return nil
			}
			w, err := decodeRow(actions.Get(e.Outcome.Action[:]))
			if err != nil {
				return corrupt("index of "+e.Outcome.Action.String(), "%v", err)
			}
			if w.claims[0] == seq {
				seqs = append(seqs, seq)
			}
		}
		return nil
	})
	return seqs, err
}
