package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/bbolt"
)

// A fingerprint stands for one field (role, type and value) or, first in a list, for a key's version. The first 8
// bytes of a SHA-256 are enough: a collision would make an explanation less apt, nothing else.
type fingerprint uint64

const fingerprintSize = 8

// fingerprints is what the kinds bucket keeps of a key: its version and fields, sorted by role.
func fingerprints(k *Key) []byte {
	fields := k.sorted()
	b := make([]byte, 0, fingerprintSize*(len(fields)+1))
	add := func(enc []byte) {
		h := sha256.Sum256(enc)
		b = append(b, h[:fingerprintSize]...)
	}
	add(binary.AppendUvarint(nil, uint64(k.Version)))
	for _, f := range fields {
		add(f.Value.append(appendBytes(nil, f.Role)))
	}
	return b
}

func parseFingerprints(b []byte) []fingerprint {
	list := make([]fingerprint, 0, len(b)/fingerprintSize)
	for ; len(b) >= fingerprintSize; b = b[fingerprintSize:] {
		list = append(list, fingerprint(binary.BigEndian.Uint64(b)))
	}
	return list
}

// kindKey orders keys by kind, then by when they were first seen.
func kindKey(kind string, seq uint64) []byte {
	return appendUint64(append([]byte(kind), 0), seq)
}

// A kindIndex answers for one kind which earlier keys share most with another.
type kindIndex struct {
	seqs []uint64
	rows [][]fingerprint
	by   map[fingerprint][]int32 // rows that have a fingerprint, ascending
}

type nearestCache struct {
	mu    sync.Mutex
	kinds map[string]*kindIndex
	size  uint64 // entries when it was built
}

// maxCandidates bounds the rows compared for one question. They are taken from the key's rarest fields first, so
// what is left out shares only what nearly all keys share.
const maxCandidates = 256

// Nearest returns the earlier key of the same kind that has most fields in common with k, the latest of equals, and
// the outcome that recorded it first. A key equal to k does not count. With none, ok is false.
func (l *Ledger) Nearest(k *Key) (near *Key, at *Entry, ok bool, err error) {
	list, err := l.NearestAll([]*Key{k})
	if err != nil || list[0] == nil {
		return nil, nil, false, err
	}
	return list[0].Outcome.Key, list[0], true, nil
}

// NearestAll is as Nearest, for many keys of one kind: the outcomes that recorded the keys nearest to them, nil where there
// is none.
func (l *Ledger) NearestAll(keys []*Key) ([]*Entry, error) {
	list := make([]*Entry, len(keys))
	if len(keys) == 0 {
		return list, nil
	}
	kind := keys[0].Kind
	idx, err := l.kindIndex(kind)
	if err != nil {
		return nil, err
	}
	best := make([]int, len(keys))
	share := shareOf(len(keys))
	var wait sync.WaitGroup
	for from := 0; from < len(keys); from += share {
		wait.Go(func() {
			for i := from; i < min(from+share, len(keys)); i++ {
				if keys[i].Kind != kind {
					panic(fmt.Sprintf("ledger: keys of kinds %q and %q", kind, keys[i].Kind))
				}
				best[i] = idx.nearest(parseFingerprints(fingerprints(keys[i])))
			}
		})
	}
	wait.Wait()
	var seqs []uint64
	for _, row := range best {
		if row >= 0 {
			seqs = append(seqs, idx.seqs[row])
		}
	}
	found, err := l.EntriesAt(seqs)
	if err != nil {
		return nil, err
	}
	for i, row := range best {
		if row < 0 {
			continue
		}
		if list[i], found = found[0], found[1:]; list[i].Outcome == nil {
			return nil, corrupt("index of kind "+kind, "entry %d is no outcome", list[i].Seq)
		}
	}
	return list, nil
}

// nearest is the row that shares most with what is wanted, the last of equals, or -1. Rows are taken from the rarest
// fields first. One that has none of the fields seen so far shares at most the fields to come, so the search ends as soon
// as a better one is known, which is at once where a key differs in a field or two from earlier ones.
func (x *kindIndex) nearest(want []fingerprint) int {
	lists := make([][]int32, 0, len(want))
	for _, f := range want {
		if rows := x.by[f]; len(rows) > 0 {
			lists = append(lists, rows)
		}
	}
	slices.SortFunc(lists, func(a, b []int32) int { return len(a) - len(b) })
	best, score, looked := -1, -1, 0
	for n, rows := range lists {
		for i := len(rows) - 1; i >= 0 && looked < maxCandidates; i-- {
			r := int(rows[i])
			looked++
			s := shared(want, x.rows[r])
			if s == len(want) && len(want) == len(x.rows[r]) {
				continue // the same key
			}
			if s > score || s == score && r > best {
				best, score = r, s
			}
		}
		if score > len(lists)-n-1 {
			break
		}
	}
	if last := len(x.rows) - 1; best < 0 && len(lists) == 0 {
		return last
	}
	return best
}

// shared counts what two lists, each without repetition, have in common.
func shared(a, b []fingerprint) int {
	n := 0
	for _, x := range a {
		if slices.Contains(b, x) {
			n++
		}
	}
	return n
}

// kindIndex reads a kind's rows, once as long as nothing is added.
func (l *Ledger) kindIndex(kind string) (*kindIndex, error) {
	l.nearest.mu.Lock()
	defer l.nearest.mu.Unlock()
	var idx *kindIndex
	err := l.view("nearest", func(tx *bbolt.Tx) error {
		if n := after(tx.Bucket(bEntries)); n != l.nearest.size || l.nearest.kinds == nil {
			l.nearest.kinds, l.nearest.size = map[string]*kindIndex{}, n
		}
		if idx = l.nearest.kinds[kind]; idx != nil {
			return nil
		}
		idx = &kindIndex{by: map[fingerprint][]int32{}}
		prefix := append([]byte(kind), 0)
		c := tx.Bucket(bKinds).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if len(k) != len(prefix)+8 {
				return corrupt("index of kind "+kind, "key of %d bytes", len(k))
			}
			row := parseFingerprints(v)
			for _, f := range row {
				idx.by[f] = append(idx.by[f], int32(len(idx.rows)))
			}
			idx.seqs = append(idx.seqs, decodeSeq(k[len(prefix):]))
			idx.rows = append(idx.rows, row)
		}
		l.nearest.kinds[kind] = idx
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("nearest key: %w", err)
	}
	return idx, nil
}
