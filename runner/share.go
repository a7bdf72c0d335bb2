package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"swaprun/ledger"
)

// Names in a shared archive.
const (
	sliceName        = "ledger.slice"
	experimentFolder = "experiment/"
	resultsFolder    = "results/"
)

// ShareOptions say what goes into an archive.
type ShareOptions struct {
	File    string // the archive to write
	Vectors bool   // hidden states and the files made of them: without, an importer has numbers but would have to capture anew
	License string // URL, for the crate; "" is not stated
}

// A ShareSummary says what an archive holds.
type ShareSummary struct {
	Experiment string   `json:"experiment"`
	File       string   `json:"file"`
	Bytes      int64    `json:"bytes"`
	SHA256     string   `json:"sha256"`
	Files      int      `json:"files"`
	Outcomes   uint64   `json:"outcomes"`
	Blobs      uint64   `json:"blobs"`
	Origin     string   `json:"origin"` // the ledger's name
	Signer     string   `json:"signer"` // the public key that signed the log's checkpoint
	Notes      []string `json:"notes"`
}

// Share writes one archive of an experiment that has been run: the experiment, report and results, the slice of the ledger that proves
// them, and metadata as a Provenance Run Crate. The same ledger gives the same archive.
func Share(ctx context.Context, exp *Experiment, opts Options, share ShareOptions) (*ShareSummary, error) {
	s, err := open(ctx, exp, opts, false)
	if err != nil {
		return nil, err
	}
	sum, err := s.share(ctx, share)
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	return sum, nil
}

func (s *session) share(ctx context.Context, opts ShareOptions) (sum *ShareSummary, err error) {
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	for _, n := range s.nodes {
		if n.State != Hit {
			return nil, fmt.Errorf("%s is not in the ledger (%s): run the experiment, then share it", n.ID, strings.Join(n.Why, "; "))
		}
	}
	sum = &ShareSummary{Experiment: s.exp.Name, File: opts.File, Notes: []string{}}
	b := &archive{s: s, opts: opts, sum: sum, seen: map[string]bool{}, members: map[ledger.Digest]bool{}, vectors: map[ledger.Digest]bool{}}
	if err := b.gather(); err != nil {
		return nil, err
	}
	// The slice first, beside the archive: the metadata, which comes before it, has its digest.
	dir := filepath.Dir(opts.File)
	slice, err := os.CreateTemp(dir, ".share-*.slice")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, slice.Close(), os.Remove(slice.Name())) }()
	hash := sha256.New()
	exported, err := s.led.Export(ctx, io.MultiWriter(slice, hash), ledger.Selection{Actions: b.ids, Skip: b.skip, Beside: b.beside})
	if err != nil {
		return nil, err
	}
	size, err := slice.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	b.files = append(b.files, crateFile{sliceName, ledger.Digest(hash.Sum(nil)), size})
	sum.Outcomes, sum.Blobs, sum.Origin, sum.Signer = exported.Outcomes, exported.Blobs, exported.Checkpoint.Origin, exported.Checkpoint.Signer
	return sum, b.write(ctx, slice)
}

// An archive gathers what is shared.
type archive struct {
	s          *session
	opts       ShareOptions
	sum        *ShareSummary
	ids        []ledger.ActionID
	actions    []crateAction
	files      []crateFile
	seen       map[string]bool
	members    map[ledger.Digest]bool // contents of the results, which the slice need not hold as well
	vectors    map[ledger.Digest]bool // contents of files that are left out with the hidden states
	experiment string
	report     string
}

// gather lists outcomes and files.
func (b *archive) gather() error {
	s := b.s
	b.experiment = experimentFolder + filepath.Base(s.exp.File)
	b.files = append(b.files, crateFile{b.experiment, ledger.Sum(s.exp.Source), int64(len(s.exp.Source))})
	known := map[ledger.ActionID]bool{}
	for _, n := range s.nodes {
		id := n.Key.ID()
		if !known[id] {
			known[id] = true
			b.ids = append(b.ids, id)
		}
		r, ok, err := s.led.Lookup(id)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s: %w", n.ID, ledger.ErrNotFound)
		}
		e, err := s.led.Entry(r.Seq)
		if err != nil {
			return err
		}
		a := crateAction{node: n, entry: e}
		if n.outcome.failed {
			if a.failure, err = s.failure(n); err != nil {
				return err
			}
		}
		switch n.Kind {
		case KindFile, KindFigure:
			a.files = b.results(n, n.artefact.Paths)
		case KindReport:
			a.files = b.results(n, []string{s.exp.Name + "/index.html"})
			if len(a.files) > 0 {
				b.report = a.files[0].name
			}
		}
		b.actions = append(b.actions, a)
	}
	return nil
}

