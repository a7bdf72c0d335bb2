package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// compactTx is how many bytes one transaction of a copy takes.
const compactTx = 64 << 20

// Compact writes a ledger anew without the room that collections left in it, and returns its length before and
// after. GC already gives the space back; but the list of free pages is part of every transaction, and after a large
// collection a long one. A copy is made beside the ledger and takes its place once it is whole and on disk.
func Compact(ctx context.Context, path string, opt Options) (before, after int64, err error) {
	if opt.ReadOnly {
		return 0, 0, fmt.Errorf("ledger %s: compact: %w", path, ErrReadOnly)
	}
	l, err := Open(path, opt)
	if err != nil {
		return 0, 0, err
	}
	before, after, err = l.compact(ctx)
	if err = errors.Join(err, l.Close()); err != nil {
		return 0, 0, fmt.Errorf("ledger %s: compact: %w", path, err)
	}
	return before, after, nil
}

func (l *Ledger) compact(ctx context.Context) (before, after int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	st, err := os.Stat(l.path)
	if err != nil {
		return 0, 0, err
	}
	temp := l.path + ".compact"
	defer os.Remove(temp)
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err // left by a crash, and in the way
	}
	err = guard("compact", func() error {
		dst, err := bbolt.Open(temp, st.Mode().Perm(), &bbolt.Options{FreelistType: bbolt.FreelistMapType, PageSize: l.db.Info().PageSize, NoSync: true})
		if err != nil {
			return err
		}
		return errors.Join(bbolt.Compact(dst, l.db, compactTx), dst.Sync(), dst.Close())
	})
	if err != nil {
		return 0, 0, err
	}
	// As after any orderly end.
	c := &Ledger{path: temp, dirty: true}
	if err := c.openDB(Options{}, 0); err != nil {
		return 0, 0, err
	}
	if err := errors.Join(c.tidy(), c.db.Close()); err != nil {
		return 0, 0, err
	}
	r, err := checkCopy(ctx, temp)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the copy is not sound, nothing was replaced: %w", err)
	}
	if err := os.Rename(temp, l.path); err != nil {
		return 0, 0, err
	}
	if err := syncDir(filepath.Dir(l.path)); err != nil {
		return 0, 0, err
	}
	l.dirty = false // what is open is no longer the ledger
	now, err := os.Stat(l.path)
	if err != nil {
		return 0, 0, err
	}
	return st.Size(), now.Size(), nil
}

func checkCopy(ctx context.Context, path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return checkOpen(ctx, f, path+".holder")
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
