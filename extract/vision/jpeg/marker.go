package jpeg

import (
	"encoding/binary"
	"fmt"
)

// Marker codes, the byte after 0xff.
const (
	mTEM  = 0x01
	mSOF0 = 0xc0
	mSOF1 = 0xc1
	mSOF2 = 0xc2
	mDHT  = 0xc4
	mJPG  = 0xc8
	mDAC  = 0xcc
	mSOFF = 0xcf
	mRST0 = 0xd0
	mRST7 = 0xd7
	mSOI  = 0xd8
	mEOI  = 0xd9
	mSOS  = 0xda
	mDQT  = 0xdb
	mDNL  = 0xdc
	mDRI  = 0xdd
	mAPP0 = 0xe0
	mAPPE = 0xee
	mAPPF = 0xef
	mCOM  = 0xfe
)

// markers reads marker segments until it has read a scan header (true) or the end of the image (false).
func (d *decoder) markers() (sos bool, err error) {
	for {
		m := d.marker
		d.marker = 0
		if m == 0 {
			if m, err = d.nextMarker(); err != nil {
				return false, err
			}
		}
		switch {
		case m == mEOI:
			return false, nil
		case m == mSOI:
			return false, fmt.Errorf("second SOI marker")
		case m == mTEM, m >= mRST0 && m <= mRST7:
			continue // no parameters
		case m < mSOF0, m > mAPPF && m != mCOM, m == 0xde, m == 0xdf:
			return false, fmt.Errorf("unknown marker %02x at byte %d", m, d.pos)
		case m >= 0xc5 && m <= mJPG, m >= 0xcd && m <= mSOFF:
			return false, fmt.Errorf("frame type %02x (hierarchical or reserved) is not supported", m)
		}
		seg, err := d.segment(m)
		if err != nil {
			return false, err
		}
		switch {
		case m == mDHT:
			err = d.readDHT(seg)
		case m == mDAC, m == mDNL, m == mCOM:
		case m == mDQT:
			err = d.readDQT(seg)
		case m == mDRI:
			err = d.readDRI(seg)
		case m == mSOS:
			return true, d.readSOS(seg)
		case m >= mSOF0 && m <= mSOFF:
			err = d.readSOF(m, seg)
		case m >= mAPP0 && m <= mAPPF:
			d.readAPP(m, seg)
		}
		if err != nil {
			return false, err
		}
	}
}

// nextMarker finds the next marker, skipping whatever is not one.
func (d *decoder) nextMarker() (byte, error) {
	for {
		for d.pos < len(d.data) && d.data[d.pos] != 0xff {
			d.pos++
		}
		for d.pos < len(d.data) && d.data[d.pos] == 0xff {
			d.pos++
		}
		if d.pos >= len(d.data) {
			return 0, ErrTruncated
		}
		m := d.data[d.pos]
		d.pos++
		if m != 0 {
			return m, nil
		}
	}
}

// segment returns the parameters of the marker just read and moves behind them.
func (d *decoder) segment(m byte) ([]byte, error) {
	if d.pos+2 > len(d.data) {
		return nil, ErrTruncated
	}
	n := int(binary.BigEndian.Uint16(d.data[d.pos:]))
	if n < 2 {
		return nil, fmt.Errorf("marker %02x at byte %d: length %d, expected at least 2", m, d.pos, n)
	}
	if d.pos+n > len(d.data) {
		return nil, ErrTruncated
	}
	seg := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return seg, nil
}

func (d *decoder) readSOF(m byte, seg []byte) error {
	switch m {
	case mSOF0, mSOF1:
	case mSOF2:
		d.progressive = true
	case 0xc3, 0xcb:
		return fmt.Errorf("lossless JPEG is not supported")
	default:
		return fmt.Errorf("arithmetic-coded JPEG is not supported")
	}
	if d.components != nil {
		return fmt.Errorf("second frame header")
	}
	if len(seg) < 6 || len(seg) != 6+3*int(seg[5]) {
		return fmt.Errorf("frame header of %d bytes has the wrong length", len(seg))
	}
	if seg[0] != 8 {
		return fmt.Errorf("%d bits a sample, expected 8", seg[0])
	}
	n := int(seg[5])
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components, expected 1, 3 or 4", n)
	}
	d.height, d.width = int(binary.BigEndian.Uint16(seg[1:])), int(binary.BigEndian.Uint16(seg[3:]))
	if d.width < 1 || d.height < 1 || d.width > 65500 || d.height > 65500 {
		return fmt.Errorf("picture of %d×%d pixels, expected sides of 1 to 65500", d.width, d.height)
	}
	d.components = make([]component, n)
	for i := range d.components {
		s := seg[6+3*i:]
		d.components[i] = component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), table: int(s[2])}
	}
	return nil
}

