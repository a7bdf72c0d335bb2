package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports lists, for each package of the module, the packages of the module it may import itself. A package
// that is not here may import none. What may be imported directly may be imported through others.
var imports = map[string][]string{
	"":                {"runner/cli"},
	"runner/cli":      {"runner", "extract", "extract/hub", "extract/ort", "analyze", "report", "ledger", "ledger/npy"},
	"runner":          {"extract", "extract/dataset", "extract/hub", "extract/ort", "analyze", "report", "ledger", "ledger/npy", "experiments"},
	"report":          {"analyze", "ledger/npy"},
	"analyze":         {"internal/mt"},
	"extract":         {"extract/family", "extract/nn", "extract/onnx", "extract/ort", "extract/safetensors", "extract/token", "extract/torch", "extract/vision"},
	"extract/family":  {"extract/nn", "extract/onnx", "extract/safetensors", "extract/token", "extract/token/jinja", "extract/torch", "extract/vision"},
	"extract/nn":      {"extract/onnx", "extract/safetensors"},
	"extract/torch":   {"extract/safetensors"},
	"extract/token":   {"extract/token/jinja"},
	"extract/vision":  {"extract/vision/jpeg"},
	"extract/dataset": {"internal/mt"},
	"ledger":          {},

	"internal/released": {"ledger/npy"}, // imported by tests only
}

// TestImportsPointDown holds the layering, and that cgo stays in extract/ort.
func TestImportsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}} {{if .CgoFiles}}C{{end}}`, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		pkg, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		name := strings.TrimPrefix(strings.TrimPrefix(pkg, "swaprun"), "/")
		if strings.HasPrefix(name, "tools/") {
			continue
		}
		for _, imp := range strings.Fields(rest) {
			if imp == "C" || imp == "github.com/yalue/onnxruntime_go" {
				if name != "extract/ort" {
					t.Errorf("%s uses cgo; only extract/ort may", pkg)
				}
				continue
			}
			to, ours := strings.CutPrefix(imp, "swaprun/")
			if ours && !slices.Contains(imports[name], to) {
				t.Errorf("%s imports %s, which is not below it", pkg, imp)
			}
		}
	}
}
