package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Bounds on a pickle: that of a checkpoint with 700 tensors has 150 kB, 6000 memo entries and a stack of a few hundred.
const (
	maxPickle = 32 << 20
	maxStack  = 1 << 18
	maxMemo   = 1 << 18
	maxItems  = 1 << 20 // in all dictionaries, lists and tuples together
)

// What a pickle can hold here: nil, bool, int64, float64, string, tuple, *list, *dict, global, storage, tensor.
type (
	tuple  []any
	list   struct{ items []any }
	global string // module.name
	mark   struct{}

	// A dict keeps its keys' order.
	dict struct {
		keys   []string
		values map[string]any
	}
	// A storage is the elements of one entry data/<key>.
	storage struct {
		dtype global // torch.FloatStorage …
		key   string
		numel int64
	}
	// A tensor is a view of a storage, all in elements.
	tensor struct {
		storage       storage
		offset        int64
		shape, stride []int64
	}
)

// kind names a value in errors. Values themselves are not printed: they may be nested without end.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a truth value"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case string:
		return "a text"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case global:
		return string(v)
	case storage:
		return "a storage"
	case tensor:
		return "a tensor"
	}
	return "nothing"
}

const (
	orderedDict    global = "collections.OrderedDict"
	rebuildTensor  global = "torch._utils._rebuild_tensor_v2"
	rebuildWrapped global = "torch._utils._rebuild_parameter"
)

func known(g global) bool {
	_, isStorage := storages[g]
	return isStorage || g == orderedDict || g == rebuildTensor || g == rebuildWrapped
}

// A machine reads a pickle: Python's Lib/pickle.py has the operations, of which the constructors of objects are left out.
type machine struct {
	in    []byte
	at    int
	stack []any
	memo  map[uint32]any
	items int
}

var errShort = errors.New("the pickle ends in the middle")

// unpickle reads the value a pickle describes, without running anything.
func unpickle(in []byte) (any, error) {
	m := machine{in: in, memo: map[uint32]any{}}
	for {
		at := m.at
		op, err := m.byte()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			if len(m.stack) != 1 {
				return nil, fmt.Errorf("byte %d: the pickle leaves %d values, not one", at, len(m.stack))
			}
			return m.pop()
		}
		if err := m.step(op); err != nil {
			return nil, fmt.Errorf("byte %d: %w", at, err)
		}
	}
}

