package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Digest is the SHA-256 of a blob's bytes, unsalted: equal bytes are stored once, and a weight file's digest is
// the id under which a hub stores it.
type Digest [sha256.Size]byte

// An ActionID names work, not bytes: the SHA-256 of a key's encoding.
type ActionID [sha256.Size]byte

const (
	digestPrefix = "sha256:"
	actionPrefix = "action:"
)

// Sum is the digest of a blob.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// String is "sha256:" and 64 hexadecimal digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// Short is enough of the digest for logs and captions.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// IsZero says whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads what String prints.
func ParseDigest(s string) (Digest, error) {
	b, err := parseHash(s, digestPrefix)
	return Digest(b), err
}

// MarshalText prints the digest as String does, which is also its JSON form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDigest(string(b))
	return err
}

// String is "action:" and 64 hexadecimal digits.
func (a ActionID) String() string { return actionPrefix + hex.EncodeToString(a[:]) }

// Short is enough of the id for logs.
func (a ActionID) Short() string { return hex.EncodeToString(a[:6]) }

// ParseActionID reads what String prints.
func ParseActionID(s string) (ActionID, error) {
	b, err := parseHash(s, actionPrefix)
	return ActionID(b), err
}

// MarshalText prints the id as String does, which is also its JSON form.
func (a ActionID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *ActionID) UnmarshalText(b []byte) (err error) {
	*a, err = ParseActionID(string(b))
	return err
}

func parseHash(s, prefix string) (h [sha256.Size]byte, err error) {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok || len(text) != 2*len(h) || strings.ToLower(text) != text {
		return h, fmt.Errorf("%.80q is not %s and 64 lower-case hexadecimal digits", s, prefix)
	}
	if _, err := hex.Decode(h[:], []byte(text)); err != nil {
		return h, fmt.Errorf("%.80q: %w", s, err)
	}
	return h, nil
}
