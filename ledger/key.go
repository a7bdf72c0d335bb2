package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Key is a complete description of some work: its kind, the version of the code that does that kind of work, and
// everything else that can change the outcome, each under the name of the role it plays. Two inputs that swap roles
// therefore make another key. Inputs are named by the digests of their contents.
type Key struct {
	Kind    string // "capture"; letters, digits and . _ / -
	Version int    // raised when the kind's numbers change, and only then
	Fields  []Field
}

// A Field is one thing the outcome depends on. Roles are unique within a key.
type Field struct {
	Role  string
	Value Value
}

// A ValueType says how a Value is to be read. It is part of the encoding: text "1" and number 1 differ.
type ValueType byte

// The types of values, as encoded.
const (
	TextType   ValueType = iota + 1 // UTF-8
	IntType                         // 8 bytes, big-endian, two's complement
	BoolType                        // one byte, 0 or 1
	FloatType                       // 8 bytes, big-endian, IEEE 754; never NaN or -0
	DigestType                      // 32 bytes
	BytesType                       // as they are
	JSONType                        // canonical
	ListType                        // values, in order
	SetType                         // values in the order of their encodings, each once
)

// A Value is one typed value; its zero is not valid. Values are comparable, and equal when they mean the same.
type Value struct {
	typ     ValueType
	payload string
}

// NewKey starts a key. The builder methods below add fields and return the key. They panic on a role given twice
// and on values that have no encoding: such keys are bugs of their makers.
func NewKey(kind string, version int) *Key {
	if err := checkKind(kind); err != nil || version < 0 {
		panic(fmt.Sprintf("ledger: key %q version %d: %v", kind, version, err))
	}
	return &Key{Kind: kind, Version: version, Fields: make([]Field, 0, 12)}
}

func checkKind(kind string) error {
	if kind == "" || len(kind) > 100 {
		return errors.New("kind is empty or longer than 100")
	}
	for _, c := range []byte(kind) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._/-", rune(c)) {
			return fmt.Errorf("kind holds %q", c)
		}
	}
	return nil
}

// Set adds a field of any type. Fields are kept in ascending order of roles.
func (k *Key) Set(role string, v Value) *Key {
	if role == "" || !utf8.ValidString(role) || v.typ == 0 {
		panic(fmt.Sprintf("ledger: key %s: role %q with a value of type %d", k.Kind, role, v.typ))
	}
	f := Field{role, v}
	at, taken := slices.BinarySearchFunc(k.Fields, f, byRole)
	if taken {
		panic(fmt.Sprintf("ledger: key %s: role %q twice", k.Kind, role))
	}
	k.Fields = slices.Insert(k.Fields, at, f)
	return k
}

// Clone copies a key, with room for so many more fields: thousands of keys that differ in a field or two begin as one.
func (k *Key) Clone(more int) *Key {
	return &Key{k.Kind, k.Version, append(make([]Field, 0, len(k.Fields)+more), k.Fields...)}
}

// Text adds a string.
func (k *Key) Text(role, v string) *Key { return k.Set(role, TextValue(v)) }

// Int adds a whole number.
func (k *Key) Int(role string, v int64) *Key { return k.Set(role, IntValue(v)) }

// Bool adds a truth value.
func (k *Key) Bool(role string, v bool) *Key { return k.Set(role, BoolValue(v)) }

// Float adds a number. It panics on NaN.
func (k *Key) Float(role string, v float64) *Key { return k.Set(role, FloatValue(v)) }

// Digest adds the digest of an input.
func (k *Key) Digest(role string, v Digest) *Key { return k.Set(role, DigestValue(v)) }

// Bytes adds raw bytes. Long ones belong in a blob, with their digest here.
func (k *Key) Bytes(role string, v []byte) *Key { return k.Set(role, BytesValue(v)) }

// JSON adds anything encoding/json marshals, canonically: reordering members or respelling numbers changes nothing.
// A []byte or json.RawMessage is taken as JSON text. It panics on what is not JSON.
func (k *Key) JSON(role string, v any) *Key { return k.Set(role, JSONValue(v)) }

// List adds values whose order matters.
func (k *Key) List(role string, v ...Value) *Key { return k.Set(role, ListValue(v...)) }

// Texts adds a list of strings.
func (k *Key) Texts(role string, v ...string) *Key { return k.Set(role, listOf(TextValue, v)) }

// Ints adds a list of whole numbers.
func (k *Key) Ints(role string, v ...int64) *Key { return k.Set(role, listOf(IntValue, v)) }

// Digests adds a list of digests.
func (k *Key) Digests(role string, v ...Digest) *Key { return k.Set(role, listOf(DigestValue, v)) }

func listOf[T any](f func(T) Value, v []T) Value {
	list := make([]Value, len(v))
	for i, x := range v {
		list[i] = f(x)
	}
	return ListValue(list...)
}

// TextValue is a string. It panics if v is not UTF-8.
func TextValue(v string) Value {
	if !utf8.ValidString(v) {
		panic(fmt.Sprintf("ledger: text %.40q is not UTF-8", v))
	}
	return Value{TextType, v}
}

