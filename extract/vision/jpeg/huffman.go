package jpeg

import "fmt"

// A huffman table decodes symbols of 1 to 16 bits.
type huffman struct {
	counts [17]uint8 // codes of each length
	values [256]uint8

	built     bool
	fast      [256]uint16 // by the next eight bits: length<<8 | symbol, 0 if the code is longer
	maxCode   [18]int32   // largest code of each length, −1 if there is none
	valOffset [17]int32   // index of a code's symbol minus the code
}

// build derives the decoding tables (ITU-T T.81, figures C.1, C.2 and F.15).
func (h *huffman) build(isDC bool) error {
	if isDC {
		n := 0
		for _, c := range h.counts {
			n += int(c)
		}
		for _, v := range h.values[:min(n, 256)] {
			if v > 15 {
				return fmt.Errorf("the Huffman table has a DC difference of %d bits, expected at most 15", v)
			}
		}
	}
	if h.built {
		return nil
	}
	code, p := int32(0), int32(0)
	for l := 1; l <= 16; l++ {
		n := int32(h.counts[l])
		h.maxCode[l] = -1
		if n > 0 {
			h.valOffset[l] = p - code
			h.maxCode[l] = code + n - 1
		}
		// No code may be all ones.
		if n > 0 && code+n >= 1<<l {
			return fmt.Errorf("the Huffman table has more codes of %d bits than fit", l)
		}
		if l <= 8 {
			for i := range n {
				first := (code + i) << (8 - l)
				for j := range int32(1) << (8 - l) {
					h.fast[first+j] = uint16(l)<<8 | uint16(h.values[p+i])
				}
			}
		}
		code = (code + n) << 1
		p += n
	}
	h.maxCode[17] = 1 << 20 // ends every search
	h.built = true
	return nil
}

// symbol decodes the next symbol. Bits that are no code read as 0.
func (b *bits) symbol(h *huffman) int {
	l := 9
	if b.n < 8 {
		b.fill(0)
		if b.n < 8 {
			l = 1
		}
	}
	if l == 9 {
		if f := h.fast[b.acc>>(uint(b.n-8)&63)&0xff]; f != 0 {
			b.n -= int(f >> 8)
			return int(f & 0xff)
		}
	}
	code := int32(b.take(l))
	for code > h.maxCode[l] {
		code = code<<1 | int32(b.take(1))
		l++
	}
	if l > 16 {
		return 0
	}
	return int(h.values[uint8(code+h.valOffset[l])])
}

// standardTables fills the places of tables that the file does not define with those of ITU-T T.81, annex K, as
// frames of motion JPEG expect.
func (d *decoder) standardTables() {
	for i, t := range standard {
		slot := &d.dc[i/2]
		if i%2 == 1 {
			slot = &d.ac[i/2]
		}
		if *slot == nil {
			h := &huffman{}
			copy(h.counts[1:], t.counts)
			copy(h.values[:], t.values)
			*slot = h
		}
	}
}

// standard holds DC and AC tables of luminance, then of chrominance.
var standard = [4]struct{ counts, values string }{
	{"\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
	{"\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d",
		"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
			"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
			"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
			"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
			"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
			"\xf9\xfa"},
	{"\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
	{"\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77",
		"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
			"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
			"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
			"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
			"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
			"\xf9\xfa"},
}
