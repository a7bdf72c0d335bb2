package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A KeyDiff is one place where two keys differ.
type KeyDiff struct {
	Path     string // role, or version; into JSON values as role.member[index]
	Old, New string // as shown to people; empty where absent
}

func (d KeyDiff) String() string {
	show := func(s string) string {
		if s == "" {
			return "absent"
		}
		return s
	}
	return d.Path + ": " + show(d.Old) + " → " + show(d.New)
}

// DiffKeys lists where b differs from a: kind and version first, then by role. JSON values and lists are compared
// part by part.
func DiffKeys(a, b *Key) []KeyDiff {
	var out []KeyDiff
	if a.Kind != b.Kind {
		out = append(out, KeyDiff{"kind", a.Kind, b.Kind})
	}
	if a.Version != b.Version {
		out = append(out, KeyDiff{"version", strconv.Itoa(a.Version), strconv.Itoa(b.Version)})
	}
	roles := map[string]bool{}
	for _, f := range slices.Concat(a.Fields, b.Fields) {
		roles[f.Role] = true
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		x, inA := a.Get(role)
		y, inB := b.Get(role)
		switch {
		case x == y:
		case !inA:
			out = append(out, KeyDiff{role, "", y.String()})
		case !inB:
			out = append(out, KeyDiff{role, x.String(), ""})
		default:
			out = diffValues(out, role, x, y)
		}
	}
	return out
}

// DiffRoles names what differs between two keys, without the values: kind and version first, then by role.
func DiffRoles(a, b *Key) []string {
	var out []string
	if a.Kind != b.Kind {
		out = append(out, "kind")
	}
	if a.Version != b.Version {
		out = append(out, "version")
	}
	x, y := a.sorted(), b.sorted()
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].Role < y[0].Role:
			out, x = append(out, x[0].Role), x[1:]
		case len(x) == 0 || y[0].Role < x[0].Role:
			out, y = append(out, y[0].Role), y[1:]
		default:
			if x[0].Value != y[0].Value {
				out = append(out, x[0].Role)
			}
			x, y = x[1:], y[1:]
		}
	}
	return out
}

func diffValues(out []KeyDiff, path string, x, y Value) []KeyDiff {
	switch {
	case x == y:
		return out
	case x.typ == JSONType && y.typ == JSONType:
		var p, q any
		if decodeNumbers(x.payload, &p) == nil && decodeNumbers(y.payload, &q) == nil {
			return diffJSON(out, path, p, q)
		}
	case x.typ == ListType && y.typ == ListType:
		p, q := x.List(), y.List()
		for i := range max(len(p), len(q)) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= len(p):
				out = append(out, KeyDiff{at, "", q[i].String()})
			case i >= len(q):
				out = append(out, KeyDiff{at, p[i].String(), ""})
			default:
				out = diffValues(out, at, p[i], q[i])
			}
		}
		return out
	}
	return append(out, KeyDiff{path, x.String(), y.String()})
}

func decodeNumbers(s string, v any) error {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	return dec.Decode(v)
}

// missing stands for a JSON member that is not there; null is a value.
type missing struct{}

func diffJSON(out []KeyDiff, path string, x, y any) []KeyDiff {
	switch p := x.(type) {
	case map[string]any:
		q, ok := y.(map[string]any)
		if !ok {
			break
		}
		names := map[string]bool{}
		for n := range p {
			names[n] = true
		}
		for n := range q {
			names[n] = true
		}
		for _, n := range slices.Sorted(maps.Keys(names)) {
			out = diffJSON(out, path+"."+n, member(p, n), member(q, n))
		}
		return out
	case []any:
		q, ok := y.([]any)
		if !ok {
			break
		}
		for i := range max(len(p), len(q)) {
			out = diffJSON(out, fmt.Sprintf("%s[%d]", path, i), item(p, i), item(q, i))
		}
		return out
	}
	if s, t := showJSON(x), showJSON(y); s != t {
		out = append(out, KeyDiff{path, s, t})
	}
	return out
}

func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return missing{}
}

func item(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return missing{}
}

func showJSON(v any) string {
	if _, ok := v.(missing); ok {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
