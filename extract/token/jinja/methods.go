package jinja

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Python's methods that strings and dictionaries have here, and those that
// they have in Python too. Of the latter, those that change a value are unsafe
// in the sandbox anyway.
var (
	stringMethods map[string]func(string, *args) (any, error)
	missing       = map[string]string{
		"str":  " casefold center encode expandtabs format format_map isalnum isascii isdecimal isidentifier islower isnumeric isprintable istitle isupper ljust maketrans partition rindex rjust rpartition swapcase title translate zfill ",
		"dict": " clear copy fromkeys pop popitem setdefault update ",
		"list": " append clear copy extend insert pop remove reverse sort ",
	}
)

func init() {
	stringMethods = map[string]func(string, *args) (any, error){
		"strip":      func(s string, a *args) (any, error) { return strip(s, a, true, true) },
		"lstrip":     func(s string, a *args) (any, error) { return strip(s, a, true, false) },
		"rstrip":     func(s string, a *args) (any, error) { return strip(s, a, false, true) },
		"upper":      func(s string, a *args) (any, error) { return upper(s), a.r.grow(len(s)) },
		"lower":      func(s string, a *args) (any, error) { return lower(s), a.r.grow(len(s)) },
		"capitalize": func(s string, a *args) (any, error) { return capitalize(s), a.r.grow(len(s)) },
		"replace":    func(s string, a *args) (any, error) { return replace(s, a) },
		"split":      func(s string, a *args) (any, error) { return split(s, a, false) },
		"rsplit":     func(s string, a *args) (any, error) { return split(s, a, true) },
		"splitlines": func(s string, a *args) (any, error) {
			s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
			if strings.ContainsAny(s, "\v\f\x1c\x1d\x1e\u0085\u2028\u2029") {
				return nil, failf("splitlines at other line ends than \\n and \\r is not supported")
			}
			if s == "" {
				return []any{}, nil
			}
			return texts(a.r, strings.Split(strings.TrimSuffix(s, "\n"), "\n"))
		},
		"startswith": func(s string, a *args) (any, error) { return affix(s, a, "prefix", strings.HasPrefix) },
		"endswith":   func(s string, a *args) (any, error) { return affix(s, a, "suffix", strings.HasSuffix) },
		"removeprefix": func(s string, a *args) (any, error) {
			p, err := a.text(0, "prefix", "")
			return strings.TrimPrefix(s, p), err
		},
		"removesuffix": func(s string, a *args) (any, error) {
			p, err := a.text(0, "suffix", "")
			return strings.TrimSuffix(s, p), err
		},
		"find": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return runeIndex(s, strings.Index(s, sub)), err
		},
		"rfind": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return runeIndex(s, strings.LastIndex(s, sub)), err
		},
		"index": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			if err == nil && !strings.Contains(s, sub) {
				err = failf("substring not found")
			}
			return runeIndex(s, strings.Index(s, sub)), err
		},
		"count": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return int64(strings.Count(s, sub)), err
		},
		"join": func(s string, a *args) (any, error) {
			v, err := a.need(0, "iterable")
			if err != nil {
				return nil, err
			}
			items, err := a.r.iterate(v)
			if err != nil {
				return nil, err
			}
			return join(a.r, items, s, func(x any) (string, error) {
				t, ok := x.(string)
				if !ok {
					return "", failf("sequence item: expected str instance, %s found", typeName(x))
				}
				return t, nil
			})
		},
		"isdigit": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, unicode.IsDigit) == "", nil
		},
		"isalpha": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, unicode.IsLetter) == "", nil
		},
		"isspace": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, isSpace) == "", nil
		},
	}
}

// method returns a bound method.
func method(v any, name string) (function, bool) {
	if s, ok := v.(string); ok {
		if f := stringMethods[name]; f != nil {
			return func(a *args) (any, error) { return f(s, a) }, true
		}
	}
	if d, ok := v.(*Dict); ok {
		switch name {
		case "items":
			return func(a *args) (any, error) { return pairs(d), a.r.items(3 * len(d.keys)) }, true
		case "keys":
			return func(a *args) (any, error) { return a.r.iterate(d) }, true
		case "values":
			return func(a *args) (any, error) {
				out := []any{}
				for _, k := range d.keys {
					out = append(out, d.values[k])
				}
				return out, a.r.items(len(out))
			}, true
		case "get":
			return func(a *args) (any, error) {
				k, err := a.need(0, "key")
				if err != nil {
					return nil, err
				}
				def, _ := a.take(1, "default")
				if s, ok := k.(string); ok {
					if x, ok := d.Get(s); ok {
						return x, nil
					}
				}
				return def, nil
			}, true
		}
	}
	if items, ok := v.([]any); ok && name == "index" || ok && name == "count" {
		return func(a *args) (any, error) {
			x, err := a.need(0, "value")
			if err != nil {
				return nil, err
			}
			n := int64(0)
			for i, y := range items {
				if a.r.equal(x, y, 0) {
					if name == "index" {
						return int64(i), nil
					}
					n++
				}
			}
			if name == "index" {
				err = failf("value is not in list")
			}
			return n, err
		}, true
	}
	if strings.Contains(missing[typeName(v)], " "+name+" ") {
		return func(*args) (any, error) {
			return nil, failf("method %s of %s is not supported", name, typeName(v))
		}, true
	}
	if l, ok := v.(*loop); ok && name == "cycle" {
		return func(a *args) (any, error) {
			if len(a.pos) == 0 {
				return nil, failf("no items for cycling given")
			}
			a.taken = len(a.pos)
			return a.pos[l.at%len(a.pos)], nil
		}, true
	}
	return nil, false
}