// IntValue is a whole number.
func IntValue(v int64) Value { return Value{IntType, string(appendInt64(nil, v))} }

// BoolValue is a truth value.
func BoolValue(v bool) Value {
	if v {
		return Value{BoolType, "\x01"}
	}
	return Value{BoolType, "\x00"}
}

// FloatValue is a number; -0 is 0. It panics on NaN, which equals nothing.
func FloatValue(v float64) Value {
	if math.IsNaN(v) {
		panic("ledger: NaN in a key")
	}
	return Value{FloatType, string(appendUint64(nil, math.Float64bits(v+0)))}
}

// DigestValue is the digest of an input.
func DigestValue(v Digest) Value { return Value{DigestType, string(v[:])} }

// BytesValue is raw bytes.
func BytesValue(v []byte) Value { return Value{BytesType, string(v)} }

// JSONValue is a document; see Key.JSON.
func JSONValue(v any) Value {
	raw, ok := v.([]byte)
	if msg, isRaw := v.(json.RawMessage); isRaw {
		raw, ok = msg, true
	}
	var err error
	if !ok {
		raw, err = json.Marshal(v)
	}
	if err == nil {
		raw, err = canonicalJSON(raw)
	}
	if err != nil {
		panic(fmt.Sprintf("ledger: json value of a key: %v", err))
	}
	return Value{JSONType, string(raw)}
}

// ListValue is values whose order matters.
func ListValue(v ...Value) Value {
	b := binary.AppendUvarint(nil, uint64(len(v)))
	for _, x := range v {
		b = x.append(b)
	}
	return Value{ListType, string(b)}
}

// SetValue is values whose order and repetition do not matter.
func SetValue(v ...Value) Value {
	enc := make([][]byte, len(v))
	for i, x := range v {
		enc[i] = x.append(nil)
	}
	slices.SortFunc(enc, bytes.Compare)
	enc = slices.CompactFunc(enc, bytes.Equal)
	b := binary.AppendUvarint(nil, uint64(len(enc)))
	return Value{SetType, string(append(b, bytes.Join(enc, nil)...))}
}

func (v Value) append(b []byte) []byte { return appendBytes(append(b, byte(v.typ)), v.payload) }

// Type says how to read the value.
func (v Value) Type() ValueType { return v.typ }

// Text returns a text, or the canonical text of a JSON value.
func (v Value) Text() (string, bool) { return v.payload, v.typ == TextType || v.typ == JSONType }

// Int returns a whole number.
func (v Value) Int() (int64, bool) {
	if v.typ != IntType {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64([]byte(v.payload))), true
}

// Digest returns a digest.
func (v Value) Digest() (d Digest, ok bool) {
	if v.typ != DigestType {
		return d, false
	}
	copy(d[:], v.payload)
	return d, true
}

// Bytes returns raw bytes, or nil.
func (v Value) Bytes() []byte {
	if v.typ != BytesType {
		return nil
	}
	return []byte(v.payload)
}

// List returns the members of a list or a set.
func (v Value) List() []Value {
	if v.typ != ListType && v.typ != SetType {
		return nil
	}
	r := &wireReader{b: []byte(v.payload)}
	list := make([]Value, r.count(2))
	for i := range list {
		list[i] = readValue(r, 0)
	}
	return list
}

// String shows the value to people.
func (v Value) String() string {
	switch v.typ {
	case TextType:
		return strconv.Quote(v.payload)
	case IntType:
		n, _ := v.Int()
		return strconv.FormatInt(n, 10)
	case BoolType:
		return strconv.FormatBool(v.payload == "\x01")
	case FloatType:
		f := math.Float64frombits(binary.BigEndian.Uint64([]byte(v.payload)))
		return strconv.FormatFloat(f, 'g', -1, 64)
	case DigestType:
		d, _ := v.Digest()
		return d.String()
	case BytesType:
		return fmt.Sprintf("%x", v.payload)
	case JSONType:
		return v.payload
	case ListType, SetType:
		var s []string
		for _, x := range v.List() {
			s = append(s, x.String())
		}
		if v.typ == SetType {
			return "{" + strings.Join(s, ", ") + "}"
		}
		return "[" + strings.Join(s, ", ") + "]"
	}
	return "invalid"
}

// keyMagic begins every encoded key, so that no key can be taken for another record or a blob.
const keyMagic = "swaprun key 1\n"

// Encode writes the key's pre-image: the magic line, kind, version, and the fields sorted by role, each as role,
// type and payload, every part with its length. No two different keys encode alike, and the order in which fields
// were added does not show.
func (k *Key) Encode() []byte { return k.append(make([]byte, 0, 64+64*len(k.Fields))) }

func (k *Key) append(b []byte) []byte {
	fields := k.sorted()
	b = append(b, keyMagic...)
	b = appendBytes(b, k.Kind)
	b = binary.AppendUvarint(b, uint64(k.Version))
	b = binary.AppendUvarint(b, uint64(len(fields)))
	for _, f := range fields {
		b = appendBytes(b, f.Role)
		b = f.Value.append(b)
	}
	return b
}

