package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// An EntryType says what an entry is about. The zero type is not valid.
type EntryType byte

// The types of entries, as encoded.
const (
	SignerEntry   EntryType = iota + 1 // a key that signs checkpoints from here on
	OutcomeEntry                       // what an action came to
	ConflictEntry                      // an outcome that differs from the one that stands
	RunEntry                           // a run: what it reused
	GCEntry                            // blobs taken out, by digest
	ImportEntry                        // an outcome copied from another ledger, with its proof
)

var entryNames = [...]string{SignerEntry: "signer", OutcomeEntry: "outcome", ConflictEntry: "conflict", RunEntry: "run", GCEntry: "gc", ImportEntry: "import"}

func (t EntryType) String() string {
	if int(t) < len(entryNames) && t != 0 {
		return entryNames[t]
	}
	return fmt.Sprintf("entry type %d", byte(t))
}

// An Entry is one record of the ledger: never changed, never removed, a leaf of the Merkle log at its Seq.
// Exactly one of the pointers is set, except that an import also shows the outcome it copied.
type Entry struct {
	Seq      uint64
	Type     EntryType
	Time     time.Time // when it was appended
	Signer   *Signer
	Outcome  *Outcome
	Conflict *Conflict
	Run      *Run
	GC       *GC
	Import   *Import
}

// An Outcome says what an action came to, where and how.
type Outcome struct {
	Action   ActionID
	Key      *Key
	Failed   bool // the action fails by its nature, on every run; its outputs say why
	Verified bool // a re-execution made to check an earlier outcome
	Outputs  []Output
	Meta
}

// Meta is what is known about an execution but does not decide its outcome.
type Meta struct {
	Run      string // id of the run
	Tool     string // revision of the program
	Device   Device
	Started  time.Time // kept in nanoseconds, UTC
	Duration time.Duration
}

// A Device is a class of machines that can be expected to compute the same bits.
type Device struct {
	CPU      string // model and vector instructions
	Platform string // operating system and architecture
	Runtime  string // numeric library and its version; empty if none took part
}

// An Output is a named result.
type Output struct {
	Name   string
	Digest Digest
	Size   int64
}

// A Conflict says that an action was seen to come to two different outcomes.
type Conflict struct {
	Action ActionID
	Stands uint64 // seq of the outcome look-ups give
	Other  uint64 // seq of the one that differs
}

// A Run says what one run of the program did.
type Run struct {
	Name   string // of the experiment
	Hits   Digest // of a blob: the reused action ids, 32 bytes each, ascending, each once
	Reused uint64 // how many those are
	Ran    uint64
	Failed uint64
	Meta
}

// A GC says which blobs were taken out. Proofs about the entries that name them stay valid.
type GC struct {
	List  Digest // of a blob: the digests, 32 bytes each, ascending
	Blobs uint64
	Bytes uint64
	Meta
}

// An Import is an outcome as another ledger recorded it.
type Import struct {
	Origin   string // name of the other ledger
	Seq      uint64 // of the record there
	Evidence Digest // of a blob: the other ledger's signed checkpoint and the record's inclusion proof
	Run      string
	Absent   []uint64 // which of the outcome's outputs, by index, were not to be had: ascending
	Record   []byte   // the record, as stored there
}

// A Signer is a public key.
type Signer struct {
	Origin string // name of this ledger, the first line of its checkpoints
	Key    string // in the text form of golang.org/x/mod/sumdb/note
}

// outputSize is the least an encoded output takes: an empty name, a digest, a size.
const outputSize = 34

const (
	entryFormat = 1

	flagFailed   = 1
	flagVerified = 2
)

