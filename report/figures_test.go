package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every kind of figure renders, the same bytes every time. SWAPRUN_FIGURES names a folder to leave them in, for a look.
func TestFigures(t *testing.T) {
	b := syntheticBundle(120, 10)
	dir := os.Getenv("SWAPRUN_FIGURES")
	seen := map[string]int{}
	for _, a := range Tree(specOf(b.Models[0])) {
		if !a.Figure || a.Recipe.Block >= 0 && a.Recipe.Block != 7 || seen[a.Recipe.Draw+string(a.Recipe.Subset)] >= 1 {
			continue
		}
		seen[a.Recipe.Draw+string(a.Recipe.Subset)]++
		in := material(b, a, b.Models[0].Name)
		var one, two bytes.Buffer
		begin := time.Now()
		if err := a.Render(&one, in); err != nil {
			t.Errorf("%s: %v", a.Paths[0], err)
			continue
		}
		took := time.Since(begin)
		if err := a.Render(&two, in); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: second rendering differs (%v)", a.Paths[0], err)
		}
		if dir != "" {
			path := filepath.Join(dir, filepath.FromSlash(a.Paths[0]))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, one.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Logf("%-70s %6d bytes %v", a.Paths[0], one.Len(), took.Round(time.Millisecond))
		}
	}
}
