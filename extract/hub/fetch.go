package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Options say where and how Fetch downloads.
type Options struct {
	Endpoint string // "" is HF_ENDPOINT, else the public hub
	Token    string // "" is HF_TOKEN, else the token file of the hub's client; may stay empty
	Cache    string // "" is Cache()
	Client   *http.Client
	// Progress, when set, is told about each file: bytes done and in all.
	Progress func(file string, done, total int64)
}

// limits on what a hub may answer
const (
	maxListing = 64 << 20
	maxFiles   = 10_000
	maxBytes   = int64(2) << 40
)

// file is one entry of a repository's tree as the hub lists it.
type file struct {
	Type string `json:"type"`
	Path string `json:"path"`
	OID  string `json:"oid"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// Fetch downloads a repository into the cache and returns its snapshot directory. Files that are there already are
// not fetched again, a broken download goes on where it stopped, and every file is checked against the id the hub gives it.
// Of weights, only formats that swaprun reads are fetched.
func Fetch(ctx context.Context, r Repo, o Options) (string, error) {
	f, err := newFetcher(r, o)
	if err != nil {
		return "", err
	}
	commit, err := f.commit(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", r, err)
	}
	files, err := f.tree(ctx, commit)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", r, err)
	}
	for _, file := range wanted(r.Kind, files) {
		if err := f.file(ctx, commit, file); err != nil {
			return "", fmt.Errorf("fetch %s: %s: %w", r, file.Path, err)
		}
	}
	// The reference comes last: a snapshot that a name stands for is complete.
	ref := filepath.Join(f.folder, "refs", filepath.FromSlash(r.revision()))
	if err := os.MkdirAll(filepath.Dir(ref), 0o777); err != nil {
		return "", err
	}
	if err := os.WriteFile(ref, []byte(commit), 0o666); err != nil {
		return "", err
	}
	return filepath.Join(f.folder, "snapshots", commit), nil
}

type fetcher struct {
	Options
	repo   Repo
	folder string
}

func newFetcher(r Repo, o Options) (*fetcher, error) {
	if o.Endpoint == "" {
		o.Endpoint = os.Getenv("HF_ENDPOINT")
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://huggingface.co"
	}
	o.Endpoint = strings.TrimSuffix(o.Endpoint, "/")
	if o.Cache == "" {
		cache, err := Cache()
		if err != nil {
			return nil, err
		}
		o.Cache = cache
	}
	if o.Token == "" {
		o.Token = os.Getenv("HF_TOKEN")
	}
	if o.Token == "" {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(o.Cache), "token")); err == nil {
			o.Token = strings.TrimSpace(string(b))
		}
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	return &fetcher{Options: o, repo: r, folder: filepath.Join(o.Cache, r.folder())}, nil
}

func (f *fetcher) get(ctx context.Context, url string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	res, err := f.Client.Do(req)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return res, nil
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("the hub answers %s: the repository is private, gated or does not exist; set HF_TOKEN to a token that may read it", res.Status)
	case http.StatusNotFound:
		return nil, fmt.Errorf("the hub answers %s: no such repository, revision or file", res.Status)
	}
	return nil, fmt.Errorf("the hub answers %s", res.Status)
}

func (f *fetcher) decode(ctx context.Context, url string, to any) (next string, err error) {
	res, err := f.get(ctx, url, 0)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxListing)).Decode(to); err != nil {
		return "", fmt.Errorf("the hub's answer is not the JSON expected: %w", err)
	}
	return nextPage(res.Header.Get("Link")), nil
}

var linkNext = regexp.MustCompile(`<([^>]+)>;\s*rel="next"`)

func nextPage(link string) string {
	if m := linkNext.FindStringSubmatch(link); m != nil {
		return m[1]
	}
	return ""
}

var hexID = regexp.MustCompile(`^[0-9a-f]{40}$|^[0-9a-f]{64}$`)

func (f *fetcher) api() string {
	return f.Endpoint + "/api/" + f.repo.Kind.plural() + "/" + f.repo.ID
}

func (f *fetcher) commit(ctx context.Context) (string, error) {
	var info struct {
		SHA string `json:"sha"`
	}
	if _, err := f.decode(ctx, f.api()+"/revision/"+url.PathEscape(f.repo.revision()), &info); err != nil {
		return "", err
	}
	if !hexID.MatchString(info.SHA) {
		return "", fmt.Errorf("the hub names the commit %q, which is no commit id", info.SHA)
	}
	return info.SHA, nil
}

func (f *fetcher) tree(ctx context.Context, commit string) ([]file, error) {
	var all []file
	var total int64
	for url := f.api() + "/tree/" + commit + "?recursive=true"; url != ""; {
		if !strings.HasPrefix(url, f.Endpoint+"/") {
			return nil, fmt.Errorf("the hub continues its listing at another address: %s", url)
		}
		var page []file
		next, err := f.decode(ctx, url, &page)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if e.Type != "file" {
				continue
			}
			if !filepath.IsLocal(filepath.FromSlash(e.Path)) || path.Clean(e.Path) != e.Path {
				return nil, fmt.Errorf("the hub lists a file outside the repository: %q", e.Path)
			}
			if e.LFS != nil {
				e.OID, e.Size = e.LFS.OID, e.LFS.Size
			}
			if !hexID.MatchString(e.OID) || e.Size < 0 {
				return nil, fmt.Errorf("the hub lists %s with id %q and size %d", e.Path, e.OID, e.Size)
			}
			all = append(all, e)
			total += e.Size
		}
		if len(all) > maxFiles || total > maxBytes {
			return nil, fmt.Errorf("the repository lists %d files, %d bytes so far: more than any checkpoint", len(all), total)
		}
		url = next
	}
	return all, nil
}

// wanted drops weights in formats that swaprun does not read, and what is no part of a model.
func wanted(kind Kind, files []file) []file {
	if kind == Dataset {
		return files
	}
	safetensors := false
	for _, f := range files {
		safetensors = safetensors || strings.HasSuffix(f.Path, ".safetensors")
	}
	var keep []file
	for _, f := range files {
		switch ext := path.Ext(f.Path); {
		case ext == ".safetensors", ext == ".json", ext == ".jinja", ext == ".txt", ext == ".yaml":
		case ext == ".pt" && !safetensors:
		default:
			continue
		}
		keep = append(keep, f)
	}
	return keep
}

func (f *fetcher) file(ctx context.Context, commit string, e file) error {
	blob := filepath.Join(f.folder, "blobs", e.OID)
	if info, err := os.Stat(blob); err != nil || info.Size() != e.Size {
		if err := f.download(ctx, commit, e, blob); err != nil {
			return err
		}
	}
	link := filepath.Join(f.folder, "snapshots", commit, filepath.FromSlash(e.Path))
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(link), blob)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (f *fetcher) download(ctx context.Context, commit string, e file, blob string) error {
	if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
		return err
	}
	part := blob + ".incomplete"
	out, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	defer out.Close()
	sum := contentHash(e)
	done, err := io.Copy(sum, out) // what an earlier attempt left
	if err != nil {
		return err
	}
	if done > e.Size {
		return fmt.Errorf("%s holds %d bytes, the file has %d: remove it and try again", part, done, e.Size)
	}
	if done < e.Size {
		var where []string
		for _, s := range strings.Split(e.Path, "/") {
			where = append(where, url.PathEscape(s))
		}
		base := f.Endpoint + "/"
		if f.repo.Kind == Dataset {
			base += "datasets/"
		}
		res, err := f.get(ctx, base+f.repo.ID+"/resolve/"+commit+"/"+strings.Join(where, "/"), done)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if done > 0 && res.StatusCode != http.StatusPartialContent { // the server starts over; so do we
			if _, err := out.Seek(0, io.SeekStart); err != nil {
				return err
			}
			if err := out.Truncate(0); err != nil {
				return err
			}
			done, sum = 0, contentHash(e)
		}
		progress := &meter{report: func(n int64) {
			if f.Progress != nil {
				f.Progress(e.Path, done+n, e.Size)
			}
		}}
		n, err := io.Copy(io.MultiWriter(out, sum, progress), io.LimitReader(res.Body, e.Size-done+1))
		if err != nil {
			return fmt.Errorf("after %d of %d bytes: %w; run the command again to go on", done+n, e.Size, err)
		}
		done += n
	}
	if done != e.Size {
		return fmt.Errorf("got %d bytes, expected %d; run the command again to go on", done, e.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.OID {
		os.Remove(part)
		return fmt.Errorf("content has id %s, expected %s; removed", got, e.OID)
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return os.Rename(part, blob)
}

// contentHash computes the id the hub gives a file: SHA-256 of large ones, git's blob id of small ones.
func contentHash(e file) hash.Hash {
	if len(e.OID) == 64 {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", e.Size)
	return h
}

type meter struct {
	n      int64
	report func(n int64)
}

func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	m.report(m.n)
	return len(p), nil
}