// encode writes an entry: format, type, time, then the parts of its type in the order doc.go lists.
func (e *Entry) encode() []byte {
	b := appendInt64([]byte{entryFormat, byte(e.Type)}, e.Time.UnixNano())
	switch e.Type {
	case SignerEntry:
		b = appendBytes(appendBytes(b, e.Signer.Origin), e.Signer.Key)
	case OutcomeEntry:
		b = e.Outcome.append(b)
	case ConflictEntry:
		b = append(b, e.Conflict.Action[:]...)
		b = binary.AppendUvarint(binary.AppendUvarint(b, e.Conflict.Stands), e.Conflict.Other)
	case RunEntry:
		b = e.Run.Meta.append(b)
		b = append(appendBytes(b, e.Run.Name), e.Run.Hits[:]...)
		for _, n := range []uint64{e.Run.Reused, e.Run.Ran, e.Run.Failed} {
			b = binary.AppendUvarint(b, n)
		}
	case GCEntry:
		b = append(e.GC.Meta.append(b), e.GC.List[:]...)
		b = binary.AppendUvarint(binary.AppendUvarint(b, e.GC.Blobs), e.GC.Bytes)
	case ImportEntry:
		b = binary.AppendUvarint(appendBytes(b, e.Import.Origin), e.Import.Seq)
		b = append(b, e.Import.Evidence[:]...)
		b = binary.AppendUvarint(appendBytes(b, e.Import.Run), uint64(len(e.Import.Absent)))
		for _, i := range e.Import.Absent {
			b = binary.AppendUvarint(b, i)
		}
		b = appendBytes(b, e.Import.Record)
	default:
		panic("ledger: encoding " + e.Type.String())
	}
	return b
}

func (o *Outcome) append(b []byte) []byte {
	var flags byte
	if o.Failed {
		flags |= flagFailed
	}
	if o.Verified {
		flags |= flagVerified
	}
	b = o.Meta.append(append(b, flags))
	b = appendBytes(b, o.Key.Encode())
	return appendOutputs(b, o.Outputs)
}

func (m *Meta) append(b []byte) []byte {
	b = binary.AppendUvarint(appendInt64(b, m.Started.UnixNano()), uint64(max(m.Duration, 0)))
	for _, s := range []string{m.Run, m.Tool, m.Device.CPU, m.Device.Platform, m.Device.Runtime} {
		b = appendBytes(b, s)
	}
	return b
}

func appendOutputs(b []byte, list []Output) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, o := range list {
		b = append(appendBytes(b, o.Name), o.Digest[:]...)
		b = binary.AppendUvarint(b, uint64(o.Size))
	}
	return b
}

func (r *wireReader) outputs() []Output {
	list := make([]Output, r.count(outputSize))
	for i := range list {
		list[i] = Output{r.text(), r.hash(), r.length()}
	}
	return list
}

func (r *wireReader) time() time.Time { return time.Unix(0, r.int64()).UTC() }

func (r *wireReader) meta() Meta {
	m := Meta{Started: r.time(), Duration: time.Duration(r.length())}
	for _, s := range []*string{&m.Run, &m.Tool, &m.Device.CPU, &m.Device.Platform, &m.Device.Runtime} {
		*s = r.text()
	}
	return m
}

// decodeEntry reads what encode wrote, and nothing else.
func decodeEntry(seq uint64, b []byte) (*Entry, error) {
	e, err := decodeNested(b, maxImports)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	e.Seq = seq
	return e, nil
}

// maxImports bounds through how many ledgers an outcome can have come.
const maxImports = 8

// decodeNested reads an entry that may be an import, of an import and so on, so many times.
func decodeNested(b []byte, imports int) (*Entry, error) {
	r := &wireReader{b: b}
	if f := r.byte(); r.err == nil && f != entryFormat {
		return nil, fmt.Errorf("format %d, expected %d", f, entryFormat)
	}
	e := &Entry{Type: EntryType(r.byte())}
	e.Time = r.time()
	switch e.Type {
	case SignerEntry:
		e.Signer = &Signer{r.text(), r.text()}
	case OutcomeEntry:
		e.Outcome = r.outcome()
	case ConflictEntry:
		e.Conflict = &Conflict{r.hash(), r.uvarint(), r.uvarint()}
	case RunEntry:
		m := r.meta()
		e.Run = &Run{r.text(), r.hash(), r.uvarint(), r.uvarint(), r.uvarint(), m}
	case GCEntry:
		m := r.meta()
		e.GC = &GC{r.hash(), r.uvarint(), r.uvarint(), m}
	case ImportEntry:
		e.Import = &Import{Origin: r.text(), Seq: r.uvarint(), Evidence: r.hash(), Run: r.text(), Absent: r.indexes()}
		if e.Import.Record = r.bytes(); r.err != nil {
			break
		}
		if imports == 0 {
			return nil, fmt.Errorf("imported through more than %d ledgers", maxImports)
		}
		inner, err := decodeNested(e.Import.Record, imports-1)
		if err == nil && inner.Outcome == nil {
			err = errors.New("an import holds something else than an outcome")
		}
		if err != nil {
			return nil, fmt.Errorf("imported record: %w", err)
		}
		e.Outcome = inner.Outcome
		if n := len(e.Import.Absent); n > 0 && e.Import.Absent[n-1] >= uint64(len(e.Outcome.Outputs)) {
			r.fail(errors.New("an output is said to be absent that the outcome does not have"))
		}
	default:
		r.fail(errors.New(e.Type.String()))
	}
	if err := r.done(); err != nil {
		return nil, err
	}
	return e, nil
}

