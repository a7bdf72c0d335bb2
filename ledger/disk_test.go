//go:build linux

package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A transaction that does not fit leaves nothing behind, and the ledger goes on when there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("swaprun-test", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT TESTED: a full disk. Mounting a small tmpfs takes root: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	path := filepath.Join(dir, "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	small := testRecord(1)
	if _, err := l.Record(small); err != nil {
		t.Fatal(err)
	}
	large := testRecord(2)
	large.Outputs[0].Bytes = make([]byte, 5<<20)
	for i := range large.Outputs[0].Bytes {
		large.Outputs[0].Bytes[i] = byte(i * i / 255)
	}
	for range 2 {
		if _, err := l.Record(large); !errors.Is(err, ErrDiskFull) {
			t.Fatalf("got %v, want ErrDiskFull", err)
		}
		if _, ok, err := l.Lookup(large.Key.ID()); ok || err != nil {
			t.Error("half a record is there", err)
		}
	}
	if err := syscall.Mount("swaprun-test", dir, "tmpfs", syscall.MS_REMOUNT, "size=32m"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(large); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if _, ok, err := l.Lookup(small.Key.ID()); !ok || err != nil {
		t.Error("what was there before is gone", err)
	}
	closeTest(t, l)
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("swaprun-test", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT TESTED: a read-only disk. Mounting takes root: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	path := filepath.Join(dir, "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := testRecord(1)
	if _, err := l.Record(rec); err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	if err := syscall.Mount("swaprun-test", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(dir, "none.db"), filepath.Join(dir, "none", "ledger.db")} {
		if _, err := Open(p, Options{}); !errors.Is(err, ErrNotWritable) || !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "--ledger") {
			t.Errorf("%s opened for writing: %v", p, err)
		}
	}
	// A ledger whose key cannot be had cannot be written either, and nobody holds it then.
	elsewhere := filepath.Join(t.TempDir(), "ledger.db")
	closeTest(t, openTest(t, elsewhere, Options{}))
	if _, err := Open(elsewhere, Options{KeyFile: filepath.Join(dir, "none.key")}); !errors.Is(err, ErrNotWritable) || !strings.Contains(err.Error(), "signing key") {
		t.Errorf("opened without a key: %v", err)
	}
	if _, err := os.Stat(elsewhere + ".holder"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has a holder (%v)", err)
	}
	l, err = Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, ok, err := l.Lookup(rec.Key.ID()); !ok || err != nil {
		t.Error(ok, err)
	}
	if r, err := l.Check(context.Background()); err != nil || !r.OK() {
		t.Error(r, err)
	}
}

func TestNetworkFS(t *testing.T) {
	if name, network := networkFS(t.TempDir()); network {
		t.Skipf("NOT TESTED: temporary files are on %s here", name)
	}
	// No network file system can be mounted here; a local one that is told to be one stands in.
	var st syscall.Statfs_t
	dir := t.TempDir()
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	magic := uint32(st.Type)
	if _, taken := networkMagic[magic]; taken {
		t.Fatalf("%#x", magic)
	}
	networkMagic[magic] = "NFS"
	defer delete(networkMagic, magic)
	path := filepath.Join(dir, "sub", "ledger.db")
	_, err := Open(path, Options{})
	if !errors.Is(err, ErrNetworkFS) || !strings.Contains(err.Error(), "--ledger") {
		t.Errorf("got %v, want ErrNetworkFS that says what to do", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made all the same")
	}
}

// After gc the space is the disk's again once the ledger is closed.
func TestGCGivesSpaceBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{})
	rec := testRecord(1)
	rec.Duration = 90e9
	rec.Outputs[0].Bytes = make([]byte, 8<<20)
	for i := range rec.Outputs[0].Bytes {
		rec.Outputs[0].Bytes[i] = byte(i>>8 ^ i*7)
	}
	if _, err := l.Record(rec, testRecord(2)); err != nil {
		t.Fatal(err)
	}
	before, err := l.Stat()
	if err != nil {
		t.Fatal(err)
	}
	keep := Keep{Actions: []ActionID{testKey(2).ID()}}
	plan, err := l.PlanGC(context.Background(), keep)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Blobs != 2 || plan.Actions != 1 || plan.Compute != rec.Duration || plan.Kinds[0].Kind != "test" {
		t.Errorf("plan %+v", plan)
	}
	if _, err := l.GC(context.Background(), keep, Meta{Run: "gc"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := l.Lookup(rec.Key.ID()); ok {
		t.Error("a collected outcome is found")
	}
	if _, err := l.Get(Sum(rec.Outputs[0].Bytes)); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "gc of entry") {
		t.Errorf("got %v, want ErrNotFound naming the gc", err)
	}
	closeTest(t, l)
	l = openTest(t, path, Options{})
	after, err := l.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if freed := before.DiskBytes - after.DiskBytes; freed < 7<<20 && after.DiskBytes > 1<<20 {
		t.Errorf("%d bytes on disk before, %d after", before.DiskBytes, after.DiskBytes)
	}
	if _, err := l.Record(rec); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := l.Lookup(rec.Key.ID()); !ok {
		t.Error("an outcome recorded again is not found")
	}
	closeTest(t, l)

	big, _, err := Compact(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := Compact(context.Background(), path, Options{}); err != nil || again > big {
		t.Errorf("compact: %d, then %d bytes, %v", big, again, err)
	}
	checkTest(t, path)
	l = openTest(t, path, Options{ReadOnly: true})
	for n := range 2 {
		if _, ok, err := l.Lookup(testKey(n + 1).ID()); !ok || err != nil {
			t.Errorf("outcome %d was lost in compacting: %v", n+1, err)
		}
	}
}
