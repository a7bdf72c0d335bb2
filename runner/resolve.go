package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"swaprun/extract"
	"swaprun/extract/dataset"
	"swaprun/extract/hub"
)

// A missing thing is named with the place that was looked at and the command that gets it.
type missing struct {
	what  string // "checkpoint", "table", "boxes", "processor"
	ref   string // as declared
	where string // what was looked at
	get   string // the command that gets it, or ""
}

func (m *missing) Error() string {
	msg := fmt.Sprintf("%s %s is missing: %s", m.what, m.ref, m.where)
	if m.get != "" {
		msg += "; get it with: " + m.get
	}
	return msg
}

// weights looks whether the weights of a checkpoint in dir are there. Anything else wrong with it is found when it is read.
func (e *Experiment) weights(src extract.Source, ref string) error {
	var gone *extract.MissingError
	if !errors.As(extract.Present(src), &gone) {
		return nil
	}
	msg := fmt.Sprintf("the weights of %s are missing: %s", ref, gone.Reason)
	if _, isPath := e.localPath(ref); !isPath {
		msg += "; get them with: swaprun fetch " + ref
	}
	return errors.New(msg)
}

// directory finds a checkpoint: a path relative to the experiment file, or a repository in the hub's cache.
func (e *Experiment) directory(what, ref string) (string, error) {
	path, isPath := e.localPath(ref)
	if isPath {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", &missing{what: what, ref: ref, where: "no directory " + path}
		case err != nil:
			return "", err
		case !info.IsDir():
			return "", &missing{what: what, ref: ref, where: path + " is no directory"}
		}
		return path, nil
	}
	repo, ok := hub.ParseRepo(hub.Model, ref)
	if !ok {
		return "", fmt.Errorf("%q is neither a path (beginning with ./, ../, / or ~) nor owner/name[@revision] on the hub", ref)
	}
	dir, err := hub.Locate(repo)
	var gone *hub.MissingError
	if errors.As(err, &gone) {
		return "", &missing{what: what, ref: ref, where: "not in the hub cache " + gone.Cache, get: "swaprun fetch " + ref}
	}
	return dir, err
}

// localPath tells paths from names on the hub: a path begins with a dot, a slash or a tilde, or names something
// that is there, seen from the experiment file.
func (e *Experiment) localPath(ref string) (string, bool) {
	if rest, ok := strings.CutPrefix(ref, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest), true
		}
	}
	if filepath.IsAbs(ref) {
		return ref, true
	}
	path := filepath.Join(e.Dir, filepath.FromSlash(ref))
	if strings.HasPrefix(ref, ".") {
		return path, true
	}
	_, err := os.Stat(path)
	return path, err == nil
}

// table finds a table as file does, or a folder that holds one in two halves.
func (e *Experiment) table(ref string) (string, error) {
	if path, isPath := e.localPath(ref); isPath {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			_, err := dataset.Parts(path)
			return path, err
		}
	} else if repo, ok := hub.ParseRepo(hub.Dataset, ref); ok && !hasEnding(ref, tableEndings) {
		if dir, err := hub.Locate(repo); err == nil {
			if _, err := dataset.Parts(dir); err == nil {
				return dir, nil
			}
		}
	}
	return e.file("table", ref, tableEndings...)
}

// file finds a data file: a path relative to the experiment file, or owner/name[@revision][:path] of a data set on the
// hub. Without :path the data set must hold exactly one file with one of the endings.
func (e *Experiment) file(what, ref string, endings ...string) (string, error) {
	name, inside, _ := strings.Cut(ref, ":")
	repo, isRepo := hub.ParseRepo(hub.Dataset, name)
	path, isPath := e.localPath(ref)
	if isPath || !isRepo || (inside == "" && hasEnding(ref, endings)) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", &missing{what: what, ref: ref, where: "no file " + path}
		case err != nil:
			return "", err
		case info.IsDir():
			return "", &missing{what: what, ref: ref, where: path + " is a directory, expected a file"}
		}
		return path, nil
	}
	dir, err := hub.Locate(repo)
	var gone *hub.MissingError
	if errors.As(err, &gone) {
		return "", &missing{what: what, ref: ref, where: "not in the hub cache " + gone.Cache, get: "swaprun fetch --dataset " + repo.String()}
	} else if err != nil {
		return "", err
	}
	if inside != "" {
		if !filepath.IsLocal(filepath.FromSlash(inside)) {
			return "", fmt.Errorf("%q leaves the data set", inside)
		}
		path := filepath.Join(dir, filepath.FromSlash(inside))
		if _, err := os.Stat(path); err != nil {
			return "", &missing{what: what, ref: ref, where: "no file " + inside + " in " + dir}
		}
		return path, nil
	}
	var found []string
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && hasEnding(p, endings) {
			found = append(found, p)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s holds %d files ending in %s; name one as %s:PATH", dir, len(found), strings.Join(endings, " or "), name)
	}
	return found[0], nil
}

func hasEnding(path string, endings []string) bool {
	for _, e := range endings {
		if strings.HasSuffix(path, e) {
			return true
		}
	}
	return false
}
