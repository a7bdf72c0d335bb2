package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

// smallLedger makes a ledger with something of everything in it, on pages small enough to flip every byte.
func smallLedger(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{pageSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	record := func(n int, failed bool, text string) ActionID {
		k := testKey(n)
		_, err := l.Record(Record{Key: k, Failed: failed, Outputs: []Blob{{"out", []byte(text)}}, Meta: Meta{Run: "r", Tool: "t"}})
		must(err)
		return k.ID()
	}
	var ids []ActionID
	for n := range 12 {
		ids = append(ids, record(n, n == 3, fmt.Sprintf("outcome %d of the small ledger", n)))
	}
	record(3, false, "succeeded after all")
	record(5, false, "another outcome: a conflict")
	l.Memo("space").Put([]byte("key"), []byte("value"))
	_, err = l.Put(bytes.Repeat([]byte("large "), 300))
	must(err)
	must(l.RecordRun(Run{Name: "demo", Ran: 3}, ids[:4]))
	_, err = l.GC(context.Background(), Keep{Actions: ids[:10]}, Meta{Run: "gc"})
	must(err)
	other, err := Open(filepath.Join(t.TempDir(), "other.db"), Options{})
	must(err)
	_, err = other.Record(Record{Key: testKey(50), Outputs: []Blob{{"a", []byte("imported")}, {"b", []byte("left out")}}})
	must(err)
	importTest(t, l, exportTest(t, other, Selection{Actions: []ActionID{testKey(50).ID()},
		Skip: func(_ *Outcome, o Output) bool { return o.Name == "b" }}))
	must(other.Close())
	must(l.Close())
	return path
}

func TestTamperDrill(t *testing.T) {
	path := smallLedger(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) *Report {
		c := &checker{ctx: context.Background(), report: &Report{}, tidied: true}
		r, err := c.run(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Error(err)
		}
		return r
	}
	if r := check(raw); !r.OK() {
		t.Fatalf("damaged before anything was done to it: %v", r.Findings)
	}
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	// All bytes take ten seconds of processor time: SWAPRUN_DRILL=full. A fifth of them is the daily bread.
	stride := 5
	if os.Getenv("SWAPRUN_DRILL") == "full" {
		stride = 1
	} else if testing.Short() {
		stride = 31
	}
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			b := slices.Clone(raw)
			for i := w * stride; i < len(b); i += workers * stride {
				// One bit, all bits, and the flip that makes a leaf a branch, in turn.
				flip := []byte{1 << (i % 8), 0xFF, 0x03}[i%3]
				b[i] ^= flip
				r := check(b)
				b[i] ^= flip
				if r.OK() {
					t.Errorf("byte %d of page %d (%#x ^ %#x) changed unseen", i%512, i/512, b[i], flip)
					continue
				}
				if r.Findings[0].Where == "" || r.Findings[0].What == "" {
					t.Errorf("byte %d: a nameless finding", i)
				}
			}
		}()
	}
	wg.Wait()
	t.Logf("%d bytes", len(raw))
}

// Whatever is wrong with the file, using it gives an error or a right answer.
func TestDamagedLedgersDoNotCrash(t *testing.T) {
	path := smallLedger(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pages := len(bytes.TrimRight(raw, "\x00"))/512 + 1
	stride := 37 // a prime, so that all places in a page are met
	if os.Getenv("SWAPRUN_DRILL") == "full" {
		stride = 1
	} else if testing.Short() {
		stride = 331
	}
	var ids []ActionID
	for n := range 12 {
		ids = append(ids, testKey(n).ID())
	}
	var damaged [][]byte
	for i := 0; i < pages*512; i += stride {
		b := slices.Clone(raw)
		b[i] ^= []byte{1 << (i % 8), 0xFF, 0x03}[i%3]
		damaged = append(damaged, b)
	}
	for i := 0; i < pages; i++ {
		damaged = append(damaged, raw[:i*512]) // cut off: the rest of the memory map faults
	}
	p := filepath.Join(t.TempDir(), "damaged.db")
	opened := 0
	for i, b := range damaged {
		if err := os.WriteFile(p, b, 0o666); err != nil {
			t.Fatal(err)
		}
		l, err := Open(p, Options{ReadOnly: true})
		if err != nil {
			continue
		}
		opened++
		found, _ := l.LookupAll(ids)
		for _, r := range found {
			for _, o := range r.Outputs {
				if got, err := l.Get(o.Digest); err == nil && Sum(got) != o.Digest {
					t.Errorf("damage %d: wrong bytes for %s", i, o.Digest)
				}
			}
		}
		for _, id := range ids {
			l.Claims(id)
		}
		l.Nearest(testKey(99))
		for range l.Entries(0) {
		}
		l.Stat()
		l.Close()
	}
	if opened == 0 {
		t.Error("none could be opened")
	}
}

// A last entry with a number that no ledger comes to is damage at once, not a sum that never ends.
func TestAbsurdNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	closeTest(t, openTest(t, path, Options{}))
	db, err := bbolt.Open(path, 0o666, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bEntries).Put(uint64Key(0x5498f98986c7033d), []byte("x")) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Stat(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("stat: %v", err)
	}
	if _, err := l.Record(testRecord(1)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("record: %v", err)
	}
}
