//go:build unix

package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// A test that needs a process to kill runs this binary again with these set.
const (
	envChild = "SWAPRUN_LEDGER_CHILD" // path of the ledger to write
	envPoint = "SWAPRUN_LEDGER_POINT" // "NAME": kill yourself there, the third time you come by
)

func TestMain(m *testing.M) {
	if path := os.Getenv(envChild); path != "" {
		if err := crashChild(path, os.Getenv(envPoint)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// crashChild records outcomes until it is killed, and says on stdout which ones are safe.
func crashChild(path, point string) error {
	l, err := Open(path, Options{Wait: 5 * time.Second})
	if err != nil {
		return err
	}
	visits := 0
	l.fail = func(at string) {
		if at == point {
			if visits++; visits == 3 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	start, err := l.Len()
	if err != nil {
		return err
	}
	for i := int(start); ; i += 4 {
		var recs []Record
		for j := range 4 {
			recs = append(recs, crashRecord(i+j))
		}
		if _, err := l.Record(recs...); err != nil {
			return err
		}
		l.Memo("crash").Put([]byte{byte(i)}, []byte("x"))
		fmt.Println(i)
		if visits >= 3 || i > 100_000 {
			return errors.New("nobody killed this process")
		}
	}
}

func crashRecord(i int) Record {
	rng := rand.New(rand.NewSource(int64(i)))
	b := make([]byte, rng.Intn(60_000))
	rng.Read(b)
	return Record{Key: testKey(1000 + i), Outputs: []Blob{{"states", b}}}
}

// The process is killed, by itself at a known point or from outside at any; what it said was safe is there after,
// nothing is damaged, and the next process needs neither flag nor unlocking.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	points := []string{"blobs written", "entries written", "before commit", "after commit", "", "", "", "", "", ""}
	if n, err := strconv.Atoi(os.Getenv("SWAPRUN_KILLS")); err == nil {
		points = append(points, make([]string, n)...)
	} else if testing.Short() {
		points = points[:5]
	}
	rng := rand.New(rand.NewSource(time.Now().UnixNano()))
	safe := map[int]bool{}
	proven, ledgers := 0, 1
	for round, point := range points {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envChild+"="+path, envPoint+"="+point)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if point == "" {
			timer := time.AfterFunc(time.Duration(20+rng.Intn(200))*time.Millisecond, func() { cmd.Process.Kill() })
			defer timer.Stop()
		}
		for sc := bufio.NewScanner(out); sc.Scan(); {
			var i int
			if _, err := fmt.Sscan(sc.Text(), &i); err != nil {
				t.Fatal(err)
			}
			for j := range 4 {
				safe[i+j] = true
			}
		}
		err = cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d, %q: %v, not killed: %s", round, point, err, &stderr)
		}
		if _, err := CheckFile(context.Background(), path); errors.Is(err, fs.ErrNotExist) && len(safe) == 0 {
			continue // killed before the first transaction
		}
		checkTest(t, path)
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() > largest {
			checkSafe(t, path, safe)
			proven, ledgers = proven+len(safe), ledgers+1
			clear(safe)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			path = filepath.Join(dir, fmt.Sprintf("ledger%d.db", ledgers))
		}
	}
	checkSafe(t, path, safe)
	if proven += len(safe); proven == 0 {
		t.Error("no process came far enough to record anything")
	}
	t.Logf("%d kills, %d ledgers, %d records that were safe", len(points), ledgers, proven)
}

// largest is the size from which on a ledger is checked a last time and another one begun: all of it is read after every
// kill.
const largest = 32 << 20

// checkSafe makes sure that what was said to be safe is there.
func checkSafe(t *testing.T, path string, safe map[int]bool) {
	t.Helper()
	l := openTest(t, path, Options{})
	defer closeTest(t, l)
	for i := range safe {
		rec := crashRecord(i)
		r, ok, err := l.Lookup(rec.Key.ID())
		if err != nil || !ok {
			t.Fatalf("record %d was safe and is lost: %v", i, err)
		}
		if b, err := l.Get(r.Outputs[0].Digest); err != nil || !bytes.Equal(b, rec.Outputs[0].Bytes) {
			t.Fatalf("record %d: %d bytes, %v", i, len(b), err)
		}
	}
}

// A ledger whose maker was killed before its first transaction is none yet: neither damaged nor in the way. A ledger with
// entries that is made to look like one is damaged.
func TestKilledMaker(t *testing.T) {
	dir := t.TempDir()
	empty, fresh := filepath.Join(dir, "empty.db"), filepath.Join(dir, "fresh.db")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(fresh, 0o666, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, fresh} {
		if r, err := CheckFile(context.Background(), path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
		if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: opened for reading: %v", path, err)
		}
		l := openTest(t, path, Options{})
		if _, err := l.Record(testRecord(1)); err != nil {
			t.Error(err)
		}
		closeTest(t, l)
	}
	// The tree of buckets emptied by hand.
	b := readTest(t, fresh)
	p, err := newPager(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	le.PutUint16(b[int(p.root)*p.pageSize+10:], 0)
	c := &checker{ctx: context.Background(), report: &Report{}}
	if r, err := c.run(bytes.NewReader(b), int64(len(b))); err != nil || r.OK() {
		t.Errorf("a ledger without its buckets: %+v, %v", r, err)
	}
}

// The machine stops before unsynced writes reach the disk: of the pages a transaction wrote any may be there or
// not, and its meta page not, in part or whole. The state before or after the transaction is there, undamaged.
func TestUnsyncedWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{pageSize: 1024})
	rng := rand.New(rand.NewSource(5))
	image := func() []byte { return readTest(t, path) }
	entries := func(b []byte) uint64 { return entriesTest(t, b) }
	for round := range 12 {
		before := image()
		if _, err := l.Record(crashRecord(2*round), crashRecord(2*round+1)); err != nil {
			t.Fatal(err)
		}
		after := image()
		n, m := entries(before), entries(after)
		for range 8 {
			// The file grows before anything is written to it.
			b := append(slices.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
			for at := 2 * 1024; at < len(after); at += 1024 {
				if rng.Intn(2) == 0 {
					copy(b[at:at+1024], after[at:])
				}
			}
			if got := entries(b); got != n {
				t.Fatalf("%d entries, %d before the lost transaction", got, n)
			}
			// All pages were synced; of the meta page any part was.
			b = slices.Clone(after)
			cut := rng.Intn(pageHeader + metaSize)
			copy(b[cut:1024], before[cut:])
			copy(b[1024+cut:2048], before[1024+cut:])
			if got := entries(b); got != n && got != m {
				t.Fatalf("%d entries, neither %d nor %d", got, n, m)
			}
		}
	}
}

func readTest(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// entriesTest checks a ledger's bytes and counts its entries.
func entriesTest(t *testing.T, b []byte) uint64 {
	t.Helper()
	c := &checker{ctx: context.Background(), report: &Report{}}
	r, err := c.run(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		// A half-written meta page is what the other one is for.
		if !strings.Contains(f.What, "damaged meta page") {
			t.Fatal(f)
		}
	}
	return r.Entries
}

// The machine stops while a process tidies up after itself: of what that wrote and cleared any part may have reached the disk. The last
// state is there, undamaged, and so it is when the next process has tidied up.
func TestUnsyncedTidying(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{pageSize: 1024})
	rng := rand.New(rand.NewSource(6))
	for round := range 12 {
		if _, err := l.Record(crashRecord(2*round), crashRecord(2*round+1)); err != nil {
			t.Fatal(err)
		}
		before := readTest(t, path)
		if err := l.tidy(); err != nil {
			t.Fatal(err)
		}
		after := readTest(t, path)
		n := entriesTest(t, before)
		if len(before) != len(after) || bytes.Equal(before, after) {
			t.Fatalf("tidying changed nothing of %d bytes, or their number to %d", len(before), len(after))
		}
		for range 8 {
			b := slices.Clone(before)
			for at := 0; at < len(after); at += 1024 {
				if rng.Intn(2) == 0 {
					copy(b[at:at+1024], after[at:])
				}
			}
			// The meta page that was written may be there in part.
			other := 1024 * (1 - metaPageInUse(t, before))
			cut := rng.Intn(pageHeader + metaSize)
			copy(b[other+cut:other+1024], before[other+cut:other+1024])
			if got := entriesTest(t, b); got != n {
				t.Fatalf("%d entries, %d before", got, n)
			}
			again := filepath.Join(t.TempDir(), "ledger.db")
			if err := os.WriteFile(again, b, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(again+".holder", nil, 0o666); err != nil {
				t.Fatal(err)
			}
			closeTest(t, openTest(t, again, Options{}))
		}
	}
}

func metaPageInUse(t *testing.T, b []byte) int {
	t.Helper()
	p, err := newPager(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return int(p.txid % 2)
}

// Random operations give the same answers as a twin in memory.
func TestTwin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewSource(seed))
	type twinRow struct {
		failed bool
		out    Digest
	}
	var (
		l     = openTest(t, path, Options{pageSize: 1024})
		rows  = map[ActionID]twinRow{}
		gone  = map[ActionID]bool{}
		blobs = map[Digest][]byte{}
		memo  = map[string]string{}
	)
	blob := func() []byte {
		b := make([]byte, []int{3, 50, 500, 5000, 70_000}[rng.Intn(5)]*(1+rng.Intn(3)))
		rng.Read(b)
		return b
	}
	steps := 120
	if testing.Short() {
		steps = 30
	}
	for range steps {
		switch op := rng.Intn(12); {
		case op < 6:
			k := testKey(rng.Intn(30))
			failed, b := rng.Intn(5) == 0, blob()
			if _, err := l.Record(Record{Key: k, Failed: failed, Outputs: []Blob{{"out", b}}}); err != nil {
				t.Fatal(err)
			}
			blobs[Sum(b)] = b
			id := k.ID()
			was, known := rows[id]
			if !known || gone[id] || was.failed && !failed {
				rows[id] = twinRow{failed, Sum(b)}
				delete(gone, id)
			}
		case op < 8:
			b := blob()
			if _, err := l.Put(b); err != nil {
				t.Fatal(err)
			}
			blobs[Sum(b)] = b
		case op < 9:
			k, v := fmt.Sprint(rng.Intn(20)), fmt.Sprint(rng.Int())
			l.Memo("twin").Put([]byte(k), []byte(v))
			memo[k] = v
		case op < 10:
			closeTest(t, l)
			l = openTest(t, path, Options{})
		case op < 11:
			ids := slices.Collect(maps.Keys(rows))
			if err := l.RecordRun(Run{Name: "twin"}, ids); err != nil {
				t.Fatal(err)
			}
		default:
			var keep Keep
			kept := map[Digest]bool{}
			for id, r := range rows {
				if !gone[id] && rng.Intn(3) > 0 {
					keep.Actions = append(keep.Actions, id)
					for e, err := range claims(l, id) {
						if err != nil {
							t.Fatal(err)
						}
						for _, o := range e.Outcome.Outputs {
							kept[o.Digest] = true
						}
					}
					kept[r.out] = true
				}
			}
			if _, err := l.GC(context.Background(), keep, Meta{}); err != nil {
				t.Fatal(err)
			}
			for d := range blobs {
				if !kept[d] {
					delete(blobs, d)
				}
			}
			for id, r := range rows {
				if blobs[r.out] == nil {
					gone[id] = true
				}
			}
		}
	}
	for n := range 30 {
		id := testKey(n).ID()
		got, ok, err := l.Lookup(id)
		want, known := rows[id]
		if err != nil || ok != (known && !gone[id]) {
			t.Fatalf("key %d: found %v, twin %v (%v)", n, ok, known && !gone[id], err)
		}
		if ok && (got.Failed != want.failed || got.Outputs[0].Digest != want.out) {
			t.Errorf("key %d: got %+v, twin %+v", n, got, want)
		}
	}
	for d, b := range blobs {
		if got, err := l.Get(d); err != nil || !bytes.Equal(got, b) {
			t.Errorf("blob %s: %v", d, err)
		}
	}
	for k, v := range memo {
		if got, _ := l.Memo("twin").Get([]byte(k)); string(got) != v {
			t.Errorf("memo %s: %q, twin %q", k, got, v)
		}
	}
}

func claims(l *Ledger, id ActionID) func(func(*Entry, error) bool) {
	return func(yield func(*Entry, error) bool) {
		list, err := l.Claims(id)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}
