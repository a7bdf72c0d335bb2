package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// openTest opens a ledger that is closed and checked in full when the test ends.
func openTest(t testing.TB, path string, opt Options) *Ledger {
	t.Helper()
	l, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, l) })
	return l
}

// closeTest closes a ledger and checks all of it, whether the test asked for that or not.
func closeTest(t testing.TB, l *Ledger) {
	t.Helper()
	if l.closed {
		return
	}
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	checkTest(t, l.path)
}

func checkTest(t testing.TB, path string) *Report {
	t.Helper()
	r, err := CheckFile(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s", path, f)
	}
	return r
}

func testKey(n int) *Key {
	return NewKey("test", 1).Int("n", int64(n)).Digest("image", Sum([]byte(fmt.Sprint("image", n%7)))).Text("question", "which is left?")
}

func testRecord(n int) Record {
	return Record{
		Key:     testKey(n),
		Outputs: []Blob{{"states", bytes.Repeat([]byte{byte(n), 1, 2}, 1000+n)}, {"answer", []byte(fmt.Sprint("left", n))}},
		Meta:    Meta{Run: "r1", Tool: "test", Device: Device{"cpu", "os/arch", "rt"}, Started: time.Unix(1700000000, 5).UTC(), Duration: time.Second},
	}
}

func TestRecordAndLookup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "ledger.db")
	l := openTest(t, path, Options{})
	rec := testRecord(1)
	if _, ok, err := l.Lookup(rec.Key.ID()); ok || err != nil {
		t.Fatalf("found in an empty ledger: %v %v", ok, err)
	}
	res, err := l.Record(rec, testRecord(2))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again after opening anew
		got, ok, err := l.Lookup(rec.Key.ID())
		if err != nil || !ok {
			t.Fatalf("not found: %v", err)
		}
		if d := cmp.Diff(res[0], got); d != "" {
			t.Error(d)
		}
		out, _ := got.Output("answer")
		if b, err := l.Get(out.Digest); err != nil || string(b) != "left1" {
			t.Errorf("answer %q, %v", b, err)
		}
		k, err := l.Key(rec.Key.ID())
		if err != nil || k.ID() != rec.Key.ID() {
			t.Errorf("key %v, %v", k, err)
		}
		e, err := l.Entry(got.Seq)
		if err != nil || e.Outcome.Meta != rec.Meta {
			t.Errorf("entry %+v, %v", e, err)
		}
		closeTest(t, l)
		l = openTest(t, path, Options{ReadOnly: true})
	}
	if _, err := l.Record(rec); !errors.Is(err, ErrReadOnly) {
		t.Errorf("recorded into a read-only ledger: %v", err)
	}
	if _, err := l.Get(Sum([]byte("nothing"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestLargeAndEmptyBlobs(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"), Options{})
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 17} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7 / 3)
		}
		d, err := l.Put(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Get(d[0])
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
}

func TestConflictsAreKept(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"), Options{})
	k := testKey(1)
	record := func(failed bool, text string) Result {
		t.Helper()
		r, err := l.Record(Record{Key: k, Failed: failed, Outputs: []Blob{{"out", []byte(text)}}})
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	record(true, "boom")
	first := record(false, "a") // a success stands before a failure
	record(false, "a")
	record(false, "b")
	got, ok, err := l.Lookup(k.ID())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got.Seq != first.Seq || got.Claims != 4 || !got.Conflict || got.Failed {
		t.Errorf("got %+v, want outcome %d standing among 4", got, first.Seq)
	}
	claims, err := l.Claims(k.ID())
	if err != nil || len(claims) != 4 {
		t.Fatalf("%d claims, %v", len(claims), err)
	}
	var conflicts []Conflict
	for e, err := range l.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Conflict != nil {
			conflicts = append(conflicts, *e.Conflict)
		}
	}
	want := []Conflict{{k.ID(), first.Seq, claims[0].Seq}, {k.ID(), first.Seq, claims[3].Seq}}
	if d := cmp.Diff(want, conflicts); d != "" {
		t.Error(d)
	}
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{})
	_, err := Open(path, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("got %v, want ErrLocked naming this process", err)
	}
	var told string
	closed := make(chan bool)
	go func() {
		time.Sleep(80 * time.Millisecond)
		l.Close()
		close(closed)
	}()
	l2, err := Open(path, Options{Wait: 10 * time.Second, OnWait: func(h string) { told = h }})
	if err != nil {
		t.Fatal(err)
	}
	<-closed
	closeTest(t, l2)
	if !strings.Contains(told, fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("told %q", told)
	}
	if _, err := os.Stat(path + ".holder"); err == nil {
		t.Error("the holder's note was left behind")
	}
}

