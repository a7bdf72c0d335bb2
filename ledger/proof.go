package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint is a signed statement of what the log was at some size.
type Checkpoint struct {
	Origin string // name of the ledger
	Tree   tlog.Tree
	Signer string // public key, in the text form of golang.org/x/mod/sumdb/note
	Note   []byte // the signed text
}

// OpenCheckpoint verifies a signed checkpoint against a public key.
func OpenCheckpoint(signed []byte, key string) (*Checkpoint, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: public key: %w", err)
	}
	origin, tree, _, err := openNote(signed, v)
	if err != nil {
		return nil, err
	}
	return &Checkpoint{origin, tree, key, bytes.Clone(signed)}, nil
}

// openNote verifies a checkpoint's one signature, by one of the known keys, and reads its text. Nothing in the
// bytes is left open: base64 could hide bits behind its last character.
func openNote(signed []byte, known ...note.Verifier) (origin string, tree tlog.Tree, by note.Signature, err error) {
	n, err := note.Open(signed, note.VerifierList(known...))
	if err == nil && (len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0) {
		err = fmt.Errorf("%d known and %d unknown signatures in place of one", len(n.Sigs), len(n.UnverifiedSigs))
	}
	if err == nil {
		_, err = base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	}
	if err != nil {
		return "", tree, by, fmt.Errorf("checkpoint: %w", err)
	}
	origin, tree, err = parseCheckpoint(n.Text)
	return origin, tree, n.Sigs[0], err
}

// Checkpoint returns the ledger's latest checkpoint, verified.
func (l *Ledger) Checkpoint() (*Checkpoint, error) {
	var c *Checkpoint
	err := l.view("checkpoint", func(tx *bbolt.Tx) (err error) {
		c, err = l.checkpointIn(tx)
		return err
	})
	return c, err
}

func (l *Ledger) checkpointIn(tx *bbolt.Tx) (*Checkpoint, error) {
	signers, err := l.signersIn(tx)
	if err != nil {
		return nil, err
	}
	err = errors.New("no signer is recorded")
	for i := len(signers) - 1; i >= 0; i-- {
		var c *Checkpoint
		if c, err = OpenCheckpoint(tx.Bucket(bMeta).Get(kCheckpoint), signers[i].Key); err == nil {
			return c, nil
		}
	}
	return nil, corrupt("checkpoint", "%v", err)
}

// A Proof shows that a record is in a log.
type Proof struct {
	Seq    uint64
	Record []byte // as stored
	Hashes tlog.RecordProof
}

// Verify checks the proof against a checkpoint and returns the entry.
func (p *Proof) Verify(c *Checkpoint) (*Entry, error) {
	if p.Seq >= uint64(c.Tree.N) {
		return nil, fmt.Errorf("record %d: the checkpoint covers %d", p.Seq, c.Tree.N)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Tree.N, c.Tree.Hash, int64(p.Seq), tlog.RecordHash(p.Record)); err != nil {
		return nil, fmt.Errorf("record %d is not in the log of %s: %w", p.Seq, c.Origin, err)
	}
	return decodeEntry(p.Seq, p.Record)
}

// ProveEntry returns an entry's proof against the latest checkpoint: some 30 bytes for each doubling of the log.
func (l *Ledger) ProveEntry(seq uint64) (*Proof, *Checkpoint, error) {
	var (
		p *Proof
		c *Checkpoint
	)
	err := l.view("prove entry", func(tx *bbolt.Tx) (err error) {
		if c, err = l.checkpointIn(tx); err != nil {
			return err
		}
		p, err = proveIn(tx, seq, c.Tree.N)
		return err
	})
	return p, c, err
}

func proveIn(tx *bbolt.Tx, seq uint64, size int64) (*Proof, error) {
	raw := tx.Bucket(bEntries).Get(uint64Key(seq))
	if raw == nil || seq >= uint64(size) {
		return nil, fmt.Errorf("entry %d: %w", seq, ErrNotFound)
	}
	hashes, err := tlog.ProveRecord(size, int64(seq), hashReader(tx.Bucket(bHashes)))
	if err != nil {
		return nil, err
	}
	return &Proof{seq, bytes.Clone(raw), hashes}, nil
}

// ProvePrefix proves that the log of the latest checkpoint begins with the log as it was at an earlier size: that
// nothing recorded then was changed or taken out since. Check it with VerifyPrefix.
func (l *Ledger) ProvePrefix(size int64) (tlog.TreeProof, *Checkpoint, error) {
	var (
		p tlog.TreeProof
		c *Checkpoint
	)
	err := l.view("prove prefix", func(tx *bbolt.Tx) (err error) {
		if c, err = l.checkpointIn(tx); err != nil {
			return err
		}
		if size < 1 || size > c.Tree.N {
			return fmt.Errorf("a log of %d entries has no prefix of %d", c.Tree.N, size)
		}
		p, err = tlog.ProveTree(c.Tree.N, size, hashReader(tx.Bucket(bHashes)))
		return err
	})
	return p, c, err
}

// VerifyPrefix checks that the log of a newer checkpoint begins with that of an older one.
func VerifyPrefix(p tlog.TreeProof, older, newer *Checkpoint) error {
	if older.Origin != newer.Origin {
		return fmt.Errorf("checkpoints of %s and %s: different ledgers", older.Origin, newer.Origin)
	}
	if err := tlog.CheckTree(p, newer.Tree.N, newer.Tree.Hash, older.Tree.N, older.Tree.Hash); err != nil {
		return fmt.Errorf("the log of %d entries does not begin with that of %d: %w", newer.Tree.N, older.Tree.N, err)
	}
	return nil
}
