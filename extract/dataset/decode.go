package dataset

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Decode reads a set's JSON: what json.Unmarshal gives, several times as fast for a set as json.Marshal writes it, which is
// all a run with nothing to do has to read. Every other spelling is left to json.Unmarshal. The set refers to b, which must
// not be changed.
func Decode(b []byte) (*Set, error) {
	if s, ok := decodeSet(b); ok {
		return s, nil
	}
	s := new(Set)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, err
	}
	return s, nil
}

// decodeSet reads the long lists itself and hands all else on, as an object without them.
func decodeSet(b []byte) (*Set, bool) {
	r := &plainReader{b: b, s: string(b)}
	if !utf8.ValidString(r.s) {
		return nil, false // json.Unmarshal puts U+FFFD in its place
	}
	s := new(Set)
	lists := map[string]func(){
		"pairs":    func() { s.Pairs = r.pairs() },
		"rest":     func() { s.Rest = r.pairs() },
		"outcomes": func() { s.Outcomes = r.outcomes() },
	}
	seen := map[string]bool{}
	short := []byte{'{'}
	r.object(func(member string) {
		// json.Unmarshal takes the last of several, by a name in any case.
		name := strings.ToLower(member)
		if seen[name] || name != member {
			r.odd = true
		}
		seen[name] = true
		if read := lists[member]; read != nil && r.next() == '[' {
			read()
			return
		}
		from := r.at
		r.skip()
		if len(short) > 1 {
			short = append(short, ',')
		}
		quoted, _ := json.Marshal(member) // a string
		short = append(append(append(short, quoted...), ':'), r.s[from:r.at]...)
	})
	if r.odd || r.at != len(r.s) || json.Unmarshal(append(short, '}'), s) != nil {
		return nil, false
	}
	return s, true
}

// A plainReader reads JSON without white space whose members have the names and types they are asked for. The first thing
// that is otherwise makes it odd; what it gave is of no use then.
type plainReader struct {
	b   []byte
	s   string // the same
	at  int
	odd bool
}

// next is the byte to come, or 0.
func (r *plainReader) next() byte {
	if r.odd || r.at >= len(r.s) {
		return 0
	}
	return r.s[r.at]
}

func (r *plainReader) take(c byte) {
	if r.next() != c {
		r.odd = true
		return
	}
	r.at++
}

// object reads an object, calling member for each, which reads the value.
func (r *plainReader) object(member func(name string)) {
	r.take('{')
	if r.next() == '}' {
		r.at++
		return
	}
	for !r.odd {
		name := r.text()
		r.take(':')
		if r.odd {
			return
		}
		member(name)
		if r.next() != ',' {
			break
		}
		r.at++
	}
	r.take('}')
}

// array reads an array, calling element for each.
func (r *plainReader) array(element func()) {
	r.take('[')
	if r.next() == ']' {
		r.at++
		return
	}
	for !r.odd {
		element()
		if r.next() != ',' {
			break
		}
		r.at++
	}
	r.take(']')
}

// text reads a string.
func (r *plainReader) text() string {
	from := r.at + 1
	r.take('"')
	escaped := false
	for i := from; i < len(r.s) && !r.odd; i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.at = i + 1
			if !escaped {
				return r.s[from:i]
			}
			var text string
			r.odd = json.Unmarshal(r.b[from-1:r.at], &text) != nil
			return text
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.odd = true
		}
	}
	r.odd = true
	return ""
}

// number reads a whole number that no integer type is too small for.
func (r *plainReader) number() int {
	minus := r.next() == '-'
	if minus {
		r.at++
	}
	from, n := r.at, 0
	for c := r.next(); c >= '0' && c <= '9' && r.at-from < 9; c = r.next() {
		n = 10*n + int(c-'0')
		r.at++
	}
	if digits := r.at - from; digits == 0 || digits > 1 && r.s[from] == '0' {
		r.odd = true
	}
	if minus {
		n = -n
	}
	return n
}

func (r *plainReader) truth() bool {
	for _, v := range []string{"true", "false"} {
		if strings.HasPrefix(r.s[r.at:], v) {
			r.at += len(v)
			return v == "true"
		}
	}
	r.odd = true
	return false
}

// scalar reads a string, a number, a truth value or null, as it is written.
func (r *plainReader) scalar() json.RawMessage {
	from := r.at
	switch c := r.next(); {
	case c == '"':
		r.text()
	case c == '{' || c == '[':
		r.odd = true
	default:
		if n := strings.IndexAny(r.s[r.at:], ",]}"); n > 0 {
			r.at += n
		}
		r.odd = r.odd || strings.ContainsAny(r.s[from:r.at], " \t\r\n") || !json.Valid(r.b[from:r.at])
	}
	return json.RawMessage(r.b[from:r.at:r.at])
}

// skip passes over any value, well-formed or not.
func (r *plainReader) skip() {
	depth := 0
	for !r.odd {
		switch c := r.next(); {
		case c == '"':
			r.text()
		case c == '{' || c == '[':
			depth++
			r.at++
		case c == '}' || c == ']':
			depth--
			r.at++
		case c == 0 || depth == 0:
			n := strings.IndexAny(r.s[min(r.at, len(r.s)):], ",}")
			if n <= 0 {
				r.odd = true
				return
			}
			r.at += n
		default:
			r.at++
		}
		if depth <= 0 {
			r.odd = r.odd || depth < 0
			return
		}
	}
}

func (r *plainReader) pairs() []Pair {
	list := make([]Pair, 0, strings.Count(r.s[r.at:], `{"id":`))
	r.array(func() {
		var p Pair
		r.object(func(member string) {
			switch member {
			case "id":
				p.ID = r.text()
			case "row":
				p.Row = r.number()
			case "index":
				p.Index = r.scalar()
			case "question_id":
				p.QuestionID = r.text()
			case "category":
				p.Category = r.text()
			case "axis":
				p.Axis = r.text()
			case "first":
				p.First = r.text()
			case "second":
				p.Second = r.text()
			case "first_missing":
				p.FirstMissing = r.truth()
			case "second_missing":
				p.SecondMissing = r.truth()
			case "original":
				r.question(&p.Original)
			case "swapped":
				r.question(&p.Swapped)
			case "image":
				p.Image = r.text()
			case "image_error":
				p.ImageErr = r.text()
			default:
				r.odd = true
			}
		})
		list = append(list, p)
	})
	return list
}

func (r *plainReader) question(q *Question) {
	r.object(func(member string) {
		switch member {
		case "text":
			q.Text = r.text()
		case "answer":
			q.Answer = r.text()
		case "letters":
			if q.Letters == nil {
				q.Letters = map[string]string{}
			}
			r.object(func(answer string) { q.Letters[answer] = r.text() })
		default:
			r.odd = true
		}
	})
}

func (r *plainReader) outcomes() []Outcome {
	list := make([]Outcome, 0, strings.Count(r.s[r.at:], `{"row":`))
	r.array(func() {
		var o Outcome
		r.object(func(member string) {
			switch member {
			case "row":
				o.Row = r.number()
			case "line":
				o.Line = r.number()
			case "index":
				o.Index = r.scalar()
			case "question_id":
				o.QuestionID = r.text()
			case "category":
				o.Category = r.text()
			case "status":
				o.Status = Status(r.text())
			case "why":
				o.Why = r.text()
			default:
				r.odd = true
			}
		})
		list = append(list, o)
	})
	return list
}
