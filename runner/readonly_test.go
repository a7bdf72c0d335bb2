//go:build linux

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"swaprun/ledger"
)

// readOnly makes a folder one of a read-only disk, until the function it returns is called.
func readOnly(t *testing.T, dir string) (undo func()) {
	t.Helper()
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("NOT TESTED: a read-only disk. Mounting takes root: %v", err)
	}
	undo = func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }
	t.Cleanup(undo)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	return undo
}

// A ledger that can only be read is read: for plans, explanations, archives and comparisons. What would write says so before it
// computes anything.
func TestReadOnlyLedger(t *testing.T) {
	exp, opts := smallRun(t)
	ctx := context.Background()
	before, err := os.ReadFile(opts.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	undo := readOnly(t, filepath.Dir(opts.Ledger))

	plan, err := Plan(ctx, exp, opts)
	if err != nil || plan.Total["hit"] != len(plan.Nodes) {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	if x, err := Explain(ctx, exp, opts, "pairs"); err != nil || x.State != Hit {
		t.Errorf("explain: %+v, %v", x, err)
	}
	if d, err := Compare(ctx, exp.File, "last", opts); err != nil || !d.Equal {
		t.Errorf("diff: %+v, %v", d, err)
	}
	file := filepath.Join(t.TempDir(), "shared.zip")
	if sum, err := Share(ctx, exp, opts, ShareOptions{File: file, Vectors: true}); err != nil || int(sum.Outcomes) != len(plan.Nodes) {
		t.Errorf("share: %+v, %v", sum, err)
	}
	if _, err := GC(ctx, GCOptions{Ledger: opts.Ledger, Runs: 1, PlanOnly: true}); err != nil {
		t.Errorf("gc --plan: %v", err)
	}
	for what, do := range map[string]func() error{
		"run":    func() error { _, err := Run(ctx, exp, opts); return err },
		"verify": func() error { _, err := Verify(ctx, exp, opts, Sample{}); return err },
		"import": func() error { _, err := Import(ctx, ImportOptions{File: file, Ledger: opts.Ledger}); return err },
		"gc":     func() error { _, err := GC(ctx, GCOptions{Ledger: opts.Ledger, Runs: 1}); return err },
	} {
		if err := do(); !errors.Is(err, ledger.ErrNotWritable) || !strings.Contains(err.Error(), opts.Ledger) {
			t.Errorf("%s: %v", what, err)
		}
	}
	undo()
	if after, err := os.ReadFile(opts.Ledger); err != nil || string(after) != string(before) {
		t.Errorf("the ledger is another (%v)", err)
	}
	if sum, err := Run(ctx, exp, opts); err != nil || sum.Total != (Tally{Hit: len(plan.Nodes)}) {
		t.Errorf("run afterwards: %+v, %v", sum, err)
	}
}

// Results that cannot be written fail by name; what they are made from is computed and kept all the same.
func TestReadOnlyResults(t *testing.T) {
	exp, opts := smallRun(t)
	ctx := context.Background()
	exp.Statistics.Draws++
	undo := readOnly(t, opts.Out)
	sum, err := Run(ctx, exp, opts)
	if err != nil {
		t.Fatal(err)
	}
	if n := sum.Nodes[KindMetric]; n.Ran == 0 || n.Failed+n.Skipped > 0 || sum.Nodes[KindFile].Failed == 0 || sum.Nodes[KindReport].Failed+sum.Nodes[KindReport].Skipped != 1 {
		t.Errorf("%+v", sum.Nodes)
	}
	for _, f := range sum.Failures {
		if !strings.Contains(f.Reason, "read-only") || !strings.Contains(f.Reason, opts.Out) {
			t.Errorf("%s: %s", f.Node, f.Reason)
		}
	}
	undo()
	again, err := Run(ctx, exp, opts)
	if err != nil || again.Total.Failed+again.Total.Skipped > 0 || again.Nodes[KindMetric].Ran+again.Nodes[KindCapture].Ran > 0 {
		t.Errorf("with leave to write: %+v, %v", again, err)
	}
}