func (d *decoder) readDQT(seg []byte) error {
	for len(seg) > 0 {
		id, wide := seg[0]&15, int(min(seg[0]>>4, 1))
		if id > 3 {
			return fmt.Errorf("quantisation table %d, expected 0 to 3", id)
		}
		seg = seg[1:]
		if len(seg) < 64<<wide {
			return fmt.Errorf("quantisation table %d is %d bytes short", id, 64<<wide-len(seg))
		}
		t := new([64]uint16)
		for i := range 64 {
			if wide == 1 {
				t[natural[i]] = binary.BigEndian.Uint16(seg[2*i:])
			} else {
				t[natural[i]] = uint16(seg[i])
			}
		}
		d.quant[id] = t
		seg = seg[64<<wide:]
	}
	return nil
}

func (d *decoder) readDHT(seg []byte) error {
	for len(seg) > 16 {
		id := seg[0]
		if id > 0x13 || id&15 > 3 {
			return fmt.Errorf("number %02x of a Huffman table, expected class 0 or 1 and number 0 to 3", id)
		}
		n := 0
		for _, c := range seg[1:17] {
			n += int(c)
		}
		if n > 256 || n > len(seg)-17 {
			return fmt.Errorf("table %02x of Huffman codes has %d of them in %d bytes", id, n, len(seg)-17)
		}
		// The table is only checked when a scan uses it, as in libjpeg.
		t := &huffman{}
		copy(t.counts[1:], seg[1:17])
		copy(t.values[:], seg[17:17+n])
		if id&0x10 != 0 {
			d.ac[id&3] = t
		} else {
			d.dc[id&3] = t
		}
		seg = seg[17+n:]
	}
	if len(seg) != 0 {
		return fmt.Errorf("%d bytes after the last Huffman table", len(seg))
	}
	return nil
}

func (d *decoder) readDRI(seg []byte) error {
	if len(seg) != 2 {
		return fmt.Errorf("restart interval of %d bytes, expected 2", len(seg))
	}
	d.interval = int(binary.BigEndian.Uint16(seg))
	return nil
}

// readAPP looks at the two application markers that decide the colour space.
func (d *decoder) readAPP(m byte, seg []byte) {
	switch {
	case m == mAPP0 && len(seg) >= 14 && string(seg[:5]) == "JFIF\x00":
		d.sawJFIF = true
	case m == mAPPE && len(seg) >= 12 && string(seg[:5]) == "Adobe":
		d.sawAdobe, d.transform = true, seg[11]
	}
}

// A scan is what an SOS header says.
type scan struct {
	components []*component
	ss, se     int // first and last coefficient, zigzag order
	ah, al     int // successive approximation: bit positions before and after

	mcusW, mcusH int
}

// single reports whether the scan has one component, whose blocks then come one by one in raster order.
func (s *scan) single() bool { return len(s.components) == 1 }

func (d *decoder) readSOS(seg []byte) error {
	if d.components == nil {
		return fmt.Errorf("scan before the frame header")
	}
	if len(seg) < 1 || seg[0] < 1 || seg[0] > 4 || len(seg) != 4+2*int(seg[0]) {
		return fmt.Errorf("scan header of %d bytes has the wrong length", len(seg))
	}
	s := scan{}
	for i := range int(seg[0]) {
		id, tables := seg[1+2*i], seg[2+2*i]
		c := d.find(id, s.components)
		if c == nil {
			return fmt.Errorf("scan names component %d, which the frame does not have or the scan has twice", id)
		}
		c.dcTable, c.acTable = int(tables>>4), int(tables&15)
		s.components = append(s.components, c)
	}
	tail := seg[len(seg)-3:]
	s.ss, s.se, s.ah, s.al = int(tail[0]), int(tail[1]), int(tail[2]>>4), int(tail[2]&15)
	d.scan = s
	d.scanCount++
	return nil
}

// find returns the first component with this id that is not used yet.
func (d *decoder) find(id byte, used []*component) *component {
next:
	for i := range d.components {
		c := &d.components[i]
		if c.id != id {
			continue
		}
		for _, u := range used {
			if u == c {
				continue next
			}
		}
		return c
	}
	return nil
}
