package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Pinned is the library version swaprun is built and tested with; tools/onnxruntime.sh fetches it.
const Pinned = "1.30.0"

// Env names the variable that overrides the search.
const Env = "SWAPRUN_ONNXRUNTIME"

// ErrNotFound says that no onnxruntime library was found.
var ErrNotFound = errors.New("onnxruntime library not found")

// Find says which library will be loaded, and how it was found: by the environment, in the user's cache, beside the
// executable, or in a system folder. It loads nothing.
func Find() (path, how string, err error) {
	if p := os.Getenv(Env); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", "", fmt.Errorf("%s: %w", Env, err)
		}
		return p, "environment variable " + Env, nil
	}
	for _, c := range candidates() {
		if info, err := os.Stat(c.path); err == nil && info.Mode().IsRegular() {
			return c.path, c.how, nil
		}
	}
	return "", "", fmt.Errorf("%w: run `make runtime`, install onnxruntime %s, or set %s to the library's path", ErrNotFound, Pinned, Env)
}

type candidate struct{ path, how string }

func candidates() []candidate {
	names := []string{"libonnxruntime.so.1", "libonnxruntime.so"}
	arch := runtime.GOARCH
	switch runtime.GOOS {
	case "darwin":
		names = []string{"libonnxruntime.1.dylib", "libonnxruntime.dylib"}
	case "windows":
		names = []string{"onnxruntime.dll"}
	}
	if arch == "amd64" {
		arch = "x64" // as the library's own packages call it
	}
	var list []candidate
	add := func(how, dir string) {
		for _, name := range names {
			list = append(list, candidate{filepath.Join(dir, name), how})
		}
	}
	if dir, err := os.UserCacheDir(); err == nil {
		add("user cache", filepath.Join(dir, "swaprun", "onnxruntime", Pinned, runtime.GOOS+"-"+arch))
	}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			add("beside the executable", filepath.Dir(exe))
		}
	}
	system := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	system = append(system, "/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/opt/homebrew/lib")
	if triplets, err := filepath.Glob("/usr/lib/*-linux-gnu"); err == nil {
		system = append(system, triplets...)
	}
	for _, dir := range system {
		if strings.TrimSpace(dir) != "" {
			add("system library folder", dir)
		}
	}
	return list
}
