package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func TestParseRepo(t *testing.T) {
	for ref, want := range map[string]Repo{
		"allenai/Molmo-7B-O-0924": {Model, "allenai/Molmo-7B-O-0924", ""},
		"a/b@v1.0":                {Model, "a/b", "v1.0"},
	} {
		if got, ok := ParseRepo(Model, ref); !ok || got != want {
			t.Errorf("ParseRepo(%q) = %v, %v; want %v", ref, got, ok, want)
		}
	}
	for _, ref := range []string{"", "a", "../b", "a/..", "a/b/c", "./a/b", "/a/b", "a/b@", "a/b@../../x", "a/ b"} {
		if got, ok := ParseRepo(Model, ref); ok {
			t.Errorf("ParseRepo(%q) = %v; want none", ref, got)
		}
	}
}

func TestLocateMissing(t *testing.T) {
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	_, err := Locate(Repo{Model, "a/b", ""})
	var missing *MissingError
	if !errors.As(err, &missing) || missing.Repo.ID != "a/b" {
		t.Fatalf("Locate = %v; want a MissingError naming a/b", err)
	}
}

// fakeHub serves one repository whose files are named by content id, as the hub does.
type fakeHub struct {
	files   map[string]string
	large   map[string]bool
	corrupt string // this file's bytes differ from its id
	listing []map[string]any
	ranges  []string
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/api/models/a/b/revision/main":
		json.NewEncoder(w).Encode(map[string]string{"sha": commit})
	case r.URL.Path == "/api/models/a/b/tree/"+commit:
		list := h.listing
		for name, content := range h.files {
			e := map[string]any{"type": "file", "path": name, "size": len(content), "oid": gitID(content)}
			if h.large[name] {
				e["lfs"] = map[string]any{"oid": fmt.Sprintf("%x", sha256.Sum256([]byte(content))), "size": len(content)}
			}
			list = append(list, e)
		}
		json.NewEncoder(w).Encode(list)
	case strings.HasPrefix(r.URL.Path, "/a/b/resolve/"+commit+"/"):
		name := strings.TrimPrefix(r.URL.Path, "/a/b/resolve/"+commit+"/")
		content, ok := h.files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if name == h.corrupt {
			content = strings.Repeat("x", len(content))
		}
		h.ranges = append(h.ranges, r.Header.Get("Range"))
		http.ServeContent(w, r, name, time.Time{}, strings.NewReader(content))
	default:
		http.NotFound(w, r)
	}
}

func gitID(content string) string {
	sum := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(content), content)))
	return hex.EncodeToString(sum[:])
}

func TestFetch(t *testing.T) {
	hub := &fakeHub{
		files: map[string]string{"config.json": "{}", "model.safetensors": strings.Repeat("w", 1000), "pytorch_model.bin": "pickle", "llm/config.json": "{1}"},
		large: map[string]bool{"model.safetensors": true},
	}
	server := httptest.NewServer(hub)
	defer server.Close()
	cache := t.TempDir()
	t.Setenv("HF_HUB_CACHE", cache)
	repo := Repo{Model, "a/b", ""}
	o := Options{Endpoint: server.URL}

	// The first attempt left half of the weights behind.
	blobs := filepath.Join(cache, "models--a--b", "blobs")
	if err := os.MkdirAll(blobs, 0o777); err != nil {
		t.Fatal(err)
	}
	oid := fmt.Sprintf("%x", sha256.Sum256([]byte(hub.files["model.safetensors"])))
	if err := os.WriteFile(filepath.Join(blobs, oid+".incomplete"), []byte(strings.Repeat("w", 400)), 0o666); err != nil {
		t.Fatal(err)
	}
	dir, err := Fetch(t.Context(), repo, o)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := Locate(repo); err != nil || found != dir {
		t.Errorf("Locate = %q, %v; want %q", found, err, dir)
	}
	for _, name := range []string{"config.json", "model.safetensors", "llm/config.json"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != hub.files[name] {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pytorch_model.bin")); err == nil {
		t.Error("pytorch_model.bin was fetched; it is of no use here")
	}
	if !strings.Contains(strings.Join(hub.ranges, " "), "bytes=400-") {
		t.Errorf("ranges asked for: %q; want one from 400", hub.ranges)
	}
	hub.ranges = nil
	if _, err := Fetch(t.Context(), repo, o); err != nil || len(hub.ranges) != 0 {
		t.Errorf("second Fetch: %v, %d downloads; want none", err, len(hub.ranges))
	}
}

func TestFetchRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		hub  *fakeHub
		want string
	}{
		"other content": {&fakeHub{files: map[string]string{"config.json": "{}"}, corrupt: "config.json"}, "content has id"},
		"path escape":   {&fakeHub{listing: []map[string]any{{"type": "file", "path": "../../x.json", "size": 1, "oid": commit}}}, "outside the repository"},
		"wild id":       {&fakeHub{listing: []map[string]any{{"type": "file", "path": "x.json", "size": 1, "oid": "../../../x"}}}, "with id"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.hub)
			defer server.Close()
			_, err := Fetch(t.Context(), Repo{Model, "a/b", ""}, Options{Endpoint: server.URL, Cache: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Fetch = %v; want %q in it", err, test.want)
			}
		})
	}
}
