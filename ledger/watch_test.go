package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   error // nil: no complaint
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"other bytes", func(p string) error { return os.WriteFile(p, []byte("two"), 0o666) }, ErrChanged},
		{"other bytes, time put back", func(p string) error {
			fi, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p, []byte("two"), 0o666), os.Chtimes(p, fi.ModTime(), fi.ModTime()))
		}, ErrChanged},
		{"gone", os.Remove, ErrChanged},
		{"replaced by its equal", func(p string) error {
			return errors.Join(os.WriteFile(p+"~", []byte("one"), 0o666), os.Rename(p+"~", p))
		}, ErrTouched},
		{"touched", func(p string) error { return os.Chtimes(p, time.Now(), time.Now()) }, ErrTouched},
	} {
		for _, settled := range []bool{true, false} {
			name := c.name
			if !settled {
				name += ", young"
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				l := openTest(t, filepath.Join(dir, "ledger.db"), Options{})
				if settled {
					start := time.Now()
					l.now = func() time.Time { return start.Add(time.Hour) }
				}
				path := filepath.Join(dir, "input")
				if err := os.WriteFile(path, []byte("one"), 0o666); err != nil {
					t.Fatal(err)
				}
				w := l.NewWatch()
				ctx := context.Background()
				if d, err := w.Digest(ctx, path); err != nil || d != Sum([]byte("one")) {
					t.Fatal(d, err)
				}
				if err := w.Check(ctx); err != nil {
					t.Fatalf("before anything changed: %v", err)
				}
				time.Sleep(20 * time.Millisecond) // a tick of the file system's clock
				if err := c.change(path); err != nil {
					t.Fatal(err)
				}
				if err := w.Check(ctx); c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if err := w.Check(ctx); c.want != ErrChanged && err != nil {
					t.Errorf("said twice: %v", err)
				}
			})
		}
	}
	if err := (*Watch)(nil).Check(context.Background()); err != nil {
		t.Error(err)
	}
}
