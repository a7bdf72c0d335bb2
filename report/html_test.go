package report

import (
	"os"
	"testing"
)

func TestHTML(t *testing.T) {
	page, err := HTML(syntheticBundle(240, 12))
	if err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("SWAPRUN_PAGE"); name != "" {
		if err := os.WriteFile(name, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