func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.at) {
		return nil, errShort
	}
	b := m.in[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

func (m *machine) byte() (byte, error) {
	b, err := m.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// number reads a little-endian number of n bytes.
func (m *machine) number(n int) (uint64, error) {
	b, err := m.take(uint64(n))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// text reads a length of n bytes, and that much text.
func (m *machine) text(n int) (string, error) {
	length, err := m.number(n)
	if err != nil {
		return "", err
	}
	b, err := m.take(length)
	if err != nil {
		return "", fmt.Errorf("a text of %d bytes: %w", length, err)
	}
	if !utf8.Valid(b) {
		return "", errors.New("a text is not UTF-8")
	}
	return string(b), nil
}

func (m *machine) line() (string, error) {
	for i := m.at; i < len(m.in); i++ {
		if m.in[i] == '\n' {
			s := string(m.in[m.at:i])
			m.at = i + 1
			return s, nil
		}
	}
	return "", errShort
}

func (m *machine) push(v any) error {
	if len(m.stack) >= maxStack {
		return fmt.Errorf("more than %d values at once", maxStack)
	}
	m.stack = append(m.stack, v)
	return nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err != nil {
		return nil, err
	}
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("a value is taken and there is none")
	}
	v := m.stack[len(m.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errors.New("a value is taken and there is none after the mark")
	}
	return v, nil
}

// last takes n values.
func (m *machine) last(n int) (tuple, error) {
	out := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := m.pop()
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, m.count(n)
}

// marked takes everything after the last mark, and the mark.
func (m *machine) marked() (tuple, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			out := append(tuple(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return out, m.count(len(out))
		}
	}
	return nil, errors.New("no mark")
}

// count bounds what containers hold: every value costs a byte of the pickle at least, except that get and dup make many of one.
func (m *machine) count(n int) error {
	if m.items += n; m.items > maxItems {
		return fmt.Errorf("more than %d values", maxItems)
	}
	return nil
}

func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		version, err := m.byte()
		if err == nil && (version < 2 || version > 5) {
			err = fmt.Errorf("pickle protocol %d; 2 to 5 are read", version)
		}
		return err
	case 0x95: // FRAME: a length for readers of streams
		_, err := m.number(8)
		return err
	case '(':
		return m.push(mark{})
	case '0': // POP
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.marked()
		return err
	case '2': // DUP
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.push(v)
	case 'N':
		return m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88)
	case 'J', 'K', 'M': // BININT, BININT1, BININT2
		n, err := m.number(map[byte]int{'J': 4, 'K': 1, 'M': 2}[op])
		if err != nil {
			return err
		}
		if op == 'J' {
			return m.push(int64(int32(uint32(n))))
		}
		return m.push(int64(n))
	case 0x8a: // LONG1
		return m.long()
	case 'G': // BINFLOAT, the one number that is big-endian
		b, err := m.take(8)
		if err != nil {
			return err
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case 0x8c, 'X', 0x8d: // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
		s, err := m.text(map[byte]int{0x8c: 1, 'X': 4, 0x8d: 8}[op])
		if err != nil {
			return err
		}
		return m.push(s)
	case ')', 0x85, 0x86, 0x87: // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3
		t, err := m.last(map[byte]int{')': 0, 0x85: 1, 0x86: 2, 0x87: 3}[op])
		if err != nil {
			return err
		}
		return m.push(t)
	case 't': // TUPLE
		t, err := m.marked()
		if err != nil {
			return err
		}
		return m.push(t)
	case ']':
		return m.push(&list{})
	case '}':
		return m.push(&dict{values: map[string]any{}})
	case 'l': // LIST
		t, err := m.marked()
		if err != nil {
			return err
		}
		return m.push(&list{items: t})
	case 'd': // DICT
		t, err := m.marked()
		if err != nil {
			return err
		}
		if err := m.push(&dict{values: map[string]any{}}); err != nil {
			return err
		}
		return m.set(t)
	case 'a', 'e': // APPEND, APPENDS
		return m.extend(op == 'a')
	case 's': // SETITEM
		t, err := m.last(2)
		if err != nil {
			return err
		}
		return m.set(t)
	case 'u': // SETITEMS
		t, err := m.marked()
		if err != nil {
			return err
		}
		return m.set(t)
	case 'q', 'r', 0x94: // BINPUT, LONG_BINPUT, MEMOIZE
		return m.put(op)
	case 'h', 'j': // BINGET, LONG_BINGET
		n, err := m.number(map[byte]int{'h': 1, 'j': 4}[op])
		if err != nil {
			return err
		}
		v, ok := m.memo[uint32(n)]
		if !ok {
			return fmt.Errorf("memo entry %d is not there", n)
		}
		return m.push(v)
	case 'c': // GLOBAL
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		return m.global(module, name)
	case 0x93: // STACK_GLOBAL
		t, err := m.last(2)
		if err != nil {
			return err
		}
		module, ok1 := t[0].(string)
		name, ok2 := t[1].(string)
		if !ok1 || !ok2 {
			return fmt.Errorf("a name made of %s and %s", kind(t[0]), kind(t[1]))
		}
		return m.global(module, name)
	case 'Q': // BINPERSID
		v, err := m.pop()
		if err != nil {
			return err
		}
		s, err := newStorage(v)
		if err != nil {
			return err
		}
		return m.push(s)
	case 'R': // REDUCE
		t, err := m.last(2)
		if err != nil {
			return err
		}
		v, err := reduce(t[0], t[1])
		if err != nil {
			return err
		}
		return m.push(v)
	case 'b': // BUILD
		// It would give an object attributes. An OrderedDict of a module's tensors carries some (_metadata), of no consequence.
		t, err := m.last(2)
		if err != nil {
			return err
		}
		if _, ok := t[0].(*dict); !ok {
			return fmt.Errorf("attributes are given to %s", kind(t[0]))
		}
		return m.push(t[0])
	}
	return fmt.Errorf("operation 0x%02x has no place in a state dict", op)
}

func (m *machine) long() error {
	n, err := m.byte()
	if err != nil {
		return err
	}
	if n > 8 {
		return fmt.Errorf("an integer of %d bytes", n)
	}
	b, err := m.take(uint64(n))
	if err != nil {
		return err
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	return m.push(v)
}

func (m *machine) put(op byte) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	n := uint64(len(m.memo)) // what MEMOIZE counts by
	if op != 0x94 {
		if n, err = m.number(map[byte]int{'q': 1, 'r': 4}[op]); err != nil {
			return err
		}
	}
	if len(m.memo) >= maxMemo {
		return fmt.Errorf("more than %d memo entries", maxMemo)
	}
	m.memo[uint32(n)] = v
	return nil
}

func (m *machine) extend(one bool) error {
	var t tuple
	var err error
	if one {
		t, err = m.last(1)
	} else {
		t, err = m.marked()
	}
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	l, ok := v.(*list)
	if !ok {
		return fmt.Errorf("values are appended to %s", kind(v))
	}
	l.items = append(l.items, t...)
	return nil
}

// set puts keys and values, in turn, into the dictionary on top.
func (m *machine) set(t tuple) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("entries are given to %s", kind(v))
	}
	if len(t)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(t); i += 2 {
		key, ok := t[i].(string)
		if !ok {
			return fmt.Errorf("a key is %s, not a text", kind(t[i]))
		}
		if _, ok := d.values[key]; ok {
			return fmt.Errorf("key %.200q is given twice", key)
		}
		d.keys = append(d.keys, key)
		d.values[key] = t[i+1]
	}
	return nil
}

