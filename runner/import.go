package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"swaprun/ledger"
	"swaprun/report"
)

// ErrArchive is wrapped by every error about an archive that is not what share writes.
var ErrArchive = errors.New("not a sound archive")

// What an archive may hold.
const (
	maxArchiveFiles = 1 << 17
	maxMetadata     = 256 << 20
	maxMember       = 4 << 30 // of all but the slice
	maxRatio        = 400     // unpacked over packed bytes, beyond a megabyte
)

// ImportOptions say where an archive goes.
type ImportOptions struct {
	File    string
	Ledger  string
	Out     string // where experiment, results and report are unpacked; "" unpacks nothing
	Signer  string // the public key that must have signed; "" takes any, and the summary says which
	Version string
}

// An ImportSummary says what an archive brought.
type ImportSummary struct {
	Experiment string   `json:"experiment"` // file name
	Origin     string   `json:"origin"`     // the ledger it comes from
	Signer     string   `json:"signer"`     // the public key behind the proofs: whose it is, the reader must judge
	Records    int64    `json:"records"`    // in that ledger's log when it was shared
	Proven     int      `json:"proven"`     // outcomes whose inclusion in that log was checked
	Outcomes   uint64   `json:"outcomes"`   // new here
	Known      uint64   `json:"known"`
	Conflicts  uint64   `json:"conflicts"` // that differ from what was known here
	Blobs      uint64   `json:"blobs"`
	Bytes      int64    `json:"bytes"`
	Absent     uint64   `json:"absent"` // outcomes some of whose bytes were left out
	Files      int      `json:"files"`  // whose digests were checked
	Unpacked   int      `json:"unpacked"`
	Notes      []string `json:"notes"`
}

// Import verifies a shared archive and takes its outcomes into the ledger. Nothing in the archive is trusted: names, sizes, digests and
// proofs are checked before anything is written, results must be outcomes of the proven slice, and a page is taken only if it can run no
// script but swaprun's own.
func Import(ctx context.Context, opts ImportOptions) (*ImportSummary, error) {
	f, err := os.Open(opts.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &archiveReader{f: f, size: info.Size(), sum: &ImportSummary{Notes: []string{}}, files: map[string]*zip.File{}}
	if err := r.verify(ctx, opts.Signer); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w: %w", opts.File, ErrArchive, err)
	}
	if err := r.take(ctx, opts); err != nil {
		return nil, err
	}
	return r.sum, nil
}

type archiveReader struct {
	f          *os.File
	size       int64
	files      map[string]*zip.File
	order      []string
	experiment string // its name in the archive
	slice      *ledger.Slice
	sum        *ImportSummary
	left       map[string]bool // names that are not unpacked
}

// verify checks everything and writes nothing.
func (r *archiveReader) verify(ctx context.Context, signer string) error {
	if err := r.list(); err != nil {
		return err
	}
	digests, err := r.digests(ctx)
	if err != nil {
		return err
	}
	member := r.files[sliceName]
	at, err := member.DataOffset()
	if err != nil {
		return err
	}
	size := int64(member.UncompressedSize64)
	if r.slice, err = ledger.ReadSlice(ctx, io.NewSectionReader(r.f, at, size), size); err != nil {
		return err
	}
	c := r.slice.Checkpoint
	if signer != "" && c.Signer != signer {
		return fmt.Errorf("signed by %s, expected %s", c.Signer, signer)
	}
	for _, name := range r.order {
		if strings.HasPrefix(name, resultsFolder) {
			r.slice.Beside(digests[name], int64(r.files[name].UncompressedSize64), func() ([]byte, error) {
				var b bytes.Buffer
				err := r.read(name, &b)
				return b.Bytes(), err
			})
		}
	}
	r.sum.Origin, r.sum.Signer, r.sum.Records, r.sum.Proven, r.sum.Files = c.Origin, c.Signer, c.Tree.N, len(r.slice.Outcomes), len(digests)
	if err := r.attest(digests); err != nil {
		return err
	}
	return r.pages()
}

