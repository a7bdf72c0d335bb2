package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"swaprun/extract/ort"
	"swaprun/ledger/npy"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"swaprun": main})
}

// TestScripts runs the command line as users do. Scripts see the repository's experiments as $EXPERIMENTS.
func TestScripts(t *testing.T) {
	library, _, err := ort.Find()
	if err != nil {
		t.Fatalf("%v: the scripts run models", err)
	}
	experiments, err := filepath.Abs("experiments")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SWAPRUN_ONNXRUNTIME", library)
			env.Setenv("EXPERIMENTS", experiments)
			env.Setenv("FAMILIES", filepath.Join(experiments, "../extract/family/testdata"))
			env.Setenv("HF_HOME", filepath.Join(env.WorkDir, "no-hub"))
			return os.Symlink(filepath.Join(experiments, "demo"), filepath.Join(env.WorkDir, "demo"))
		},
		Cmds:          map[string]func(ts *testscript.TestScript, neg bool, args []string){"json": jsonCommand, "poke": pokeCommand, "crash": crashCommand, "npz": npzCommand},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// jsonCommand compares values of a JSON file: json FILE PATH=VALUE …, a path being names and indices with dots between;
// a path ending in ! is the length of a list. PATH>VALUE compares numbers.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: json FILE PATH=VALUE …")
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	for _, arg := range args[1:] {
		i := strings.IndexAny(arg, "=>")
		if i < 0 {
			ts.Fatalf("json: %s is not PATH=VALUE", arg)
		}
		path, op, want := arg[:i], arg[i], arg[i+1:]
		got, err := lookup(doc, path)
		ts.Check(err)
		text := fmt.Sprint(got)
		if op == '>' {
			a, err1 := strconv.ParseFloat(text, 64)
			b, err2 := strconv.ParseFloat(want, 64)
			if err1 != nil || err2 != nil || a <= b {
				ts.Fatalf("json: %s is %s, want more than %s", path, text, want)
			}
			continue
		}
		if text != want {
			ts.Fatalf("json: %s is %s, want %s", path, text, want)
		}
	}
}

func lookup(v any, path string) (any, error) {
	for _, part := range strings.Split(path, ".") {
		name, length := strings.CutSuffix(part, "!")
		if name != "" {
			switch x := v.(type) {
			case map[string]any:
				next, ok := x[name]
				if !ok {
					return nil, fmt.Errorf("%s: no %q", path, name)
				}
				v = next
			case []any:
				i, err := strconv.Atoi(name)
				if err != nil || i < 0 || i >= len(x) {
					return nil, fmt.Errorf("%s: no element %q of %d", path, name, len(x))
				}
				v = x[i]
			default:
				return nil, fmt.Errorf("%s: %q of a %T", path, name, v)
			}
		}
		if length {
			list, ok := v.([]any)
			if !ok {
				return nil, fmt.Errorf("%s: length of a %T", path, v)
			}
			v = len(list)
		}
	}
	return v, nil
}

// pokeCommand damages a file: poke FILE truncate SIZE, or poke FILE OFFSET HEX. A negative offset counts from the end.
func pokeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: poke FILE truncate SIZE | poke FILE OFFSET HEX")
	}
	path := ts.MkAbs(args[0])
	if args[1] == "truncate" {
		size, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		ts.Check(os.Truncate(path, size))
		return
	}
	b, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	var patch []byte
	for i := 0; i+1 < len(args[2]); i += 2 {
		n, err := strconv.ParseUint(args[2][i:i+2], 16, 8)
		ts.Check(err)
		patch = append(patch, byte(n))
	}
	copy(b[at:], patch)
	ts.Check(os.WriteFile(path, b, 0o666))
}

// npzCommand compares members of an .npz: npz FILE NAME=DTYPE[SHAPE] …, as in hidden_states=float32[4 64].
func npzCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: npz FILE NAME=DTYPE[SHAPE] …")
	}
	r, err := npy.Open(ts.MkAbs(args[0]), npy.Limits{})
	ts.Check(err)
	defer r.Close()
	for _, arg := range args[1:] {
		name, want, _ := strings.Cut(arg, "=")
		a, err := r.Array(name)
		ts.Check(err)
		if got := fmt.Sprintf("%s%v", a.DType, a.Shape); got != strings.ReplaceAll(want, ",", " ") {
			ts.Fatalf("npz: %s is %s, want %s", name, got, want)
		}
	}
}
