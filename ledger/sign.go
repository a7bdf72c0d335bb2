package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// newName makes a name nobody else has made.
func newName(prefix string) string {
	var b [8]byte
	rand.Read(b[:])
	return prefix + "/" + hex.EncodeToString(b[:])
}

// loadSigner reads the private key at path, or makes one there, readable by its owner only.
func loadSigner(path string) (note.Signer, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		skey, _, err := note.GenerateKey(rand.Reader, newName("swaprun.key"))
		if err != nil {
			return nil, err
		}
		if err := writeKey(path, skey+"\n"); err != nil {
			return nil, err
		}
		return note.NewSigner(skey)
	}
	if err != nil {
		return nil, err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s: not a private key; move it away and a new one is made: %w", path, err)
	}
	return s, nil
}

// writeKey writes a new file that appears whole or not at all.
func writeKey(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// verifierKey is the public half of the signing key at path, in note's text form.
func verifierKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	// PRIVATE+KEY+<name>+<hash>+<base64 of an algorithm byte and the seed>; a name has no plus, base64 may.
	parts := strings.SplitN(strings.TrimSpace(string(b)), "+", 5)
	if len(parts) != 5 {
		return "", fmt.Errorf("%s: not a private key", path)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", fmt.Errorf("%s: not an Ed25519 key", path)
	}
	pub := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], pub)
}