// list checks names and sizes as the archive's directory states them.
func (r *archiveReader) list() error {
	z, err := zip.NewReader(r.f, r.size)
	if err != nil {
		return err
	}
	if len(z.File) > maxArchiveFiles {
		return fmt.Errorf("%d files, more than %d", len(z.File), maxArchiveFiles)
	}
	var stored uint64
	folded := map[string]bool{}
	for _, f := range z.File {
		if err := checkMember(f); err != nil {
			return err
		}
		if stored += f.CompressedSize64; stored > uint64(r.size) {
			return errors.New("its files overlap: together they are larger than the archive")
		}
		// Names that differ in case only would overwrite each other on some systems.
		lower := strings.ToLower(f.Name)
		if folded[lower] {
			return fmt.Errorf("file %q occurs twice", f.Name)
		}
		folded[lower] = true
		r.files[f.Name] = f
		r.order = append(r.order, f.Name)
		if strings.HasPrefix(f.Name, experimentFolder) {
			if r.experiment != "" {
				return fmt.Errorf("two experiments, %q and %q", r.experiment, f.Name)
			}
			r.experiment = f.Name
		}
	}
	for _, name := range []string{crateName, sliceName} {
		if r.files[name] == nil {
			return fmt.Errorf("no %s", name)
		}
	}
	if r.experiment == "" {
		return fmt.Errorf("no experiment in %s", experimentFolder)
	}
	r.sum.Experiment = path.Base(r.experiment)
	return nil
}

// checkMember checks one entry of the archive's directory.
func checkMember(f *zip.File) error {
	name := f.Name
	if name == "" || len(name) > 1024 || strings.ContainsAny(name, "\\:\x00") || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("file %q: the name does not stay inside the archive's folder", name)
	}
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return fmt.Errorf("file %q: control characters in the name", name)
		}
	}
	inside := strings.HasPrefix(name, resultsFolder) || path.Dir(name)+"/" == experimentFolder && path.Ext(name) == ".cue"
	if name != crateName && name != sliceName && !inside {
		return fmt.Errorf("file %q: expected %s, %s, one experiment in %s and files in %s", name, crateName, sliceName, experimentFolder, resultsFolder)
	}
	if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return fmt.Errorf("file %q: hidden files do not belong here", name)
	}
	if !f.Mode().IsRegular() {
		return fmt.Errorf("file %q: %s, expected a regular file", name, f.Mode().Type())
	}
	switch {
	case f.Flags&1 != 0:
		return fmt.Errorf("file %q is encrypted", name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fmt.Errorf("file %q: unknown compression %d", name, f.Method)
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
		return fmt.Errorf("file %q: %d bytes stored as %d", name, f.UncompressedSize64, f.CompressedSize64)
	case name == sliceName && f.Method != zip.Store:
		return fmt.Errorf("file %q is compressed, which share never does", name)
	case name == sliceName:
		return nil
	}
	most := uint64(maxMember)
	if name == crateName {
		most = maxMetadata
	}
	if strings.HasPrefix(name, experimentFolder) {
		most = maxExperiment
	}
	if f.UncompressedSize64 > most {
		return fmt.Errorf("file %q: %d bytes, at most %d expected", name, f.UncompressedSize64, most)
	}
	if f.UncompressedSize64 > 1<<20 && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
		return fmt.Errorf("file %q: %d bytes packed into %d, which no result is", name, f.UncompressedSize64, f.CompressedSize64)
	}
	return nil
}

// read unpacks a file into w, no further than its stated size.
func (r *archiveReader) read(name string, w io.Writer) error {
	f := r.files[name]
	in, err := f.Open()
	if err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	defer in.Close()
	n, err := io.Copy(w, io.LimitReader(in, int64(f.UncompressedSize64)+1))
	if err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	if uint64(n) != f.UncompressedSize64 {
		return fmt.Errorf("file %q: unpacks to more than the %d bytes stated", name, f.UncompressedSize64)
	}
	return nil
}

