package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func decodeOrdered(t *testing.T, d *json.Decoder) any {
	tok, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			out := []any{}
			for d.More() {
				out = append(out, decodeOrdered(t, d))
			}
			d.Token()
			return out
		}
		out := &Dict{}
		for d.More() {
			k, _ := d.Token()
			out.Set(k.(string), decodeOrdered(t, d))
		}
		d.Token()
		return out
	case json.Number:
		if n, err := tok.Int64(); err == nil && !strings.ContainsAny(tok.String(), ".eE") {
			return n
		}
		f, _ := tok.Float64()
		return f
	default:
		return tok
	}
}

func TestDiff(t *testing.T) {
	b, err := os.ReadFile("/tmp/bvenv/jout.json")
	if err != nil {
		t.Skip()
	}
	var cases []struct {
		Src  string
		Vars json.RawMessage
		Out  *string
		Err  string
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		d := json.NewDecoder(strings.NewReader(string(c.Vars)))
		d.UseNumber()
		vars := decodeOrdered(t, d).(*Dict).values
		tm, err := Parse(c.Src)
		out := ""
		if err == nil {
			out, err = tm.Render(vars)
		}
		switch {
		case c.Out == nil && err == nil:
			t.Errorf("%.80q: want error %s, have %.80q", c.Src, c.Err, out)
		case c.Out != nil && err != nil:
			t.Errorf("%.80q: want %.100q, have error %v", c.Src, *c.Out, err)
		case c.Out != nil && out != *c.Out:
			t.Errorf("%.80q: want %q, have %q", c.Src, *c.Out, out)
		case c.Out == nil:
			t.Logf("%.60q: %s <> %v", c.Src, c.Err, err)
		}
	}
}