// results are the files of one node that the archive takes.
func (b *archive) results(n *Node, paths []string) []crateFile {
	want, ok := b.s.contentDigest(n)
	if !ok {
		return nil // nothing to show, so no file
	}
	size := int64(-1)
	for _, o := range n.outcome.outputs {
		if o.Name == "file" {
			size = o.Size
		}
	}
	var files []crateFile
	for _, p := range paths {
		if !b.opts.Vectors && path.Ext(p) == ".npz" {
			b.vectors[want] = true
			continue
		}
		if size < 0 { // the ledger has the digest only
			local := filepath.Join(b.s.opts.Out, filepath.FromSlash(p))
			got, err := b.s.led.FileDigest(context.Background(), local, nil)
			if err != nil || got != want {
				b.sum.Notes = append(b.sum.Notes, p+" is not in "+b.s.opts.Out+" as it was written, and is left out; a run writes it again")
				continue
			}
			info, err := os.Stat(local)
			if err != nil {
				continue
			}
			files = append(files, crateFile{resultsFolder + p, want, info.Size()})
			continue
		}
		files = append(files, crateFile{resultsFolder + p, want, size})
	}
	for _, f := range files {
		if !b.seen[f.name] {
			b.seen[f.name] = true
			b.members[f.digest] = true
			b.files = append(b.files, f)
		}
	}
	return files
}

// skip leaves states out, if they are not wanted, and files made of them.
func (b *archive) skip(o *ledger.Outcome, out ledger.Output) bool {
	return b.vectors[out.Digest] || !b.opts.Vectors && o.Key.Kind == string(KindCapture) && out.Name == "states"
}

// beside says what the slice need not hold, because the archive does.
func (b *archive) beside(d ledger.Digest) bool { return b.members[d] }

// write puts the archive together and into place as a whole.
func (b *archive) write(ctx context.Context, slice *os.File) error {
	meta, err := b.s.metadata(b.actions, b.files, b.experiment, b.report, sliceName, b.opts.License)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(b.opts.File), ".share-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	hash := sha256.New()
	z := zip.NewWriter(io.MultiWriter(f, hash))
	if err := addFile(z, crateName, bytes.NewReader(meta)); err != nil {
		return err
	}
	for _, file := range b.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.copy(z, file, slice); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o666&^umask), f.Sync()); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.sum.Bytes, b.sum.SHA256, b.sum.Files = info.Size(), fmt.Sprintf("%x", hash.Sum(nil)), len(b.files)+1
	return os.Rename(f.Name(), b.opts.File)
}

func (b *archive) copy(z *zip.Writer, file crateFile, slice *os.File) error {
	switch {
	case file.name == b.experiment:
		return addFile(z, file.name, bytes.NewReader(b.s.exp.Source))
	case file.name == sliceName:
		if _, err := slice.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return addFile(z, file.name, slice)
	case b.s.led.Has(file.digest):
		blob, err := b.s.led.Get(file.digest)
		if err != nil {
			return err
		}
		return addFile(z, file.name, bytes.NewReader(blob))
	}
	in, err := os.Open(filepath.Join(b.s.opts.Out, filepath.FromSlash(strings.TrimPrefix(file.name, resultsFolder))))
	if err != nil {
		return err
	}
	defer in.Close()
	hash := sha256.New()
	if err := addFile(z, file.name, io.TeeReader(in, hash)); err != nil {
		return err
	}
	if ledger.Digest(hash.Sum(nil)) != file.digest {
		return ledger.ErrChanged
	}
	return nil
}

// packed are endings of files that do not get smaller.
var packed = []string{".slice", ".npz", ".png"}

// addFile appends a file with a fixed date, so that equal content makes equal archives.
func addFile(z *zip.Writer, name string, r io.Reader) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	if slices.ContainsFunc(packed, func(e string) bool { return strings.HasSuffix(name, e) }) {
		h.Method = zip.Store
	}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}
