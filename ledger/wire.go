package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The one binary notation of keys, entries and index rows: fixed-width big-endian integers, minimal uvarints, and
// byte strings with a uvarint length before them. Every value has exactly one encoding, and a reader accepts no
// other.

func appendBytes[T []byte | string](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func appendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func uint64Key(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

var errShort = errors.New("cut short")

// A wireReader consumes the notation from the front of b. The first failure sticks; later reads give zeros.
type wireReader struct {
	b   []byte
	err error
}

func (r *wireReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *wireReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *wireReader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *wireReader) uint64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *wireReader) int64() int64 { return int64(r.uint64()) }

func (r *wireReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail(errShort)
		return 0
	case n > 1 && r.b[n-1] == 0:
		r.fail(errors.New("a number is padded"))
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the number of items that follow, of at least size bytes each, so that a lie cannot cost memory.
func (r *wireReader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail(fmt.Errorf("%d items in %d bytes", n, len(r.b)))
		return 0
	}
	return int(n)
}

// length reads a number that must fit an int64 and not be negative there.
func (r *wireReader) length() int64 {
	n := r.uvarint()
	if n > math.MaxInt64 {
		r.fail(fmt.Errorf("%d is too large", n))
		return 0
	}
	return int64(n)
}

func (r *wireReader) bytes() []byte { return r.take(r.count(1)) }

func (r *wireReader) text() string { return string(r.bytes()) }

func (r *wireReader) hash() (h [32]byte) {
	copy(h[:], r.take(32))
	return h
}

// done fails unless everything was read.
func (r *wireReader) done() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(fmt.Errorf("%d bytes too many", len(r.b)))
	}
	return r.err
}
