package ledger

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func decodeSeq(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// hashReader reads the stored hashes of the log.
func hashReader(b *bbolt.Bucket) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			h := b.Get(uint64Key(uint64(x)))
			if len(h) != tlog.HashSize {
				return nil, corrupt(fmt.Sprintf("log hash %d", x), "%d bytes in place of %d", len(h), tlog.HashSize)
			}
			copy(list[i][:], h)
		}
		return list, nil
	})
}

// appendHashes stores what the log gains with the entry of a seq.
func (w *writer) appendHashes(seq uint64, raw []byte) error {
	hashes, err := tlog.StoredHashes(int64(seq), raw, hashReader(w.hashes))
	if err != nil {
		return err
	}
	at := uint64(tlog.StoredHashIndex(0, int64(seq)))
	for i, h := range hashes {
		if err := w.hashes.Put(uint64Key(at+uint64(i)), h[:]); err != nil {
			return err
		}
	}
	return nil
}

// sign replaces the checkpoint by one of the log's present size.
func (w *writer) sign() error {
	root, err := tlog.TreeHash(int64(w.next), hashReader(w.hashes))
	if err != nil {
		return err
	}
	text := formatCheckpoint(w.l.origin, tlog.Tree{N: int64(w.next), Hash: root})
	signed, err := note.Sign(&note.Note{Text: text}, w.l.signer)
	if err != nil {
		return fmt.Errorf("sign checkpoint: %w", err)
	}
	return w.meta.Put(kCheckpoint, signed)
}

// A checkpoint's text is three lines: the ledger's name, the number of entries, the root hash in base64.
func formatCheckpoint(origin string, t tlog.Tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, t.N, t.Hash)
}

func parseCheckpoint(text string) (origin string, t tlog.Tree, err error) {
	bad := errors.New("checkpoint is not three lines: name, size, root hash")
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" {
		return "", t, bad
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != lines[1] {
		return "", t, bad
	}
	h, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(h) != tlog.HashSize {
		return "", t, bad
	}
	t.N = n
	copy(t.Hash[:], h)
	return lines[0], t, nil
}

// appendSigner records the public half of this process's signing key.
func (w *writer) appendSigner() error {
	vkey, err := verifierKey(w.l.keyFile)
	if err != nil {
		return err
	}
	seq, err := w.append(&Entry{Type: SignerEntry, Signer: &Signer{w.l.origin, vkey}})
	if err != nil {
		return err
	}
	return w.meta.Put(kSigners, appendUint64(bytes.Clone(w.meta.Get(kSigners)), seq))
}

// admitSigner records this process's signing key if the ledger has not seen it: the key file was replaced, or the
// ledger came from elsewhere without it.
func (l *Ledger) admitSigner() error {
	vkey, err := verifierKey(l.keyFile)
	if err != nil {
		return err
	}
	known := false
	err = l.view("signers", func(tx *bbolt.Tx) error {
		list, err := l.signersIn(tx)
		for _, s := range list {
			known = known || s.Key == vkey
		}
		return err
	})
	if err != nil || known {
		return err
	}
	return l.update("new signer", (*writer).appendSigner)
}

// signerIn reads an entry that must be a signer.
func (l *Ledger) signerIn(tx *bbolt.Tx, seq uint64) (*Signer, error) {
	e, err := entryIn(tx, seq)
	if err != nil {
		return &Signer{}, err
	}
	if e.Signer == nil {
		return &Signer{}, corrupt(fmt.Sprintf("entry %d", seq), "a %s where a signer belongs", e.Type)
	}
	return e.Signer, nil
}

// kSigners lists in meta the seqs of all signer entries, 8 bytes each, so that opening need not search for them.
var kSigners = []byte("signers")

func (l *Ledger) signersIn(tx *bbolt.Tx) ([]*Signer, error) {
	raw := tx.Bucket(bMeta).Get(kSigners)
	var list []*Signer
	for ; len(raw) >= 8; raw = raw[8:] {
		s, err := l.signerIn(tx, binary.BigEndian.Uint64(raw))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}
