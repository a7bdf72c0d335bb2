package ledger

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"go.etcd.io/bbolt"
)

// A Memo keeps what is cheap to compute again and not evidence of anything, such as the digests of files by their
// stat. It is not part of the log and may be dropped at any time.
type Memo struct {
	l     *Ledger
	space string
}

// Memo returns the memo of a name, which must not hold NUL.
func (l *Ledger) Memo(space string) *Memo { return &Memo{l, space} }

type pendingMemos map[string][]byte // by bucket key

// memos holds what was put but not yet written: a transaction of its own would cost an fsync each time.
type memos struct {
	mu      sync.Mutex
	pending pendingMemos
}

func (m *memos) take() pendingMemos {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pending
	m.pending = nil
	return p
}

// giveBack returns what a failed transaction took, under whatever was put since.
func (m *memos) giveBack(p pendingMemos) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range p {
		if _, newer := m.pending[k]; !newer {
			m.set(k, v)
		}
	}
}

func (m *memos) set(k string, v []byte) {
	if m.pending == nil {
		m.pending = pendingMemos{}
	}
	m.pending[k] = v
}

func (m *memos) get(k string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.pending[k]
	return v, ok
}

func (p pendingMemos) write(tx *bbolt.Tx) error {
	if len(p) == 0 {
		return nil
	}
	b := tx.Bucket(bMemo)
	for k, v := range p {
		if err := b.Put([]byte(k), sealMemo([]byte(k), v)); err != nil {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealMemo is the stored form: the value, then the CRC-32C of key and value. Memos are not hashed by anything else.
func sealMemo(k, v []byte) []byte {
	sum := crc32.Update(crc32.Checksum(k, castagnoli), castagnoli, v)
	return binary.BigEndian.AppendUint32(bytes.Clone(v), sum)
}

func openMemo(k, sealed []byte) ([]byte, bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	v := sealed[:len(sealed)-4]
	return v, bytes.Equal(sealMemo(k, v), sealed)
}

func (m *Memo) key(k []byte) string { return m.space + "\x00" + string(k) }

// Get returns what was last put under a key. Damaged values are absent.
func (m *Memo) Get(key []byte) ([]byte, bool) {
	v := m.GetAll([][]byte{key})[0]
	return v, v != nil
}

// GetAll returns the values of many keys in one read transaction, nil where there is none.
func (m *Memo) GetAll(keys [][]byte) [][]byte {
	out := make([][]byte, len(keys))
	missing := false
	for i, k := range keys {
		if v, ok := m.l.memos.get(m.key(k)); ok {
			out[i] = append([]byte{}, v...)
		} else {
			missing = true
		}
	}
	if !missing {
		return out
	}
	// An error here is a memo that cannot be read: the same as none.
	_ = m.l.view("memo", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bMemo)
		for i, k := range keys {
			if out[i] != nil {
				continue
			}
			k := []byte(m.key(k))
			if v, ok := openMemo(k, b.Get(k)); ok {
				out[i] = append([]byte{}, v...)
			}
		}
		return nil
	})
	return out
}

// Put remembers a value. It is seen at once, and written with the next transaction, by FlushMemos or by Close;
// a ledger open for reading only forgets it.
func (m *Memo) Put(key, value []byte) {
	m.l.memos.mu.Lock()
	defer m.l.memos.mu.Unlock()
	m.l.memos.set(m.key(key), bytes.Clone(value))
}

// FlushMemos writes what Put only remembered.
func (l *Ledger) FlushMemos() error {
	l.memos.mu.Lock()
	n := len(l.memos.pending)
	l.memos.mu.Unlock()
	if n == 0 || l.readOnly {
		return nil
	}
	return l.update("memo", func(*writer) error { return nil })
}

// DropMemos forgets all memos. What they held is computed again when needed.
func (l *Ledger) DropMemos() error {
	l.memos.take()
	return l.update("drop memos", func(w *writer) error {
		if err := w.tx.DeleteBucket(bMemo); err != nil {
			return err
		}
		_, err := w.tx.CreateBucket(bMemo)
		return err
	})
}