func pairs(d *Dict) []any {
	out := make([]any, 0, len(d.keys))
	for _, k := range d.keys {
		out = append(out, Tuple{k, d.values[k]})
	}
	return out
}

func texts(r *run, parts []string) (any, error) {
	out := make([]any, len(parts))
	n := 0
	for i, p := range parts {
		out[i] = p
		n += len(p)
	}
	if err := r.items(len(out)); err != nil {
		return nil, err
	}
	return out, r.grow(n)
}

func strip(s string, a *args, left, right bool) (any, error) {
	drop := isSpace
	if v, ok := a.take(0, "chars"); ok && v != nil {
		chars, ok := v.(string)
		if !ok {
			return nil, failf("argument 'chars' must be str, not %s", typeName(v))
		}
		if len(chars) > 1<<10 {
			return nil, fmt.Errorf("%w: more than 1024 characters to strip", ErrLimit)
		}
		drop = func(r rune) bool { return strings.ContainsRune(chars, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, drop)
	}
	if right {
		s = strings.TrimRightFunc(s, drop)
	}
	return s, a.r.step(len(s) >> 10)
}

func replace(s string, a *args) (any, error) {
	old, err := a.need(0, "old")
	if err != nil {
		return nil, err
	}
	with, err := a.need(1, "new")
	if err != nil {
		return nil, err
	}
	from, okFrom := old.(string)
	to, okTo := with.(string)
	if !okFrom || !okTo {
		return nil, failf("replace() wants strings, not %s and %s", typeName(old), typeName(with))
	}
	limit := int64(-1)
	if v, ok := a.take(2, "count"); ok && v != nil {
		if limit, ok = integral(v); !ok {
			return nil, failf("argument 'count' must be int, not %s", typeName(v))
		}
	}
	n := strings.Count(s, from)
	if limit >= 0 {
		n = min(n, int(limit))
	}
	if err := a.r.grow(min(len(s)+n*max(len(to)-len(from), 0), maxText+1)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func split(s string, a *args, fromRight bool) (any, error) {
	v, _ := a.take(0, "sep")
	limit, err := a.number(1, "maxsplit", -1)
	if err != nil {
		return nil, err
	}
	sep, ok := v.(string)
	switch {
	case v == nil:
		if limit >= 0 {
			return nil, failf("split() at white space with a limit is not supported")
		}
		if err := a.r.items(len(s)/2 + 1); err != nil {
			return nil, err
		}
		return texts(a.r, strings.FieldsFunc(s, isSpace))
	case !ok:
		return nil, failf("must be str or None, not %s", typeName(v))
	case sep == "":
		return nil, failf("empty separator")
	}
	n := strings.Count(s, sep)
	if limit >= 0 {
		n = min(n, int(limit))
	}
	if err := a.r.items(n + 1); err != nil {
		return nil, err
	}
	if !fromRight {
		return texts(a.r, strings.SplitN(s, sep, n+1))
	}
	var parts []string
	for range n {
		i := strings.LastIndex(s, sep)
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return texts(a.r, parts)
}

// affix is startswith and endswith: of one string or of any in a tuple.
func affix(s string, a *args, name string, has func(string, string) bool) (any, error) {
	v, err := a.need(0, name)
	if err != nil {
		return nil, err
	}
	options := []any{v}
	if t, ok := v.(Tuple); ok {
		options = t
	}
	for _, o := range options {
		t, ok := o.(string)
		if !ok {
			return nil, failf("first arg must be str or a tuple of str, not %s", typeName(o))
		}
		if has(s, t) {
			return true, nil
		}
	}
	return false, nil
}

func runeIndex(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(len([]rune(s[:i])))
}

// Changes of case: Python follows Unicode's full mapping, Go the simple one;
// they differ for ß and a few ligatures.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

func lower(s string) string { return strings.ToLower(s) }

func capitalize(s string) string {
	for i, r := range s {
		if i > 0 {
			return string(unicode.ToTitle([]rune(s)[0])) + lower(s[i:])
		}
		_ = r
	}
	return strings.ToTitle(s)
}