// indexes reads ascending numbers.
func (r *wireReader) indexes() []uint64 {
	var list []uint64
	for n := r.count(1); n > 0; n-- {
		i := r.uvarint()
		if len(list) > 0 && i <= list[len(list)-1] {
			r.fail(errors.New("indexes out of order"))
		}
		list = append(list, i)
	}
	return list
}

func (r *wireReader) outcome() *Outcome {
	flags := r.byte()
	if flags > flagFailed|flagVerified {
		r.fail(fmt.Errorf("unknown flags %#x", flags))
	}
	o := &Outcome{Failed: flags&flagFailed != 0, Verified: flags&flagVerified != 0, Meta: r.meta()}
	raw := r.bytes()
	if r.err == nil {
		o.Key, r.err = DecodeKey(raw)
		o.Action = ActionID(Sum(raw))
	}
	o.Outputs = r.outputs()
	return o
}

// A row is what the index of actions keeps, so that a look-up decodes nothing long.
type row struct {
	stands    uint64   // seq of the outcome look-ups give
	claims    []uint64 // seqs of all outcomes of the action, ascending, that one included
	failed    bool
	conflict  bool // some claim's outputs differ
	collected bool // the outputs were taken out: a miss
	duration  time.Duration
	outputs   []Output
}

const (
	rowFailed    = 1
	rowConflict  = 2
	rowCollected = 4
)

func (w *row) encode() []byte {
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{{w.failed, rowFailed}, {w.conflict, rowConflict}, {w.collected, rowCollected}} {
		if f.on {
			flags |= f.bit
		}
	}
	b := binary.AppendUvarint([]byte{flags}, w.stands)
	b = binary.AppendUvarint(b, uint64(len(w.claims)))
	for _, c := range w.claims {
		b = binary.AppendUvarint(b, c)
	}
	return appendOutputs(binary.AppendUvarint(b, uint64(w.duration)), w.outputs)
}

// A rowSlab decodes many rows with few allocations: what they refer to lies in large pieces, and names that recur
// are kept once.
type rowSlab struct {
	claims  []uint64
	outputs []Output
	names   []string
}

const slabSize = 1024

// decodeRow decodes one row.
func decodeRow(b []byte) (row, error) {
	s := &rowSlab{claims: make([]uint64, 1), outputs: make([]Output, 2)}
	return s.row(b)
}

func (s *rowSlab) row(b []byte) (row, error) {
	r := &wireReader{b: b}
	flags := r.byte()
	w := row{failed: flags&rowFailed != 0, conflict: flags&rowConflict != 0, collected: flags&rowCollected != 0, stands: r.uvarint()}
	w.claims = take(&s.claims, r.count(1))
	for i := range w.claims {
		w.claims[i] = r.uvarint()
	}
	d := r.uvarint()
	if d > math.MaxInt64 || flags > rowFailed|rowConflict|rowCollected {
		r.fail(errors.New("index row out of range"))
	}
	w.duration = time.Duration(d)
	w.outputs = take(&s.outputs, r.count(outputSize))
	for i := range w.outputs {
		w.outputs[i] = Output{s.name(r.bytes()), r.hash(), r.length()}
	}
	return w, r.done()
}

// take cuts n elements off a slab, renewing it as needed.
func take[T any](slab *[]T, n int) []T {
	if n > len(*slab) {
		*slab = make([]T, max(n, slabSize))
	}
	v := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return v
}

func (s *rowSlab) name(b []byte) string {
	for _, n := range s.names {
		if n == string(b) {
			return n
		}
	}
	n := string(b)
	if len(s.names) < 16 {
		s.names = append(s.names, n)
	}
	return n
}
