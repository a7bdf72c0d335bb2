package jpeg

// bits reads the file: bytes outside of scans, bits inside.
//
// It keeps libjpeg's habits, since they decide what damaged files look like: bytes are fetched until 57 bits are at
// hand; a marker stops the supply, and from then on zeros are handed out and starved is set.
type bits struct {
	data []byte
	pos  int

	acc    uint64 // the low n bits are valid
	n      int
	marker byte // the marker that stopped the supply, 0 if none
	// starved says that the current segment had too few bits, so its remaining blocks are left as they are.
	starved bool
	eof     bool // the file ended inside a scan
}

const fetch = 57 // one byte less than the accumulator, plus a bit

// fill tops up the accumulator and makes sure of at least need bits.
func (b *bits) fill(need int) {
	for b.marker == 0 && b.n < fetch {
		if b.pos >= len(b.data) {
			b.eof = true
			break
		}
		c := b.data[b.pos]
		b.pos++
		if c == 0xff && !b.stuffed() {
			break
		}
		b.acc = b.acc<<8 | uint64(c)
		b.n += 8
	}
	if need > b.n {
		b.starved = true
		b.acc <<= uint(fetch - b.n)
		b.n = fetch
	}
}

// stuffed handles the bytes after 0xff: true if it was a data byte, false if a marker or the end of the file came.
func (b *bits) stuffed() bool {
	for b.pos < len(b.data) {
		c := b.data[b.pos]
		b.pos++
		switch c {
		case 0xff:
			continue // padding before a marker
		case 0:
			return true
		}
		b.marker = c
		return false
	}
	b.eof = true
	return false
}

// take returns the next k bits, k at most 16.
func (b *bits) take(k int) uint32 {
	if b.n < k {
		b.fill(k)
	}
	b.n -= k
	return uint32(b.acc>>uint(b.n&63)) & (1<<uint(k&31) - 1)
}

// extended returns a value of k bits, k from 1 to 15, in the code's signed form (figure F.12).
func (b *bits) extended(k int) int32 {
	v := int32(b.take(k))
	if v < 1<<uint(k-1) {
		v += -1<<uint(k) + 1
	}
	return v
}