// digests hashes every file and compares with the metadata.
func (r *archiveReader) digests(ctx context.Context) (map[string]ledger.Digest, error) {
	var meta bytes.Buffer
	if err := r.read(crateName, &meta); err != nil {
		return nil, err
	}
	stated, err := crateFiles(meta.Bytes())
	if err != nil {
		return nil, err
	}
	got := map[string]ledger.Digest{}
	for _, name := range r.order {
		if name == crateName {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		want, ok := stated[name]
		if !ok {
			return nil, fmt.Errorf("file %q is not in the metadata", name)
		}
		delete(stated, name)
		hash := sha256.New()
		if err := r.read(name, hash); err != nil {
			return nil, err
		}
		got[name] = ledger.Digest(hash.Sum(nil))
		if got[name] != want.digest || int64(r.files[name].UncompressedSize64) != want.size {
			return nil, fmt.Errorf("file %q: its digest is %s, the metadata says %s", name, got[name], want.digest)
		}
	}
	for name := range stated {
		return nil, fmt.Errorf("file %q is in the metadata and not in the archive", name)
	}
	return got, nil
}

// crateFiles reads the files that the metadata describes.
func crateFiles(meta []byte) (map[string]crateFile, error) {
	var doc struct {
		Graph []struct {
			ID     string          `json:"@id"`
			Type   json.RawMessage `json:"@type"`
			SHA256 string          `json:"sha256"`
			Size   string          `json:"contentSize"`
		} `json:"@graph"`
	}
	if err := json.Unmarshal(meta, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", crateName, err)
	}
	files := map[string]crateFile{}
	for _, e := range doc.Graph {
		var types []string
		var one string
		if json.Unmarshal(e.Type, &one) == nil {
			types = []string{one}
		} else if err := json.Unmarshal(e.Type, &types); err != nil {
			return nil, fmt.Errorf("%s: type of %q: %w", crateName, e.ID, err)
		}
		if !slices.Contains(types, "File") {
			continue
		}
		d, err := ledger.ParseDigest("sha256:" + e.SHA256)
		if err != nil {
			return nil, fmt.Errorf("%s: file %q: %w", crateName, e.ID, err)
		}
		size, err := strconv.ParseInt(e.Size, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: file %q: contentSize %q", crateName, e.ID, e.Size)
		}
		name, err := url.PathUnescape(e.ID)
		if err != nil {
			return nil, fmt.Errorf("%s: file %q: %w", crateName, e.ID, err)
		}
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("%s: file %q occurs twice", crateName, name)
		}
		files[name] = crateFile{name, d, size}
	}
	return files, nil
}

// attest checks that every result is an output of a proven outcome, and the experiment that of the report.
func (r *archiveReader) attest(digests map[string]ledger.Digest) error {
	proven := map[ledger.Digest]bool{}
	var source bytes.Buffer
	if err := r.read(r.experiment, &source); err != nil {
		return err
	}
	reports, same := 0, false
	for _, e := range r.slice.Outcomes {
		o := e.Outcome
		for _, out := range o.Outputs {
			switch {
			case out.Name == "file":
				proven[out.Digest] = true
			case out.Name == "digest" && r.slice.Has(out.Digest):
				text, err := r.slice.Get(out.Digest)
				if err != nil {
					return err
				}
				if d, err := ledger.ParseDigest(string(text)); err == nil {
					proven[d] = true
				}
			}
		}
		if o.Key.Kind == string(KindReport) {
			reports++
			v, _ := o.Key.Get("experiment")
			same = same || v == ledger.BytesValue(source.Bytes())
		}
	}
	for _, name := range r.order {
		if strings.HasPrefix(name, resultsFolder) && !proven[digests[name]] {
			return fmt.Errorf("file %q: no proven outcome has its digest %s", name, digests[name])
		}
	}
	if reports > 0 && !same {
		return fmt.Errorf("%s is not the experiment that the report in the slice was made from", r.experiment)
	}
	return nil
}

// pages leaves out pages that this binary would not have written: everything else in an archive is data, a page is run by
// whoever opens it.
func (r *archiveReader) pages() error {
	foreign := map[ledger.Digest]error{}
	for _, e := range r.slice.Outcomes {
		o := e.Outcome
		if o.Key.Kind != string(KindReport) {
			continue
		}
		for _, out := range o.Outputs {
			if !r.slice.Has(out.Digest) {
				continue
			}
			page, err := r.slice.Get(out.Digest)
			if err != nil {
				return err
			}
			if err := checkPage(page); err != nil {
				foreign[out.Digest] = err
			}
		}
	}
	r.left = map[string]bool{}
	for _, name := range r.order {
		if ext := strings.ToLower(path.Ext(name)); !strings.HasPrefix(name, resultsFolder) || ext != ".html" && ext != ".htm" && ext != ".svg" && ext != ".xhtml" {
			continue
		}
		var page bytes.Buffer
		if err := r.read(name, &page); err != nil {
			return err
		}
		if err := checkPage(page.Bytes()); err != nil {
			r.left[name] = true
			r.sum.Notes = append(r.sum.Notes, fmt.Sprintf("%s is left out: %v; a run renders the page anew from the imported results", name, err))
		}
	}
	if len(foreign) > 0 {
		r.slice = r.slice.Without(func(o *ledger.Outcome) bool {
			return slices.ContainsFunc(o.Outputs, func(out ledger.Output) bool { return foreign[out.Digest] != nil })
		})
	}
	return nil
}

