package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"swaprun/extract/ort"
	"swaprun/ledger"
	"swaprun/ledger/npy"
)

// smallRun runs six pairs of the demo and returns the experiment and where its ledger is.
func smallRun(t *testing.T) (*Experiment, Options) {
	t.Helper()
	if _, _, err := ort.Find(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	dir := t.TempDir()
	demo, err := filepath.Abs("../experiments/demo")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mini.cue")
	text := fmt.Sprintf(`name: "mini"
data: {path: %q, cap: 1}
analyses: ["axis-coherence"]
statistics: draws: 100
models: qwen: {family: "qwen2_5_vl", scales: "40k": checkpoint: %q}
`, filepath.Join(demo, "scenes.tsv"), filepath.Join(demo, "qwen", "40k"))
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	exp, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Out: filepath.Join(dir, "results"), Ledger: filepath.Join(dir, "ledger.db"), Version: "test"}
	sum, err := Run(context.Background(), exp, opts)
	if err != nil || sum.Total.Failed > 0 {
		t.Fatalf("run: %v, %+v", err, sum)
	}
	return exp, opts
}

func openLedger(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestVerifyDiffers puts a doctored outcome of one query before the true one: an execution that is off in a state's
// seventh digit is within tolerance, one that is off in the third is a finding, as is another answer.
func TestVerifyDiffers(t *testing.T) {
	exp, opts := smallRun(t)
	truth := openLedger(t, opts.Ledger)
	var target *ledger.Outcome
	var all []ledger.ActionID
	for e, err := range truth.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome == nil {
			continue
		}
		all = append(all, e.Outcome.Action)
		if e.Outcome.Key.Kind == string(KindCapture) && target == nil {
			target = e.Outcome
		}
	}
	var slice bytes.Buffer
	if _, err := truth.Export(context.Background(), &slice, ledger.Selection{Actions: all}); err != nil {
		t.Fatal(err)
	}
	var blobs []ledger.Blob
	for _, o := range target.Outputs {
		b, err := truth.Get(o.Digest)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, ledger.Blob{Name: o.Name, Bytes: b})
	}
	truth.Close()

	for _, c := range []struct {
		name   string
		doctor func(t *testing.T, blobs []ledger.Blob)
		within bool
		what   string
	}{
		{"seventh digit", func(t *testing.T, b []ledger.Blob) { scaleFirst(t, b, 1+2e-7) }, true, "states of block 0"},
		{"third digit", func(t *testing.T, b []ledger.Blob) { scaleFirst(t, b, 1.01) }, false, "states of block 0"},
		{"answer", func(t *testing.T, b []ledger.Blob) {
			for i := range b {
				if b[i].Name == "answer" {
					b[i].Bytes = bytes.Replace(b[i].Bytes, []byte(`"answer":"`), []byte(`"answer":"not `), 1)
				}
			}
		}, false, `and answered "not `},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := opts
			other.Ledger = filepath.Join(t.TempDir(), "other.db")
			doctored := openLedger(t, other.Ledger)
			wrong := make([]ledger.Blob, len(blobs))
			for i, b := range blobs {
				wrong[i] = ledger.Blob{Name: b.Name, Bytes: bytes.Clone(b.Bytes)}
			}
			c.doctor(t, wrong)
			record := ledger.Record{Key: target.Key, Outputs: wrong, Meta: ledger.Meta{Run: "x", Tool: "x", Device: ledger.Device{CPU: "abacus", Platform: "wood"}}}
			if _, err := doctored.Record(record); err != nil {
				t.Fatal(err)
			}
			s, err := ledger.ReadSlice(context.Background(), bytes.NewReader(slice.Bytes()), int64(slice.Len()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := doctored.Import(context.Background(), s, "x"); err != nil {
				t.Fatal(err)
			}
			doctored.Close()

			v, err := Verify(context.Background(), exp, other, Sample{})
			if err != nil {
				t.Fatal(err)
			}
			tally := v.Nodes[KindCapture]
			if tally.Verified != 12 || tally.Same != 11 {
				t.Errorf("%+v of captures, expected 12 with 11 the same", *tally)
			}
			if v.Missing == 0 {
				t.Error("metrics of doctored states are not in the ledger, yet none is missing")
			}
			if c.within {
				if tally.Within != 1 || len(v.Findings) != 0 || v.Largest == nil || *v.Largest.Difference > statesTolerance || !strings.Contains(v.Largest.What, c.what) {
					t.Errorf("%+v, findings %+v, largest %+v", *tally, v.Findings, v.Largest)
				}
				return
			}
			if tally.Differ != 1 || len(v.Findings) != 1 {
				t.Fatalf("%+v, findings %+v", *tally, v.Findings)
			}
			f := v.Findings[0]
			if !strings.Contains(f.What, c.what) || !strings.HasPrefix(f.Stands, "abacus") || strings.HasPrefix(f.Device, "abacus") || f.Executions != 3 {
				t.Errorf("finding %+v", f)
			}
			again := openLedger(t, other.Ledger)
			r, ok, err := again.Lookup(target.Key.ID())
			if err != nil || !ok || !r.Conflict || r.Claims != 3 {
				t.Errorf("the ledger has %+v of the query: %v", r, err)
			}
		})
	}
}

// scaleFirst changes one state.
func scaleFirst(t *testing.T, blobs []ledger.Blob, by float32) {
	t.Helper()
	for i := range blobs {
		if blobs[i].Name != "states" {
			continue
		}
		a, err := npy.Unmarshal(blobs[i].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		x, err := npy.Values[float32](a)
		if err != nil {
			t.Fatal(err)
		}
		x[0] *= by
		if blobs[i].Bytes, err = npy.Marshal(a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSample(t *testing.T) {
	for text, want := range map[string]Sample{"25": {Count: 25}, "2%": {Share: 0.02}, "100 %": {Share: 1}} {
		if got, err := ParseSample(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "0%", "101%", "NaN%", "half", "1.5"} {
		if got, err := ParseSample(text); err == nil {
			t.Errorf("%q: %+v, expected an error", text, got)
		}
	}
	var nodes []*Node
	for i := range 50 {
		nodes = append(nodes, &Node{Key: ledger.NewKey("x", 1).Int("n", int64(i))})
	}
	small, large := Sample{Count: 5, Seed: 3}.take(nodes), Sample{Share: 0.5, Seed: 3}.take(nodes)
	if len(small) != 5 || len(large) != 25 {
		t.Fatalf("%d and %d taken, expected 5 and 25", len(small), len(large))
	}
	for n := range small {
		if !large[n] {
			t.Error("the larger sample does not contain the smaller")
		}
	}
}
