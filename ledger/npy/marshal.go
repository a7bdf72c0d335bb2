package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	magic = "\x93NUMPY"
	// headerAlign is where numpy lets the data begin: the first multiple of it after the header.
	headerAlign = 64
	// growthDigits: numpy leaves room in the header for the first dimension to grow to 21 digits in place.
	growthDigits = 21
)

// Marshal writes the array as .npy, format 1.0, row-major: the bytes numpy.save writes. The errors are strings that
// are not UTF-8 or end in NUL, which a fixed-width unicode array cannot hold.
func Marshal(a *Array) ([]byte, error) {
	width := 0
	if a.DType == Unicode {
		var err error
		if width, err = unicodeWidth(a.data.([]string)); err != nil {
			return nil, err
		}
	}
	head := header(descr(a.DType, width), a.Shape)
	per := a.DType.size() * max(width, 1)
	b := make([]byte, len(head)+a.Len()*per)
	body := b[copy(b, head):]
	switch v := a.data.(type) {
	case []bool:
		for i, x := range v {
			if x {
				body[i] = 1
			}
		}
	case []uint8:
		copy(body, v)
	case []int32:
		for i, x := range v {
			binary.LittleEndian.PutUint32(body[4*i:], uint32(x))
		}
	case []int64:
		for i, x := range v {
			binary.LittleEndian.PutUint64(body[8*i:], uint64(x))
		}
	case []float32:
		for i, x := range v {
			binary.LittleEndian.PutUint32(body[4*i:], math.Float32bits(x))
		}
	case []float64:
		for i, x := range v {
			binary.LittleEndian.PutUint64(body[8*i:], math.Float64bits(x))
		}
	case []string:
		for i, s := range v {
			j := i * per
			for _, r := range s {
				binary.LittleEndian.PutUint32(body[j:], uint32(r))
				j += 4
			}
		}
	}
	return b, nil
}

// unicodeWidth is the number of code points of the longest string, at least 1 as in numpy.
func unicodeWidth(v []string) (int, error) {
	width := 1
	for i, s := range v {
		if !utf8.ValidString(s) {
			return 0, fmt.Errorf("string %d is not UTF-8: %q", i, s)
		}
		if strings.HasSuffix(s, "\x00") {
			return 0, fmt.Errorf("string %d ends in NUL, which a fixed-width array cannot tell from padding: %q", i, s)
		}
		width = max(width, utf8.RuneCountInString(s))
	}
	return width, nil
}

func descr(d DType, width int) string {
	switch d {
	case Bool:
		return "|b1"
	case Uint8:
		return "|u1"
	case Int32:
		return "<i4"
	case Int64:
		return "<i8"
	case Float32:
		return "<f4"
	case Float64:
		return "<f8"
	}
	return "<U" + strconv.Itoa(width)
}

// header is everything before the data: magic, version, length and a padded Python dictionary.
func header(descr string, shape []int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr)
	for i, d := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(d))
	}
	if len(shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteString("), }")
	if len(shape) > 0 {
		b.WriteString(strings.Repeat(" ", growthDigits-len(strconv.Itoa(shape[0]))))
	}
	text := b.String()
	prefix := len(magic) + 4
	pad := headerAlign - (prefix+len(text)+1)%headerAlign
	text += strings.Repeat(" ", pad) + "\n"
	out := append([]byte(magic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(text)))
	return append(out, text...)
}
