package ledger

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

func exportTest(t testing.TB, l *Ledger, sel Selection) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := l.Export(context.Background(), &buf, sel); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func importTest(t testing.TB, l *Ledger, b []byte) *Imported {
	t.Helper()
	s, err := ReadSlice(context.Background(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Import(context.Background(), s, "r")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestShare(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, filepath.Join(dir, "a.db"), Options{})
	var ids []ActionID
	for n := range 5 {
		if _, err := a.Record(testRecord(n)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, testKey(n).ID())
	}
	image := []byte("image3") // named by the key of testRecord(3), whose "image" is its digest
	if _, err := a.Put(image, []byte("nobody names this")); err != nil {
		t.Fatal(err)
	}
	b := exportTest(t, a, Selection{Actions: ids[:4]})

	l := openTest(t, filepath.Join(dir, "b.db"), Options{})
	if _, err := l.Record(Record{Key: testKey(2), Outputs: []Blob{{"states", []byte("differs")}}}); err != nil {
		t.Fatal(err)
	}
	got := importTest(t, l, b)
	if got.Outcomes != 4 || got.Conflicts != 1 || got.Known != 0 || got.Absent != 0 {
		t.Errorf("imported %+v", got)
	}
	if again := importTest(t, l, b); again.Outcomes != 0 || again.Known != 4 || again.Blobs != 0 {
		t.Errorf("imported again: %+v", again)
	}
	for n := range 5 {
		r, ok, err := l.Lookup(ids[n])
		if err != nil || ok != (n < 4) {
			t.Fatal(n, ok, err)
		}
		if ok && n != 2 {
			want, _, err := a.Lookup(ids[n])
			if err != nil || !slices.Equal(r.Outputs, want.Outputs) {
				t.Errorf("outcome %d: %v, want %v (%v)", n, r.Outputs, want.Outputs, err)
			}
		}
	}
	if !l.Has(Sum(image)) || l.Has(Sum([]byte("nobody names this"))) {
		t.Error("inputs that keys name travel along, others do not")
	}
	if back := importTest(t, a, b); back.Known != 4 {
		t.Errorf("imported into the ledger it came from: %+v", back)
	}

	// On to a third ledger, which so has a proof of a proof.
	c := openTest(t, filepath.Join(dir, "c.db"), Options{})
	importTest(t, c, exportTest(t, l, Selection{Actions: ids[:2]}))
	claims, err := c.Claims(ids[0])
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	e := claims[0]
	if e.Import == nil || e.Import.inner() == nil || e.Outcome.Meta != testRecord(0).Meta {
		t.Errorf("entry %+v", e)
	}
}

func TestShareWithoutVectors(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, filepath.Join(dir, "a.db"), Options{})
	rec := testRecord(1)
	if _, err := a.Record(rec); err != nil {
		t.Fatal(err)
	}
	id := rec.Key.ID()
	light := exportTest(t, a, Selection{Actions: []ActionID{id}, Skip: func(_ *Outcome, o Output) bool { return o.Name == "states" }})
	full := exportTest(t, a, Selection{Actions: []ActionID{id}})
	l := openTest(t, filepath.Join(dir, "b.db"), Options{})
	if got := importTest(t, l, light); got.Absent != 1 {
		t.Errorf("imported %+v", got)
	}
	if _, ok, _ := l.Lookup(id); ok {
		t.Error("an outcome without its bytes is a hit")
	}
	if _, err := l.Get(Sum(rec.Outputs[0].Bytes)); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	importTest(t, l, full)
	if _, ok, _ := l.Lookup(id); !ok {
		t.Error("not a hit after the bytes came")
	}
}

// Bytes that travel beside a slice are taken in with it, if they are what a record names.
func TestShareBeside(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, filepath.Join(dir, "a.db"), Options{})
	rec := testRecord(1)
	if _, err := a.Record(rec); err != nil {
		t.Fatal(err)
	}
	id, states := rec.Key.ID(), rec.Outputs[0].Bytes
	d := Sum(states)
	light := exportTest(t, a, Selection{Actions: []ActionID{id}, Beside: func(x Digest) bool { return x == d }})
	if bytes.Contains(light, states) {
		t.Fatal("the slice holds what was to travel beside it")
	}
	read := func(b []byte) func() ([]byte, error) { return func() ([]byte, error) { return b, nil } }
	open := func() *Slice {
		s, err := ReadSlice(context.Background(), bytes.NewReader(light), int64(len(light)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l := openTest(t, filepath.Join(dir, "b.db"), Options{})

	s := open()
	s.Beside(Sum([]byte("stray")), 5, read([]byte("stray")))
	s.Beside(d, int64(len(states))+1, read(append(slices.Clone(states), 0)))
	if s.Has(Sum([]byte("stray"))) || s.Has(d) {
		t.Error("taken: bytes that no record names, or not with that length")
	}
	s.Beside(d, int64(len(states)), read(make([]byte, len(states))))
	if _, err := l.Import(context.Background(), s, "r"); err == nil || l.Has(d) {
		t.Errorf("other bytes of the same length: %v", err)
	}

	s = open()
	s.Beside(d, int64(len(states)), read(states))
	got, err := l.Import(context.Background(), s.Without(func(*Outcome) bool { return false }), "r")
	if err != nil || got.Absent != 0 || got.Outcomes != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if b, err := l.Get(d); err != nil || !bytes.Equal(b, states) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, ok, _ := l.Lookup(id); !ok {
		t.Error("not a hit")
	}
}

// Every flipped byte, every cut and every addition is refused, by name, without harm.
func TestHostileSlices(t *testing.T) {
	dir := t.TempDir()
	a := openTest(t, filepath.Join(dir, "a.db"), Options{})
	var ids []ActionID
	for n := range 3 {
		if _, err := a.Record(Record{Key: testKey(n), Outputs: []Blob{{"out", []byte{byte(n), 1, 2, 3}}}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, testKey(n).ID())
	}
	b := exportTest(t, a, Selection{Actions: ids})
	read := func(b []byte) error {
		_, err := ReadSlice(context.Background(), bytes.NewReader(b), int64(len(b)))
		return err
	}
	if err := read(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		c := slices.Clone(b)
		c[i] ^= []byte{1 << (i % 8), 0xFF}[i%2]
		if err := read(c); !errors.Is(err, ErrSlice) {
			t.Errorf("byte %d of %d changed: %v", i, len(b), err)
		}
		if i%7 != 0 {
			continue
		}
		if err := read(b[:i]); !errors.Is(err, ErrSlice) {
			t.Errorf("cut to %d of %d bytes: %v", i, len(b), err)
		}
	}
	if err := read(append(slices.Clone(b), 0)); !errors.Is(err, ErrSlice) {
		t.Errorf("a byte more: %v", err)
	}
}

func FuzzReadSlice(f *testing.F) {
	a, err := Open(filepath.Join(f.TempDir(), "a.db"), Options{})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := a.Record(testRecord(1)); err != nil {
		f.Fatal(err)
	}
	f.Add(exportTest(f, a, Selection{Actions: []ActionID{testKey(1).ID()}}))
	a.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadSlice(context.Background(), bytes.NewReader(b), int64(len(b)))
		if err == nil && s.Checkpoint == nil {
			t.Fatal("sound without a checkpoint")
		}
	})
}

func TestProofs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{})
	var old *Checkpoint
	for n := range 40 {
		if _, err := l.Record(testRecord(n)); err != nil {
			t.Fatal(err)
		}
		if n == 12 {
			var err error
			if old, err = l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, err := l.Len()
	if err != nil {
		t.Fatal(err)
	}
	for seq := range n {
		p, c, err := l.ProveEntry(seq)
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.Verify(c)
		if err != nil || e.Seq != seq {
			t.Fatal(e, err)
		}
		p.Record[len(p.Record)-1] ^= 1
		if _, err := p.Verify(c); err == nil {
			t.Error("a changed record was proven")
		}
	}
	p, now, err := l.ProvePrefix(old.Tree.N)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyPrefix(p, old, now); err != nil {
		t.Error(err)
	}
	forged := *old
	forged.Tree.Hash[0] ^= 1
	if VerifyPrefix(p, &forged, now) == nil {
		t.Error("another past was proven")
	}
	if _, _, err := l.ProveEntry(n); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// A ledger whose key was lost goes on under a new one, and says so; checkpoints of before stay valid.
func TestNewSigner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	l := openTest(t, path, Options{})
	before, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	l = openTest(t, path, Options{KeyFile: filepath.Join(dir, "other.key")})
	after, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	if before.Signer == after.Signer || before.Origin != after.Origin || after.Tree.N != before.Tree.N+1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := OpenCheckpoint(before.Note, before.Signer); err != nil {
		t.Error(err)
	}
}