func (m *machine) global(module, name string) error {
	g := global(module + "." + name)
	if !known(g) {
		return fmt.Errorf("the pickle asks for %.200q, which no state dict needs; nothing was run", string(g))
	}
	return m.push(g)
}

// newStorage reads the persistent id ("storage", type, key, device, number of elements).
func newStorage(v any) (storage, error) {
	t, ok := v.(tuple)
	if !ok || len(t) != 5 || t[0] != any("storage") {
		return storage{}, errors.New("a persistent id is not that of a storage")
	}
	dtype, ok1 := t[1].(global)
	key, ok2 := t[2].(string)
	_, ok3 := t[3].(string)
	numel, ok4 := t[4].(int64)
	if _, ok := storages[dtype]; !ok || !ok1 || !ok2 || !ok3 || !ok4 || numel < 0 {
		return storage{}, fmt.Errorf("a storage of %s, key %s, device %s, size %s", kind(t[1]), kind(t[2]), kind(t[3]), kind(t[4]))
	}
	return storage{dtype: dtype, key: key, numel: numel}, nil
}

// reduce is the call of f with args, for the functions known here.
func reduce(f, args any) (any, error) {
	g, ok := f.(global)
	if !ok {
		return nil, fmt.Errorf("%s is called", kind(f))
	}
	t, ok := args.(tuple)
	if !ok {
		return nil, fmt.Errorf("%s is called with %s", g, kind(args))
	}
	switch g {
	case orderedDict:
		if len(t) != 0 {
			return nil, fmt.Errorf("%s is called with %d arguments, expected none", g, len(t))
		}
		return &dict{values: map[string]any{}}, nil
	case rebuildTensor:
		// storage, offset, size, stride, requires_grad, backward_hooks, and in newer files metadata
		if len(t) < 6 || len(t) > 7 {
			return nil, fmt.Errorf("%s is called with %d arguments, expected 6 or 7", g, len(t))
		}
		s, ok1 := t[0].(storage)
		offset, ok2 := t[1].(int64)
		shape, ok3 := integers(t[2])
		stride, ok4 := integers(t[3])
		if !ok1 || !ok2 || !ok3 || !ok4 || offset < 0 || len(shape) != len(stride) {
			return nil, fmt.Errorf("a tensor of %s, offset %s, shape %s, strides %s", kind(t[0]), kind(t[1]), kind(t[2]), kind(t[3]))
		}
		return tensor{storage: s, offset: offset, shape: shape, stride: stride}, nil
	case rebuildWrapped: // tensor, requires_grad, backward_hooks
		if len(t) == 3 {
			if v, ok := t[0].(tensor); ok {
				return v, nil
			}
		}
		return nil, fmt.Errorf("%s is called with other than a tensor", g)
	}
	return nil, fmt.Errorf("%s is called, which is no function", g)
}

// integers reads a tuple of at most maxRank numbers, none negative.
func integers(v any) ([]int64, bool) {
	t, ok := v.(tuple)
	if !ok || len(t) > maxRank {
		return nil, false
	}
	out := make([]int64, len(t))
	for i := range t {
		if out[i], ok = t[i].(int64); !ok || out[i] < 0 {
			return nil, false
		}
	}
	return out, true
}
