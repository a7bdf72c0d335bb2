package ledger

import (
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// A Stat is a ledger in numbers.
type Stat struct {
	Origin    string // name
	Entries   uint64
	Actions   uint64 // known, those included whose outputs were collected
	Blobs     uint64
	Bytes     int64 // of blobs
	Collected uint64
	Memos     uint64
	FileBytes int64 // as the file system counts its length
	DiskBytes int64 // what it takes there
	Tree      tlog.Tree
}

// Stat counts. It reads the indexes, no blobs.
func (l *Ledger) Stat() (*Stat, error) {
	s := &Stat{Origin: l.origin}
	err := l.view("stat", func(tx *bbolt.Tx) error {
		s.Entries = after(tx.Bucket(bEntries))
		if s.Entries > maxEntries {
			return corrupt("bucket entries", "the last is numbered %d", s.Entries-1)
		}
		count := func(name []byte, each func(v []byte) error) (n uint64, err error) {
			err = tx.Bucket(name).ForEach(func(_, v []byte) error {
				n++
				return each(v)
			})
			return n, err
		}
		nothing := func([]byte) error { return nil }
		var err error
		if s.Blobs, err = count(bBlobs, func(v []byte) error {
			ref, err := decodeBlobRef(v)
			s.Bytes += ref.size
			return err
		}); err != nil {
			return err
		}
		if s.Actions, err = count(bActions, nothing); err != nil {
			return err
		}
		if s.Collected, err = count(bTombs, nothing); err != nil {
			return err
		}
		if s.Memos, err = count(bMemo, nothing); err != nil {
			return err
		}
		s.Tree.N = int64(s.Entries)
		s.Tree.Hash, err = tlog.TreeHash(s.Tree.N, hashReader(tx.Bucket(bHashes)))
		return err
	})
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(l.path)
	if err != nil {
		return nil, err
	}
	s.FileBytes = fi.Size()
	s.DiskBytes = diskBytes(fi)
	return s, nil
}
