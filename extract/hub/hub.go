// Package hub finds and fetches repositories of the Hugging Face hub in the hub's own cache layout, so that
// what other tools downloaded is found, and what we download serves them too:
//
//	<cache>/models--<owner>--<name>/
//		refs/main                  the commit the name stands for
//		blobs/<oid>                contents: SHA-256 of large files, git's object id of small ones
//		snapshots/<commit>/<path>  links to blobs
package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A Kind is what a repository holds. Its zero value is invalid.
type Kind int

const (
	Model Kind = iota + 1
	Dataset
)

func (k Kind) plural() string {
	switch k {
	case Model:
		return "models"
	case Dataset:
		return "datasets"
	}
	panic(fmt.Sprintf("hub: invalid kind %d", k))
}

// A Repo names a repository at a revision.
type Repo struct {
	Kind     Kind
	ID       string // owner/name
	Revision string // branch, tag or commit; "" is main
}

// part is a component of a repository's name: no leading dot, so it is never a path.
const part = `[A-Za-z0-9][A-Za-z0-9._-]*`

// Lengths are checked apart: counted repetitions make an expression that takes a millisecond to compile, at every start.
const (
	maxPart     = 96
	maxRevision = 128
)

var reference = regexp.MustCompile(`^(` + part + `)/(` + part + `)(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?$`)

// ParseRepo reads owner/name[@revision]; ok is false where ref has another form.
func ParseRepo(kind Kind, ref string) (r Repo, ok bool) {
	m := reference.FindStringSubmatch(ref)
	if m == nil || len(m[1]) > maxPart || len(m[2]) > maxPart || len(m[3]) > maxRevision || strings.Contains(m[3], "..") {
		return Repo{}, false
	}
	return Repo{Kind: kind, ID: m[1] + "/" + m[2], Revision: m[3]}, true
}

func (r Repo) String() string {
	if r.Revision == "" {
		return r.ID
	}
	return r.ID + "@" + r.Revision
}

func (r Repo) revision() string {
	if r.Revision == "" {
		return "main"
	}
	return r.Revision
}

// folder is the repository's directory below the cache.
func (r Repo) folder() string {
	return r.Kind.plural() + "--" + strings.ReplaceAll(r.ID, "/", "--")
}

// A MissingError says that a repository is not in the cache.
type MissingError struct {
	Repo  Repo
	Cache string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not in the cache (%s)", e.Repo, e.Cache)
}

// Cache is the hub's cache directory, found as the hub's own client finds it.
func Cache() (string, error) {
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := os.Getenv(name); dir != "" {
			return dir, nil
		}
	}
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return filepath.Join(dir, "hub"), nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "huggingface", "hub"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("hub cache: %w; set HF_HOME", err)
	}
	return filepath.Join(home, ".cache", "huggingface", "hub"), nil
}

// Locate is the snapshot directory of a repository in the cache, or a *MissingError.
// A directory of the same name below HF_HUB_DIR, where the released code keeps its snapshots, comes first.
func Locate(r Repo) (string, error) {
	if dir := os.Getenv("HF_HUB_DIR"); dir != "" {
		if snapshot, ok := r.snapshot(dir); ok {
			return snapshot, nil
		}
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	if snapshot, ok := r.snapshot(cache); ok {
		return snapshot, nil
	}
	return "", &MissingError{Repo: r, Cache: cache}
}

func (r Repo) snapshot(cache string) (string, bool) {
	folder := filepath.Join(cache, r.folder())
	commit := r.revision()
	if b, err := os.ReadFile(filepath.Join(folder, "refs", filepath.FromSlash(commit))); err == nil {
		commit = strings.TrimSpace(string(b))
	}
	if !filepath.IsLocal(commit) {
		return "", false
	}
	snapshot := filepath.Join(folder, "snapshots", commit)
	info, err := os.Stat(snapshot)
	return snapshot, err == nil && info.IsDir()
}
