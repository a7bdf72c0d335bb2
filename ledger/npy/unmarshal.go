package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxHeader bounds the header of a file; numpy itself refuses longer ones than 10,000 bytes.
const maxHeader = 64 << 10

// maxRank is numpy's own limit on dimensions.
const maxRank = 64

// A layout is what a header says.
type layout struct {
	dtype   DType
	width   int // code points a Unicode element takes
	fortran bool
	shape   []int
	count   int
	bytes   int // of data
}

// Unmarshal reads an .npy file of format 1.0, 2.0 or 3.0, in C or Fortran order. The array owns its memory; nothing
// of b is kept. Memory stays within a small multiple of len(b), whatever the header claims.
func Unmarshal(b []byte) (*Array, error) {
	lay, n, err := parseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	body := b[n:]
	if len(body) != lay.bytes {
		return nil, fmt.Errorf("npy: %w: shape %v of %s needs %d bytes of data, found %d", ErrFormat, lay.shape, lay.dtype, lay.bytes, len(body))
	}
	a, err := lay.decode(body)
	if err != nil {
		return nil, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	return a, nil
}

// parseHeader reads what stands before the data and returns the offset of the data.
func parseHeader(b []byte) (*layout, int, error) {
	if len(b) < 10 || string(b[:6]) != magic {
		return nil, 0, fmt.Errorf("the magic string is missing")
	}
	var size, start int
	switch major, minor := b[6], b[7]; {
	case major == 1 && minor == 0:
		size, start = int(binary.LittleEndian.Uint16(b[8:])), 10
	case (major == 2 || major == 3) && minor == 0:
		if len(b) < 12 {
			return nil, 0, io.ErrUnexpectedEOF
		}
		n := binary.LittleEndian.Uint32(b[8:])
		if n > maxHeader {
			return nil, 0, fmt.Errorf("header of %d bytes, at most %d expected", n, maxHeader)
		}
		size, start = int(n), 12
	default:
		return nil, 0, fmt.Errorf("format %d.%d, expected 1.0, 2.0 or 3.0", major, minor)
	}
	if len(b)-start < size {
		return nil, 0, fmt.Errorf("header of %d bytes cut short", size)
	}
	lay, err := parseDict(string(b[start : start+size]))
	if err != nil {
		return nil, 0, fmt.Errorf("header: %w", err)
	}
	return lay, start + size, nil
}

// parseDict reads the Python literal numpy writes: three known names, each once, in any order. It is a reader for
// exactly that, not for Python.
func parseDict(text string) (*layout, error) {
	p := &dictParser{rest: text}
	lay := &layout{}
	seen := map[string]bool{}
	p.want("{")
	for p.err == nil && !p.have("}") {
		name := p.str()
		p.want(":")
		if p.err != nil {
			break
		}
		if seen[name] {
			return nil, fmt.Errorf("%q twice", name)
		}
		seen[name] = true
		switch name {
		case "descr":
			if p.peek("[") {
				return nil, fmt.Errorf("structured arrays are not read")
			}
			if d := p.str(); p.err == nil {
				p.err = lay.setDescr(d)
			}
		case "fortran_order":
			switch {
			case p.have("True"):
				lay.fortran = true
			case p.have("False"):
			default:
				p.fail("True or False")
			}
		case "shape":
			lay.shape = p.tuple()
		default:
			return nil, fmt.Errorf("unknown name %q", name)
		}
		if !p.have(",") && !p.peek("}") {
			p.fail(`"," or "}"`)
		}
	}
	if p.err == nil && strings.TrimSpace(p.rest) != "" {
		p.fail("the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	for _, name := range []string{"descr", "fortran_order", "shape"} {
		if !seen[name] {
			return nil, fmt.Errorf("%q is missing", name)
		}
	}
	n, ok := count(lay.shape)
	per := lay.dtype.size() * max(lay.width, 1)
	if !ok || n > math.MaxInt/per {
		return nil, fmt.Errorf("shape %v is absurd", lay.shape)
	}
	lay.count, lay.bytes = n, n*per
	return lay, nil
}

func (lay *layout) setDescr(d string) error {
	for t := Bool; t < Unicode; t++ {
		if d == descr(t, 0) {
			lay.dtype = t
			return nil
		}
	}
	if d == "?" {
		lay.dtype = Bool
		return nil
	}
	if w, ok := strings.CutPrefix(d, "<U"); ok {
		n, err := strconv.Atoi(w)
		// Width 0 would let a file of no bytes claim any number of strings.
		if err != nil || n < 1 || n > 1<<24 || w[0] < '0' || w[0] > '9' {
			return fmt.Errorf("unicode width %q, expected 1 or more", w)
		}
		lay.dtype, lay.width = Unicode, n
		return nil
	}
	if strings.Contains(d, "O") {
		return fmt.Errorf("type %q is an object array: its data is a pickle, which is never executed here", d)
	}
	return fmt.Errorf("type %q, expected one of |b1 |u1 <i4 <i8 <f4 <f8 <Un", d)
}

// A dictParser consumes tokens from the front of rest; the first failure sticks.
type dictParser struct {
	rest string
	err  error
}

func (p *dictParser) skip() { p.rest = strings.TrimLeft(p.rest, " \n\t") }

func (p *dictParser) peek(tok string) bool {
	p.skip()
	return strings.HasPrefix(p.rest, tok)
}

func (p *dictParser) have(tok string) bool {
	if p.err != nil || !p.peek(tok) {
		return false
	}
	p.rest = p.rest[len(tok):]
	return true
}

func (p *dictParser) want(tok string) {
	if !p.have(tok) {
		p.fail(strconv.Quote(tok))
	}
}

func (p *dictParser) fail(expected string) {
	if p.err == nil {
		p.err = fmt.Errorf("expected %s at %.20q", expected, p.rest)
	}
}

func (p *dictParser) str() string {
	p.skip()
	if p.err == nil && p.rest != "" && (p.rest[0] == '\'' || p.rest[0] == '"') {
		if end := strings.IndexByte(p.rest[1:], p.rest[0]); end >= 0 && !strings.Contains(p.rest[1:1+end], `\`) {
			s := p.rest[1 : 1+end]
			p.rest = p.rest[end+2:]
			return s
		}
	}
	p.fail("a string")
	return ""
}

func (p *dictParser) tuple() []int {
	shape := []int{}
	p.want("(")
	for p.err == nil && !p.have(")") {
		p.skip()
		n := 0
		for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
			n++
		}
		d, err := strconv.Atoi(p.rest[:n])
		if err != nil {
			p.fail("a dimension")
			return nil
		}
		p.rest = p.rest[n:]
		p.have("L") // Python 2 wrote long integers so
		shape = append(shape, d)
		if len(shape) > maxRank {
			p.fail(fmt.Sprintf("at most %d dimensions", maxRank))
			return nil
		}
		if !p.have(",") && !p.peek(")") {
			p.fail(`"," or ")"`)
		}
	}
	return shape
}

// decode turns exactly lay.bytes bytes into an array.
func (lay *layout) decode(b []byte) (*Array, error) {
	switch lay.dtype {
	case Bool:
		v := make([]bool, lay.count)
		for i := range v {
			v[i] = b[i] != 0
		}
		return inOrder(lay, v), nil
	case Uint8:
		return inOrder(lay, append(make([]uint8, 0, lay.count), b...)), nil
	case Int32:
		v := make([]int32, lay.count)
		for i := range v {
			v[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return inOrder(lay, v), nil
	case Int64:
		v := make([]int64, lay.count)
		for i := range v {
			v[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
		return inOrder(lay, v), nil
	case Float32:
		v := make([]float32, lay.count)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return inOrder(lay, v), nil
	case Float64:
		v := make([]float64, lay.count)
		for i := range v {
			v[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
		return inOrder(lay, v), nil
	}
	v := make([]string, lay.count)
	text := make([]byte, 0, lay.width)
	for i := range v {
		cell := b[i*4*lay.width : (i+1)*4*lay.width]
		// Trailing NULs are padding; others belong to the string.
		for len(cell) > 0 && binary.LittleEndian.Uint32(cell[len(cell)-4:]) == 0 {
			cell = cell[:len(cell)-4]
		}
		text = text[:0]
		for ; len(cell) > 0; cell = cell[4:] {
			r := binary.LittleEndian.Uint32(cell)
			if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
				return nil, fmt.Errorf("string %d holds %#x, which is no code point", i, r)
			}
			text = utf8.AppendRune(text, rune(r))
		}
		v[i] = string(text)
	}
	return inOrder(lay, v), nil
}

// inOrder makes the array, turning column-major data into row-major.
func inOrder[T Element](lay *layout, v []T) *Array {
	a := &Array{DType: lay.dtype, Shape: lay.shape, data: v}
	if !lay.fortran || len(lay.shape) < 2 || len(v) == 0 {
		return a
	}
	out := make([]T, len(v))
	at := make([]int, len(lay.shape)) // the index of out's element, last dimension fastest
	stride := make([]int, len(lay.shape))
	for i, s := 0, 1; i < len(stride); i++ {
		stride[i] = s
		s *= lay.shape[i]
	}
	src := 0
	for i := range out {
		out[i] = v[src]
		for d := len(at) - 1; d >= 0; d-- {
			at[d]++
			src += stride[d]
			if at[d] < lay.shape[d] {
				break
			}
			src -= stride[d] * lay.shape[d]
			at[d] = 0
		}
	}
	a.data = out
	return a
}