func TestNotALedger(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	os.WriteFile(path, bytes.Repeat([]byte("hello"), 10000), 0o666)
	for _, ro := range []bool{true, false} {
		if _, err := Open(path, Options{ReadOnly: ro}); !errors.Is(err, ErrNotLedger) {
			t.Errorf("text file: %v", err)
		}
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrNotLedger) {
		t.Errorf("folder: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"), Options{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 8 {
				rec := testRecord(100*g + n)
				if _, err := l.Record(rec); err != nil {
					t.Error(err)
				}
				r, ok, err := l.Lookup(rec.Key.ID())
				if err != nil || !ok {
					t.Error(ok, err)
					return
				}
				if _, err := l.Get(r.Outputs[0].Digest); err != nil {
					t.Error(err)
				}
				l.Memo("m").Put([]byte{byte(g)}, []byte{byte(n)})
				l.Memo("m").Get([]byte{byte(g)})
				if _, _, _, err := l.Nearest(rec.Key); err != nil {
					t.Error(err)
				}
				if err := l.View(func(v *View) error {
					_, err := v.Get(r.Outputs[1].Digest)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		for range 3 {
			if r, err := l.Check(context.Background()); err != nil || !r.OK() {
				t.Error(r, err)
			}
		}
	}()
	wg.Wait()
}

// TestIndexOrder: dealing out by leading bits is sorting, whatever the ids, and repeated ones stay together.
func TestIndexOrder(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for _, n := range []int{0, 1, 2, 3, 1000, 70_000} {
		ids := make([]ActionID, n)
		for i := range ids {
			rng.Read(ids[i][:])
			switch i % 7 {
			case 1: // near another
				ids[i] = ids[i-1]
				ids[i][31]++
			case 2: // equal to another
				ids[i] = ids[i-2]
			}
		}
		sorted := make([]ActionID, 0, n)
		for _, at := range indexOrder(ids) {
			sorted = append(sorted, ids[at])
		}
		slices.SortFunc(ids, compareHash)
		if !slices.Equal(ids, sorted) {
			t.Errorf("%d ids: not in order", n)
		}
	}
}

// A run's outcomes are those of the actions it reused and computed, each as it became known, whatever was recorded by
// others before, meanwhile forgotten or since.
func TestRunOutcomes(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"), Options{})
	record := func(run string, numbers ...int) {
		t.Helper()
		for _, n := range numbers {
			rec := testRecord(n)
			rec.Run = run
			rec.Outputs = append(rec.Outputs, Blob{"run", []byte(run)}) // so that repetitions are conflicts
			if _, err := l.Record(rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := func(run string, reused ...int) {
		t.Helper()
		var hits []ActionID
		for _, n := range reused {
			hits = append(hits, testKey(n).ID())
		}
		if err := l.RecordRun(Run{Name: "x", Meta: Meta{Run: run}}, hits); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 600 { // more than one goroutine reads
		record("a", n)
	}
	end("a")
	record("killed", 1000, 1001)
	record("b", 1002, 3, 1003)
	end("b", 1, 2, 599, 1000, 1002)
	end("c")
	record("d", 2, 4)
	end("d", 1003)
	want := [][]int{nil, {1003, 1002, 1000, 599, 2, 1}, {}, {1003}}
	runs, err := l.Runs("x")
	if err != nil || len(runs) != len(want) {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for n := range 600 {
		want[0] = append(want[0], 599-n)
	}
	for i, run := range runs {
		list, err := l.RunOutcomes(run)
		if err != nil {
			t.Fatal(err)
		}
		got := []int{}
		for _, e := range list {
			v, _ := e.Outcome.Key.Get("n")
			n, _ := v.Int()
			got = append(got, int(n))
		}
		if d := cmp.Diff(want[i], got); d != "" {
			t.Errorf("run %s: %s", run.Run.Run, d)
		}
		// The same, asked outcome by outcome.
		of, err := l.RunActions(run)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for e, err := range l.OfKind("test") {
			if err != nil {
				t.Fatal(err)
			}
			if of(e) {
				if n < len(list) && list[n].Seq != e.Seq {
					t.Errorf("run %s: outcome %d is entry %d, not %d", run.Run.Run, n, e.Seq, list[n].Seq)
				}
				n++
			}
		}
		if n != len(list) {
			t.Errorf("run %s: %d outcomes, %d by their runs", run.Run.Run, len(list), n)
		}
	}
}