// pageHead is the beginning of every page of this binary, up to the end of the policy that allows its own script and
// nothing else; tags are how often each tag that could do harm occurs in a page.
var pageHead = sync.OnceValues(func() (head []byte, err error) {
	page, err := report.HTML(&report.Bundle{})
	if err != nil {
		return nil, err
	}
	const policy = `http-equiv="Content-Security-Policy"`
	i := bytes.Index(page, []byte(policy))
	if i < 0 {
		return nil, errors.New("pages have no policy")
	}
	end := bytes.IndexByte(page[i:], '>')
	return page[:i+end+1], nil
})

// checkPage makes sure that opening a page runs nothing but swaprun's own script, and loads and sends nothing: it
// begins with the policy, byte for byte, and has no further tag that steers the browser.
func checkPage(page []byte) error {
	head, err := pageHead()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(page, head) {
		return errors.New("the page does not begin with the content policy of this version of swaprun")
	}
	rest := bytes.ToLower(page[len(head):])
	if bytes.Contains(rest, []byte("http-equiv")) {
		return errors.New("the page has a further http-equiv")
	}
	for _, tag := range []string{"<iframe", "<object", "<embed", "<base", "<link", "<form", "<frame", "<portal"} {
		if bytes.Contains(rest, []byte(tag)) {
			return fmt.Errorf("the page has a tag %s>", tag)
		}
	}
	// The policy runs no other script; that there is one says that somebody put it there, say in a question.
	own := 0
	for _, tag := range []string{`<script>`, `<script type="application/json" id="data">`} {
		own += min(1, bytes.Count(rest, []byte(tag)))
	}
	if bytes.Count(rest, []byte("<script")) > own {
		return errors.New("the page has a script that is not swaprun's")
	}
	return nil
}

// take imports and unpacks what was verified.
func (r *archiveReader) take(ctx context.Context, opts ImportOptions) error {
	start := time.Now()
	if err := os.MkdirAll(filepath.Dir(opts.Ledger), 0o777); err != nil {
		return err
	}
	led, err := ledger.Open(opts.Ledger, ledger.Options{Wait: time.Minute})
	if err != nil {
		return err
	}
	run := rand.Text()
	got, err := led.Import(ctx, r.slice, run)
	if err == nil {
		// As a run that reused everything, an import is a root of collections until the experiment is run here.
		var ids []ledger.ActionID
		for _, e := range r.slice.Outcomes {
			ids = append(ids, e.Outcome.Action)
		}
		err = led.RecordRun(ledger.Run{
			Name: "import of " + strings.TrimSuffix(r.sum.Experiment, ".cue"),
			Meta: ledger.Meta{Run: run, Tool: opts.Version, Device: ledger.ThisDevice(""), Started: start, Duration: time.Since(start)},
		}, ids)
	}
	if err = errors.Join(err, led.Close()); err != nil {
		return err
	}
	r.sum.Outcomes, r.sum.Known, r.sum.Conflicts, r.sum.Blobs, r.sum.Bytes, r.sum.Absent = got.Outcomes, got.Known, got.Conflicts, got.Blobs, got.Bytes, got.Absent
	if opts.Out == "" {
		return nil
	}
	return r.unpack(ctx, opts.Out)
}

// unpack writes the experiment and the results. The root keeps even a name that slipped through, or a link that lies
// there already, inside the folder.
func (r *archiveReader) unpack(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range r.order {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == sliceName || r.left[name] {
			continue
		}
		to := filepath.FromSlash(strings.TrimPrefix(name, experimentFolder))
		if err := root.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		f, err := root.Create(to)
		if err != nil {
			return err
		}
		if err := errors.Join(r.read(name, f), f.Close()); err != nil {
			return err
		}
		r.sum.Unpacked++
	}
	return nil
}
