package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
)

// stateBytes is the size of the states of a model of 28 blocks, 4096 wide: 458,752 bytes of float32.
const stateBytes = 28 * 4096 * 4

func BenchmarkRecord16(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	rng := rand.New(rand.NewSource(1))
	b.SetBytes(16 * stateBytes)
	recs := make([]Record, 16)
	for i := range recs {
		recs[i] = testRecord(i)
		recs[i].Outputs[0].Bytes = make([]byte, stateBytes)
		rng.Read(recs[i].Outputs[0].Bytes)
	}
	n := 0
	for b.Loop() {
		for i := range recs {
			n++
			recs[i].Key = testKey(n)
			binary.LittleEndian.PutUint64(recs[i].Outputs[0].Bytes, uint64(n))
		}
		if _, err := l.Record(recs...); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLedger holds n outcomes with keys of a capture's size.
func benchLedger(b *testing.B, n int) (string, []ActionID) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]ActionID, 0, n)
	for at := 0; at < n; {
		var recs []Record
		for ; len(recs) < 1000 && at < n; at++ {
			r := benchRecord(at)
			recs = append(recs, r)
			ids = append(ids, r.Key.ID())
		}
		if _, err := l.Record(recs...); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	return path, ids
}

func benchRecord(i int) Record {
	k := NewKey("capture", 3)
	for f := range 6 {
		k.Digest(fmt.Sprint("input", f), Sum([]byte{byte(f)}))
	}
	k.Digest("image", Sum([]byte(fmt.Sprint(i/4)))).Text("question", fmt.Sprintf("Is the cup %d to the left of the plate?", i))
	k.Text("provider", "cpu").Text("runtime", "1.30.0").Int("max_new_tokens", 20)
	return Record{Key: k, Outputs: []Blob{{"states", []byte(fmt.Sprint("states", i))}, {"answer", []byte(fmt.Sprint("answer", i))}},
		Meta: Meta{Run: "20260101-000000-abcdef", Tool: "v0.1.0", Device: Device{"AMD EPYC (avx2 fma)", "linux/amd64", "onnxruntime 1.30.0"}, Duration: 12345678}}
}

// Opening included: what a process that finds nothing to do pays.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		if n > 10_000 && testing.Short() {
			continue
		}
		path, ids := benchLedger(b, n)
		for _, ro := range []bool{true, false} {
			b.Run(fmt.Sprintf("n=%d/readonly=%v", n, ro), func(b *testing.B) {
				for b.Loop() {
					l, err := Open(path, Options{ReadOnly: ro})
					if err != nil {
						b.Fatal(err)
					}
					found, err := l.LookupAll(ids)
					if err != nil || !found[n-1].Known() {
						b.Fatal(len(found), err)
					}
					l.Close()
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path, _ := benchLedger(b, 10_000)
	for b.Loop() {
		l, err := Open(path, Options{ReadOnly: true})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

func BenchmarkGet(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	raw := make([]byte, stateBytes)
	d, err := l.Put(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(stateBytes)
		for b.Loop() {
			if _, err := l.Get(d[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("view", func(b *testing.B) {
		b.SetBytes(stateBytes)
		for b.Loop() {
			err := l.View(func(v *View) error {
				_, err := v.Get(d[0])
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNearest(b *testing.B) {
	path, _ := benchLedger(b, 10_000)
	l, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		if _, _, ok, err := l.Nearest(benchRecord(20_000).Key); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkKeyID(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		benchRecord(i).Key.ID()
	}
}

func BenchmarkFileDigest(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 256<<20), 0o666); err != nil {
		b.Fatal(err)
	}
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.SetBytes(256 << 20)
	b.ReportAllocs()
	for b.Loop() { // younger than the clock's grain, so never memoised, unless this takes seconds
		if err := os.Chtimes(path, l.now(), l.now()); err != nil {
			b.Fatal(err)
		}
		if _, err := l.FileDigest(context.Background(), path, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A run that finds nothing to do but records that it was there: opening, one entry, an orderly close.
func BenchmarkIdleRun(b *testing.B) {
	path, ids := benchLedger(b, 10_000)
	for b.Loop() {
		l, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.RecordRun(Run{Name: "idle"}, ids); err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	path, _ := benchLedger(b, 10_000)
	for b.Loop() {
		r, err := CheckFile(context.Background(), path)
		if err != nil || !r.OK() {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkRecord1(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for i := 0; b.Loop(); i++ {
		if _, err := l.Record(benchRecord(i)); err != nil {
			b.Fatal(err)
		}
	}
}