// sorted returns the fields by role; those of a key that was put together without Set may have any order.
func (k *Key) sorted() []Field {
	if slices.IsSortedFunc(k.Fields, byRole) {
		return k.Fields
	}
	return slices.SortedFunc(slices.Values(k.Fields), byRole)
}

func byRole(x, y Field) int { return strings.Compare(x.Role, y.Role) }

// ID is the hash of the key's encoding.
func (k *Key) ID() ActionID {
	b := keyBuffers.Get().(*[]byte)
	*b = k.append((*b)[:0])
	id := sha256.Sum256(*b)
	keyBuffers.Put(b)
	return id
}

// keyBuffers hold encodings that are only hashed.
var keyBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Get returns the value in a role.
func (k *Key) Get(role string) (Value, bool) {
	for _, f := range k.Fields {
		if f.Role == role {
			return f.Value, true
		}
	}
	return Value{}, false
}

// Inputs lists every digest the key names, in the order of roles, lists included.
func (k *Key) Inputs() []Digest {
	var out []Digest
	var walk func(v Value)
	walk = func(v Value) {
		if d, ok := v.Digest(); ok {
			out = append(out, d)
		}
		for _, x := range v.List() {
			walk(x)
		}
	}
	for _, f := range k.Fields {
		walk(f.Value)
	}
	return out
}

// String shows the key to people: kind and version, then one line for each field.
func (k *Key) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d\n", k.Kind, k.Version)
	for _, f := range k.Fields {
		fmt.Fprintf(&b, "  %s: %s\n", f.Role, f.Value)
	}
	return b.String()
}

// DecodeKey reads what Encode wrote, and nothing else: whatever it accepts encodes to the same bytes again.
func DecodeKey(b []byte) (*Key, error) {
	text, ok := bytes.CutPrefix(b, []byte(keyMagic))
	if !ok {
		return nil, fmt.Errorf("key: does not begin with %q", keyMagic)
	}
	r := &wireReader{b: text}
	k := &Key{Kind: r.text()}
	version := r.length()
	if r.err == nil {
		r.err = checkKind(k.Kind)
	}
	if k.Version = int(version); version > math.MaxInt32 {
		r.fail(fmt.Errorf("version %d", version))
	}
	k.Fields = make([]Field, r.count(3))
	for i := range k.Fields {
		f := Field{Role: r.text()}
		f.Value = readValue(r, 0)
		if r.err == nil && (f.Role == "" || !utf8.ValidString(f.Role) || i > 0 && f.Role <= k.Fields[i-1].Role) {
			r.fail(fmt.Errorf("role %.40q is empty, not UTF-8 or out of order", f.Role))
		}
		k.Fields[i] = f
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return k, nil
}

// readValue reads one value and checks that it is the only spelling of its meaning.
func readValue(r *wireReader, depth int) Value {
	v := Value{typ: ValueType(r.byte())}
	v.payload = string(r.bytes())
	if r.err == nil {
		if err := v.check(depth); err != nil {
			r.fail(err)
		}
	}
	return v
}

// width is the length of a payload that has only one, else 0.
func (t ValueType) width() int {
	switch t {
	case IntType, FloatType:
		return 8
	case BoolType:
		return 1
	case DigestType:
		return len(Digest{})
	}
	return 0
}

func (v Value) check(depth int) error {
	if n := v.typ.width(); n > 0 && len(v.payload) != n {
		return fmt.Errorf("value of type %d takes %d bytes, found %d", v.typ, n, len(v.payload))
	}
	switch v.typ {
	case TextType:
		if !utf8.ValidString(v.payload) {
			return errors.New("text is not UTF-8")
		}
	case BoolType:
		if v.payload[0] > 1 {
			return errors.New("truth value beyond 1")
		}
	case FloatType:
		bits := binary.BigEndian.Uint64([]byte(v.payload))
		if math.IsNaN(math.Float64frombits(bits)) || bits == 1<<63 {
			return errors.New("float is NaN or -0")
		}
	case JSONType:
		c, err := canonicalJSON([]byte(v.payload))
		if err != nil {
			return err
		}
		if string(c) != v.payload {
			return errors.New("json is not canonical")
		}
	case ListType, SetType:
		if depth > maxDepth {
			return fmt.Errorf("lists nested deeper than %d", maxDepth)
		}
		r := &wireReader{b: []byte(v.payload)}
		var last []byte
		for n := r.count(2); n > 0 && r.err == nil; n-- {
			rest := r.b
			readValue(r, depth+1)
			enc := rest[:len(rest)-len(r.b)]
			if v.typ == SetType && last != nil && bytes.Compare(last, enc) >= 0 {
				return errors.New("set out of order")
			}
			last = enc
		}
		return r.done()
	case IntType, DigestType, BytesType:
	default:
		return fmt.Errorf("unknown type of value %d", v.typ)
	}
	return nil
}
