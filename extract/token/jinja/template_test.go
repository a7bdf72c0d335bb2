package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// ordered decodes JSON into this package's values: a Dict keeps its order.
func ordered(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var decode func() any
	token := func() json.Token {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	decode = func() any {
		switch tok := token().(type) {
		case json.Delim:
			if tok == '[' {
				out := []any{}
				for d.More() {
					out = append(out, decode())
				}
				token()
				return out
			}
			out := &Dict{}
			for d.More() {
				key := token().(string)
				out.Set(key, decode())
			}
			token()
			return out
		case json.Number:
			if n, err := tok.Int64(); err == nil {
				return n
			}
			f, _ := tok.Float64()
			return f
		default:
			return tok
		}
	}
	return decode()
}

func render(source string, vars map[string]any) (string, error) {
	t, err := Parse(source)
	if err != nil {
		return "", err
	}
	return t.Render(vars)
}

type caseFile struct {
	Vars    json.RawMessage
	Cases   [][]json.RawMessage
	Refused [][]json.RawMessage
}

func readCases(t testing.TB) (f caseFile) {
	t.Helper()
	raw, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// Every template renders to what transformers makes of it, or fails where it
// fails; see tools/vectors/chat_templates.py.
func TestCases(t *testing.T) {
	f := readCases(t)
	if len(f.Cases) < 700 {
		t.Fatalf("%d cases", len(f.Cases))
	}
	var source string
	for _, c := range f.Cases {
		var want, next *string
		for i, to := range []any{&next, &want} {
			if err := json.Unmarshal(c[i], to); err != nil {
				t.Fatal(err)
			}
		}
		if next != nil {
			source = *next
		}
		vars := f.Vars
		if len(c) > 2 {
			vars = c[2]
		}
		got, err := render(source, ordered(t, vars).(*Dict).values)
		switch {
		case want == nil && err == nil:
			t.Errorf("%.80q gives %.80q, want an error", source, got)
		case want != nil && err != nil:
			t.Errorf("%.80q: %v, want %.80q", source, err, *want)
		case want != nil && got != *want:
			t.Errorf("%.80q gives %q, want %q", source, got, *want)
		}
	}
}

// What the reference renders and this package does not is an error, never
// another text.
func TestRefused(t *testing.T) {
	f := readCases(t)
	for _, c := range f.Refused {
		var source string
		if err := json.Unmarshal(c[0], &source); err != nil {
			t.Fatal(err)
		}
		if got, err := render(source, ordered(t, f.Vars).(*Dict).values); err == nil {
			t.Errorf("%q gives %q, want an error", source, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a\nb {% if %}":                   "line 2: unexpected %}",
		"\n\n{{ a.b }}":                   "line 3: 'a' is undefined",
		"{{ raise_exception('no way') }}": "line 1: the template refuses: no way",
		"{% include 'x' %}":               `line 1: tag "include" is not supported`,
		"{{ x|frobnicate }}":              "line 1: filter frobnicate is not supported",
		"{{ 'a' + 1 }}":                   `line 1: can only concatenate str (not "int") to str`,
	} {
		_, err := render(source, nil)
		if err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", source, err, want)
		}
	}
	var raised *RenderError
	if _, err := render("{{ raise_exception('x') }}", nil); !errors.As(err, &raised) || !raised.Raised {
		t.Errorf("an exception raised by the template comes out as %v", err)
	}
	var syntax *SyntaxError
	if _, err := Parse("{{"); !errors.As(err, &syntax) {
		t.Errorf("a syntax error comes out as %v", err)
	}
}

// Templates that would take for ever, or all memory, end with an error soon.
func TestBombs(t *testing.T) {
	for name, source := range map[string]string{
		"nested loops":        strings.Repeat("{% for x in range(99999) %}", 5) + strings.Repeat("{% endfor %}", 5),
		"range":               "{{ range(100000000000) }}",
		"doubling a string":   "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
		"doubling a list":     "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"sharing, printed":    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
		"sharing, as JSON":    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
		"sharing, compared":   "{% set a = namespace(s=[1]) %}{% set b = namespace(s=[1]) %}{% for i in range(60) %}{% set a.s = [a.s, a.s] %}{% set b.s = [b.s, b.s] %}{% endfor %}{{ a.s == b.s }}",
		"repeating a string":  "{{ 'x' * 99999999999 }}",
		"repeating a list":    "{{ [1] * 99999999999 }}",
		"a power":             "{{ 10 ** 99999999999 }}",
		"recursion":           "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"branching recursion": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(30) }}",
		"growing output":      "{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
		"replace":             "{% set ns = namespace(s='xxxxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s|replace('x', 'xxxxxxxxxx') %}{% endfor %}",
		"join":                "{{ range(99999)|join('x' * 99999) }}",
		"indented JSON":       "{{ [1]|tojson(indent=999999999) }}",
		"deep brackets":       "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}",
		"deep signs":          "{{ " + strings.Repeat("-", 100000) + "1 }}",
		"deep not":            "{{ " + strings.Repeat("not ", 100000) + "1 }}",
		"deep if":             strings.Repeat("{% if 1 %}", 100000) + strings.Repeat("{% endif %}", 100000),
		"deep elif":           "{% if 0 %}" + strings.Repeat("{% elif 0 %}", 100000) + "{% endif %}",
		"deep else":           "{{ " + strings.Repeat("1 if 0 else ", 100000) + "1 }}",
		"a long sum":          "{{ " + strings.Repeat("1 + ", 100000) + "1 }}",
		"long subscripts":     "{{ a" + strings.Repeat("[0]", 100000) + " }}",
		"long filters":        "{{ a" + strings.Repeat("|trim", 100000) + " }}",
		"long calls":          "{{ a" + strings.Repeat("()", 100000) + " }}",
		"an endless source":   strings.Repeat("x", maxSource+1),
		"namespace in itself": "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ [ns.a] }}",
	} {
		start := time.Now()
		out, err := render(source, nil)
		if err == nil {
			t.Errorf("%s: no error, %d bytes", name, len(out))
		}
		if d := time.Since(start); d > 20*time.Second { // a second at most on a free machine
			t.Errorf("%s: took %v", name, d)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

// A large question passes: bounds are on what templates do, not on texts.
func TestLargeText(t *testing.T) {
	text := strings.Repeat("é", 5<<20)
	got, err := render("{% for m in messages %}{{ '<' + m.text + '>' + '\\n' }}{% endfor %}", map[string]any{"messages": []any{NewDict("text", text)}})
	if err != nil || got != "<"+text+">\n" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestValues(t *testing.T) {
	if _, err := render("{{ x }}", map[string]any{"x": struct{}{}}); err == nil {
		t.Error("a Go struct passes as a value")
	}
	var deep any = "x"
	for range 1000 {
		deep = []any{deep}
	}
	if _, err := render("{{ x }}", map[string]any{"x": deep}); !errors.Is(err, ErrLimit) {
		t.Errorf("deep value: %v", err)
	}
}

// Whatever the template, rendering ends with a text or an error.
func FuzzTemplate(f *testing.F) {
	cases := readCases(f)
	var source *string
	for _, c := range append(cases.Cases, cases.Refused...) {
		if err := json.Unmarshal(c[0], &source); err != nil {
			f.Fatal(err)
		}
		if source != nil {
			f.Add(*source)
		}
	}
	vars := ordered(f, cases.Vars).(*Dict).values
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 2000 {
			t.Skip()
		}
		tmpl, err := Parse(source)
		if err != nil {
			return
		}
		one, errOne := tmpl.Render(vars)
		two, errTwo := tmpl.Render(vars)
		if one != two || (errOne == nil) != (errTwo == nil) {
			t.Errorf("%q: %q, %v, then %q, %v", source, one, errOne, two, errTwo)
		}
	})
}
