package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestMemo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path, Options{})
	m := l.Memo("a")
	m.Put([]byte("k"), []byte("v"))
	if v, ok := m.Get([]byte("k")); !ok || string(v) != "v" {
		t.Errorf("before writing: %q %v", v, ok)
	}
	if _, ok := l.Memo("b").Get([]byte("k")); ok {
		t.Error("spaces are not apart")
	}
	closeTest(t, l)
	l = openTest(t, path, Options{})
	if v, ok := l.Memo("a").Get([]byte("k")); !ok || string(v) != "v" {
		t.Errorf("after opening again: %q %v", v, ok)
	}
	if err := l.DropMemos(); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Memo("a").Get([]byte("k")); ok {
		t.Error("a dropped memo is still there")
	}
}

func TestFileDigest(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, filepath.Join(dir, "ledger.db"), Options{})
	path := filepath.Join(dir, "input")
	ctx := context.Background()
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() (d Digest, hashed bool) {
		t.Helper()
		d, err := l.FileDigest(ctx, path, func(_, _ int64) { hashed = true })
		if err != nil {
			t.Fatal(err)
		}
		return d, hashed
	}
	write("one")
	if d, _ := digest(); d != Sum([]byte("one")) {
		t.Error("wrong digest")
	}
	if _, hashed := digest(); !hashed {
		t.Error("a file younger than the clock's grain was trusted")
	}
	start := time.Now()
	l.now = func() time.Time { return start.Add(time.Hour) }
	digest()
	if d, hashed := digest(); hashed || d != Sum([]byte("one")) {
		t.Error("a settled file was hashed again")
	}
	// Same size, modification time put back: only the change time tells.
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	write("two")
	if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	if d, _ := digest(); d != Sum([]byte("two")) {
		t.Error("changed content with an old time was taken for the old content")
	}
	// A symbolic link is the file it leads to.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if d, err := l.FileDigest(ctx, link, func(_, _ int64) { t.Error("hashed again under another name") }); err != nil || d != Sum([]byte("two")) {
		t.Error(d, err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	write("three")
	if _, err := l.FileDigest(stopped, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := l.FileDigest(ctx, dir, nil); err == nil {
		t.Error("a folder has a digest")
	}
	if _, err := l.FileDigest(ctx, path+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestNearest(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if _, _, ok, err := l.Nearest(testKey(1)); ok || err != nil {
		t.Fatal(ok, err)
	}
	a := NewKey("k", 1).Text("x", "1").Text("y", "1").Text("z", "1")
	b := NewKey("k", 1).Text("x", "1").Text("y", "2").Text("z", "1")
	other := NewKey("l", 1).Text("x", "1").Text("y", "2").Text("z", "3")
	for _, k := range []*Key{a, b, other} {
		if _, err := l.Record(Record{Key: k}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name      string
		key, want *Key
	}{
		{"closest", NewKey("k", 1).Text("x", "1").Text("y", "2").Text("z", "3"), b},
		{"latest of equals", NewKey("k", 1).Text("x", "1").Text("y", "3").Text("z", "1"), b},
		{"not itself", b, a},
		{"nothing shared", NewKey("k", 2).Text("q", "1"), b},
	} {
		near, e, ok, err := l.Nearest(c.key)
		if err != nil || !ok || near.ID() != c.want.ID() || e.Outcome.Action != c.want.ID() {
			t.Errorf("%s: got %v (%v, %v), want %v", c.name, near, ok, err, c.want)
		}
	}
	// Many at once are answered as one by one.
	var keys []*Key
	for i := range 1500 {
		keys = append(keys, NewKey("k", 1).Text("x", "1").Text("y", strconv.Itoa(i%4)).Text("z", strconv.Itoa(i%3)))
	}
	list, err := l.NearestAll(append(keys, NewKey("k", 2).Text("q", "1")))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if _, e, ok, err := l.Nearest(k); err != nil || !ok || e.Seq != list[i].Seq {
			t.Fatalf("%d: entry %d, and %d asked alone (%v, %v)", i, list[i].Seq, e.Seq, ok, err)
		}
	}
	if list, err := l.NearestAll([]*Key{testKey(1)}); err != nil || list[0] != nil {
		t.Errorf("of a kind that is not there: %v, %v", list, err)
	}
}
