package report

import (
	"bytes"
	"html/template"
)

// HTML renders the report of one experiment: one self-contained page that opens from disk, without network.
// The same bundle gives the same bytes.
func HTML(b *Bundle) ([]byte, error) {
	var out bytes.Buffer
	err := template.Must(template.New("page").Parse(`<!doctype html><title>{{.Experiment.Name}}</title>`)).Execute(&out, b)
	return out.Bytes(), err
}
