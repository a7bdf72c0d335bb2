package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// A slice is a part of a ledger for somebody else: outcomes with the proofs that they were recorded, and the blobs
// they name. doc.go describes the file.
const sliceMagic = "swaprun slice 1\n"

// What a slice may hold. A hostile one must not cost more than reading it.
const (
	maxSliceNote   = 16 << 10
	maxSliceRecord = 16 << 20
	maxSliceProof  = 64
	maxSliceBlob   = 2 << 30
	maxSliceItems  = 1 << 26
)

// ErrSlice is wrapped by every error about a slice that is not what it should be.
var ErrSlice = errors.New("not a sound slice of a ledger")

// Selection says what to export.
type Selection struct {
	Actions []ActionID
	// Skip leaves the bytes of an output out, if not nil: the importer then knows the outcome but not these bytes,
	// and would have to compute them again to use them.
	Skip func(o *Outcome, out Output) bool
	// Beside leaves bytes out that travel beside the slice, if not nil: the importer gives them to it with Beside.
	Beside func(d Digest) bool
}

// Exported says what a slice holds.
type Exported struct {
	Outcomes, Blobs uint64
	Bytes           int64 // of blobs
	Checkpoint      *Checkpoint
}

// Export writes a slice with every outcome of the selected actions, their outputs, and those of their inputs that
// the ledger holds.
func (l *Ledger) Export(ctx context.Context, w io.Writer, sel Selection) (*Exported, error) {
	x := &Exported{}
	err := l.view("export", func(tx *bbolt.Tx) error {
		v := &View{l, tx}
		var err error
		if x.Checkpoint, err = l.checkpointIn(tx); err != nil {
			return err
		}
		proofs, blobs, err := l.selected(tx, sel, x.Checkpoint.Tree.N)
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(w, 1<<20)
		head := appendBytes(appendBytes([]byte(sliceMagic), x.Checkpoint.Signer), x.Checkpoint.Note)
		out.Write(binary.AppendUvarint(head, uint64(len(proofs))))
		for _, p := range proofs {
			b := appendBytes(binary.AppendUvarint(nil, p.Seq), p.Record)
			b = binary.AppendUvarint(b, uint64(len(p.Hashes)))
			for _, h := range p.Hashes {
				b = append(b, h[:]...)
			}
			out.Write(b)
		}
		digests := slices.SortedFunc(maps.Keys(blobs), compareHash[Digest])
		b := binary.AppendUvarint(nil, uint64(len(digests)))
		for _, d := range digests {
			b = binary.AppendUvarint(append(b, d[:]...), uint64(blobs[d]))
			x.Bytes += blobs[d]
		}
		out.Write(b)
		x.Outcomes, x.Blobs = uint64(len(proofs)), uint64(len(digests))
		for _, d := range digests {
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := v.Get(d)
			if err != nil {
				return err
			}
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return x, nil
}

// selected collects the proofs and the blobs (with their sizes) of a selection.
func (l *Ledger) selected(tx *bbolt.Tx, sel Selection, size int64) ([]*Proof, map[Digest]int64, error) {
	blobs := map[Digest]int64{}
	var proofs []*Proof
	add := func(d Digest) error {
		raw := tx.Bucket(bBlobs).Get(d[:])
		if raw == nil || sel.Beside != nil && sel.Beside(d) {
			return nil
		}
		ref, err := decodeBlobRef(raw)
		blobs[d] = ref.size
		return err
	}
	ids := slices.SortedFunc(slices.Values(sel.Actions), compareHash[ActionID])
	for _, id := range slices.Compact(ids) {
		raw := tx.Bucket(bActions).Get(id[:])
		if raw == nil {
			return nil, nil, fmt.Errorf("%s: %w", id, ErrNotFound)
		}
		w, err := decodeRow(raw)
		if err != nil {
			return nil, nil, corrupt("index of "+id.String(), "%v", err)
		}
		for _, seq := range w.claims {
			p, err := proveIn(tx, seq, size)
			if err != nil {
				return nil, nil, err
			}
			e, err := decodeEntry(seq, p.Record)
			if err != nil || e.Outcome == nil {
				return nil, nil, corrupt(fmt.Sprintf("entry %d", seq), "no outcome: %v", err)
			}
			proofs = append(proofs, p)
			want := e.Outcome.Key.Inputs()
			for _, o := range e.Outcome.Outputs {
				if sel.Skip == nil || !sel.Skip(e.Outcome, o) {
					want = append(want, o.Digest)
				}
			}
			for im := e.Import; im != nil; im = im.inner() {
				want = append(want, im.Evidence)
			}
			for _, d := range want {
				if err := add(d); err != nil {
					return nil, nil, corrupt("index of blob "+d.String(), "%v", err)
				}
			}
		}
	}
	slices.SortFunc(proofs, func(a, b *Proof) int { return cmp.Compare(a.Seq, b.Seq) })
	return proofs, blobs, nil
}

// inner is the import an imported record may itself be.
func (im *Import) inner() *Import {
	e, err := decodeEntry(im.Seq, im.Record)
	if err != nil {
		return nil
	}
	return e.Import
}

// A Slice is a slice that was read and found sound: the checkpoint is signed by the key it names, every record is
// in that log, every blob has its digest, and nothing else is there. Whose key it is, the reader must judge.
type Slice struct {
	Checkpoint *Checkpoint
	Outcomes   []*Entry // outcomes and imports, by seq

	proofs []*Proof
	blobs  map[Digest]sliceBlob
	order  []Digest         // as in the file, then those beside it
	named  map[Digest]int64 // by the records; the size is -1 where they do not say
	r      io.ReaderAt
}

type sliceBlob struct {
	off, size int64
	beside    func() ([]byte, error) // where it does not lie in the slice
}

// ReadSlice reads and verifies a slice. Memory stays within a small multiple of the records and the largest blob.
func ReadSlice(ctx context.Context, r io.ReaderAt, size int64) (*Slice, error) {
	s, err := readSlice(ctx, r, size)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: %w", ErrSlice, err)
	}
	return s, err
}

func readSlice(ctx context.Context, r io.ReaderAt, size int64) (*Slice, error) {
	in := &sliceReader{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16), left: size}
	if magic := in.take(int64(len(sliceMagic))); string(magic) != sliceMagic {
		return nil, fmt.Errorf("does not begin with %q", sliceMagic)
	}
	key, signed := string(in.bytes(maxSliceNote)), in.bytes(maxSliceNote)
	if in.err != nil {
		return nil, in.err
	}
	s := &Slice{r: r, blobs: map[Digest]sliceBlob{}}
	var err error
	if s.Checkpoint, err = OpenCheckpoint(signed, key); err != nil {
		return nil, err
	}
	if err := s.readRecords(in); err != nil {
		return nil, err
	}
	if err := s.readIndex(in); err != nil {
		return nil, err
	}
	for _, d := range s.order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := s.Get(d); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// readRecords reads and proves the records, and notes the blobs they name.
func (s *Slice) readRecords(in *sliceReader) error {
	s.named = map[Digest]int64{}
	named := s.named
	for n := in.count(); n > 0; n-- {
		p := &Proof{Seq: in.uvarint(), Record: in.bytes(maxSliceRecord)}
		hashes := in.uvarint()
		if hashes > maxSliceProof {
			return fmt.Errorf("record %d: a proof of %d hashes", p.Seq, hashes)
		}
		for ; hashes > 0 && in.err == nil; hashes-- {
			p.Hashes = append(p.Hashes, tlog.Hash(in.hash()))
		}
		if in.err != nil {
			return in.err
		}
		e, err := p.Verify(s.Checkpoint)
		if err != nil {
			return err
		}
		if e.Outcome == nil {
			return fmt.Errorf("record %d: a %s, where only outcomes belong", p.Seq, e.Type)
		}
		if k := len(s.proofs); k > 0 && s.proofs[k-1].Seq >= p.Seq {
			return fmt.Errorf("record %d is out of order", p.Seq)
		}
		s.proofs, s.Outcomes = append(s.proofs, p), append(s.Outcomes, e)
		for _, d := range e.Outcome.Key.Inputs() {
			if _, known := named[d]; !known {
				named[d] = -1
			}
		}
		for im := e.Import; im != nil; im = im.inner() {
			named[im.Evidence] = -1
		}
		for _, o := range e.Outcome.Outputs {
			if was, known := named[o.Digest]; known && was >= 0 && was != o.Size {
				return fmt.Errorf("blob %s is said to have %d and %d bytes", o.Digest, was, o.Size)
			}
			named[o.Digest] = o.Size
		}
	}
	return in.err
}

// readIndex reads which blobs there are: each named by a record, together exactly the rest of the file.
func (s *Slice) readIndex(in *sliceReader) error {
	var total int64
	for n := in.count(); n > 0; n-- {
		d, size := Digest(in.hash()), in.uvarint()
		if in.err != nil {
			return in.err
		}
		want, ok := s.named[d]
		switch {
		case !ok:
			return fmt.Errorf("blob %s is named by no record", d)
		case size > maxSliceBlob || want >= 0 && int64(size) != want:
			return fmt.Errorf("blob %s: %d bytes, expected %d and at most %d", d, size, want, maxSliceBlob)
		case len(s.order) > 0 && compareHash(s.order[len(s.order)-1], d) >= 0:
			return fmt.Errorf("blob %s is out of order", d)
		case total > in.left: // checked as it grows, so that sums cannot overflow
			return fmt.Errorf("blobs of more than %d bytes in a file that ends before", total)
		}
		s.order = append(s.order, d)
		s.blobs[d] = sliceBlob{off: total, size: int64(size)}
		total += int64(size)
	}
	if in.err != nil {
		return in.err
	}
	if total != in.left {
		return fmt.Errorf("%d bytes of blobs are announced, %d are there", total, in.left)
	}
	for d, b := range s.blobs {
		b.off += in.off
		s.blobs[d] = b
	}
	return nil
}

// Get returns a blob of the slice, verified.
func (s *Slice) Get(d Digest) ([]byte, error) {
	ref, ok := s.blobs[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, ErrNotFound)
	}
	b, err := s.read(ref)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	if got := Sum(b); got != d {
		return nil, fmt.Errorf("blob %s: its bytes hash to %s", d, got)
	}
	return b, nil
}

func (s *Slice) read(ref sliceBlob) ([]byte, error) {
	if ref.beside != nil {
		return ref.beside()
	}
	b := make([]byte, ref.size)
	if _, err := s.r.ReadAt(b, ref.off); err != nil && !(err == io.EOF && ref.size == 0) {
		return nil, err
	}
	return b, nil
}

// Beside gives the slice a blob that came with it and not in it; read is called whenever its bytes are asked for, which
// are verified like those of the slice. What the slice holds already, and what no record names with that size, is not taken.
func (s *Slice) Beside(d Digest, size int64, read func() ([]byte, error)) {
	if want, ok := s.named[d]; !ok || size > maxSliceBlob || want >= 0 && want != size || s.Has(d) {
		return
	}
	s.order = append(s.order, d)
	s.blobs[d] = sliceBlob{size: size, beside: read}
}

// Has says whether the slice holds a blob.
func (s *Slice) Has(d Digest) bool {
	_, ok := s.blobs[d]
	return ok
}

// evidence is what an import keeps as proof: the public key, the checkpoint, and every record's seq and hashes.
func (s *Slice) evidence() []byte {
	b := appendBytes(appendBytes([]byte("swaprun evidence 1\n"), s.Checkpoint.Signer), s.Checkpoint.Note)
	b = binary.AppendUvarint(b, uint64(len(s.proofs)))
	for _, p := range s.proofs {
		b = binary.AppendUvarint(binary.AppendUvarint(b, p.Seq), uint64(len(p.Hashes)))
		for _, h := range p.Hashes {
			b = append(b, h[:]...)
		}
	}
	return b
}

// Imported says what an import brought.
type Imported struct {
	Outcomes  uint64 // new here
	Known     uint64 // imported before, or this ledger's own
	Conflicts uint64 // that differ from an outcome known here
	Blobs     uint64 // new here
	Bytes     int64
	Absent    uint64 // outcomes of which the slice leaves bytes out that are not here either
}

// importBatch is how many bytes of blobs go into one transaction.
const importBatch = 64 << 20

// Import takes a slice in: blobs first, in several transactions, then all outcomes in one, each as an import that
// names the other ledger and keeps the proof. An outcome imported before, or recorded by this very ledger, is left
// alone, so that importing twice does not look like computing twice.
func (l *Ledger) Import(ctx context.Context, s *Slice, run string) (*Imported, error) {
	got := &Imported{}
	for rest := s.order; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := l.update("import", func(w *writer) error {
			for size := int64(0); len(rest) > 0 && size < importBatch; rest = rest[1:] {
				d := rest[0]
				if w.blobs.Get(d[:]) != nil {
					continue
				}
				b, err := s.Get(d)
				if err != nil {
					return err
				}
				if err := w.putBlob(d, b); err != nil {
					return err
				}
				size += int64(len(b))
				got.Blobs++
				got.Bytes += int64(len(b))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	err := l.update("import", func(w *writer) error {
		evidence := s.evidence()
		d := Sum(evidence)
		for i, e := range s.Outcomes {
			known, err := w.imported(s.Checkpoint.Origin, s.proofs[i], e)
			if err != nil {
				return err
			}
			if known {
				got.Known++
				continue
			}
			if err := w.putBlob(d, evidence); err != nil {
				return err
			}
			im := &Import{Origin: s.Checkpoint.Origin, Seq: e.Seq, Evidence: d, Run: run, Record: s.proofs[i].Record}
			for j, o := range e.Outcome.Outputs {
				if w.blobs.Get(o.Digest[:]) == nil {
					im.Absent = append(im.Absent, uint64(j))
				}
			}
			if len(im.Absent) > 0 {
				got.Absent++
			}
			before := w.next
			if _, err := w.appendOutcome(&Entry{Type: ImportEntry, Import: im, Outcome: e.Outcome}); err != nil {
				return err
			}
			got.Outcomes++
			got.Conflicts += w.next - before - 1
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// imported says whether the ledger already has a record of another ledger, or made it itself.
func (w *writer) imported(origin string, p *Proof, e *Entry) (bool, error) {
	if origin == w.l.origin {
		own := w.entries.Get(uint64Key(p.Seq))
		if !bytes.Equal(own, p.Record) {
			return false, fmt.Errorf("record %d: it claims to be from this ledger (%s), which has another there", p.Seq, origin)
		}
		r, err := w.row(e.Outcome.Action)
		// Its outputs may have been collected since: then the slice brings them back, as an import.
		return r != nil && !r.collected, err
	}
	r, err := w.row(e.Outcome.Action)
	if err != nil || r == nil || r.collected {
		return false, err
	}
	for _, seq := range r.claims {
		mine, err := entryIn(w.tx, seq)
		if err != nil {
			return false, err
		}
		if mine.Import != nil && mine.Import.Origin == origin && mine.Import.Seq == p.Seq {
			return true, nil
		}
	}
	return false, nil
}

// A sliceReader reads the notation of wire.go from a stream of known length. The first failure sticks.
type sliceReader struct {
	r         *bufio.Reader
	off, left int64
	err       error
}

func (r *sliceReader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", r.off, err)
	}
}

// take reads n bytes, which must be there: memory is bounded by the file's length.
func (r *sliceReader) take(n int64) []byte {
	if r.err == nil && n > r.left {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		r.fail(err)
		return nil
	}
	r.off += n
	r.left -= n
	return b
}

func (r *sliceReader) uvarint() uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		b := r.take(1)
		switch {
		case b == nil:
			return 0
		case shift == 63 && b[0] > 1, shift > 0 && b[0] == 0:
			r.fail(errors.New("a number is padded or too large"))
			return 0
		}
		v |= uint64(b[0]&0x7F) << shift
		if b[0] < 0x80 {
			return v
		}
	}
}

// count reads the number of items that follow, each of which takes 33 bytes or more.
func (r *sliceReader) count() int {
	n := r.uvarint()
	if n > maxSliceItems || int64(n) > r.left/33 {
		r.fail(fmt.Errorf("%d items in %d bytes", n, r.left))
		return 0
	}
	return int(n)
}

func (r *sliceReader) bytes(limit uint64) []byte {
	n := r.uvarint()
	if n > limit {
		r.fail(fmt.Errorf("%d bytes, at most %d expected", n, limit))
	}
	return r.take(int64(min(n, limit)))
}

func (r *sliceReader) hash() (h [32]byte) {
	copy(h[:], r.take(32))
	return h
}
