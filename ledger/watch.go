package ledger

import (
	"context"
	"fmt"
	"os"
)

// A Watch is a set of files whose digests are part of keys. Work that reads these files by itself asks it before its outcome is
// recorded whether they are still what the keys say: a file that is edited meanwhile must not leave its numbers under the
// digest it had before.
type Watch struct {
	l     *Ledger
	files []watched
}

type watched struct {
	path   string
	stamp  Stamp
	sure   bool // a change since would show in the stamp
	digest Digest
}

// NewWatch returns a watch of no files. It is not safe for concurrent use.
func (l *Ledger) NewWatch() *Watch { return &Watch{l: l} }

// Digest is as FileDigest, and adds the file to the watch.
func (w *Watch) Digest(ctx context.Context, path string) (Digest, error) {
	// The stamp comes first: what changes after it, changes it.
	f, err := w.look(path)
	if err != nil {
		return Digest{}, err
	}
	if f.digest, err = w.l.FileDigest(ctx, path, nil); err != nil {
		return Digest{}, err
	}
	w.files = append(w.files, f)
	return f.digest, nil
}

func (w *Watch) look(path string) (watched, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return watched{}, err
	}
	s, sure, err := w.l.stamp(path, fi)
	return watched{path: path, stamp: s, sure: sure}, err
}

// Check says whether every file is what it was when it was digested, or at the last check. An ErrChanged names one that is not. An
// ErrTouched names one that is again: in between it may have been something else, so what was read since is to be read
// anew. Where the stamp cannot tell, the file is digested again.
func (w *Watch) Check(ctx context.Context) error {
	if w == nil {
		return nil
	}
	for i, was := range w.files {
		now, err := w.look(was.path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrChanged, err)
		}
		if was.sure && now.stamp == was.stamp {
			continue
		}
		if now.digest, err = w.l.FileDigest(ctx, was.path, nil); err != nil {
			return err
		}
		if now.digest != was.digest {
			return fmt.Errorf("%s: %w", was.path, ErrChanged)
		}
		if w.files[i] = now; now.stamp != was.stamp {
			return fmt.Errorf("%s: %w", was.path, ErrTouched)
		}
	}
	return nil
}
