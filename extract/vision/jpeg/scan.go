package jpeg

import (
	"errors"
	"fmt"
)

// natural maps zigzag positions to row-major ones. Sixteen more entries catch runs that leave the block, which
// only damaged data has.
var natural = [64 + 16]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

// scans reads the scans and leaves finished planes.
func (d *decoder) scans() error {
	for {
		if err := d.readScan(); err != nil {
			return fmt.Errorf("scan %d: %w", d.scanCount, err)
		}
		if !d.multi {
			return d.end()
		}
		sos, err := d.markers()
		if err != nil {
			return err
		}
		if !sos {
			break
		}
		if d.scanCount > maxScans {
			return fmt.Errorf("more than %d scans", maxScans)
		}
	}
	smooth := d.smoothed()
	for i := range d.components {
		c := &d.components[i]
		if smooth {
			d.smooth(c)
			continue
		}
		quant := c.quant
		if quant == nil {
			quant = new([64]uint16) // no scan had the component: flat grey, as in libjpeg
		}
		pitch := 8 * c.strideW
		inParallel(c.blocksH, c.w*c.hgt, func(lo, hi int) {
			for by := lo; by < hi; by++ {
				for bx := range c.blocksW {
					idct((*[64]int16)(c.coef[64*(by*c.strideW+bx):]), quant, c.plane[8*by*pitch+8*bx:], pitch)
				}
			}
		})
	}
	return nil
}

// end reads what follows the only scan. It cannot change the picture, but libjpeg looks for errors in it, unless
// the file ends first.
func (d *decoder) end() error {
	sos, err := d.markers()
	if errors.Is(err, ErrTruncated) {
		return nil
	}
	if err == nil && sos {
		return fmt.Errorf("a second scan, expected the end of the picture")
	}
	return err
}

// readScan decodes the entropy-coded data of one scan: into planes, or into coefficients if there are more scans.
func (d *decoder) readScan() error {
	if err := d.prepare(); err != nil {
		return err
	}
	s := &d.scan
	b := d.newBlockReader()
	d.acc, d.n, d.marker, d.starved = 0, 0, 0, false
	left, expected := d.interval, byte(0)
	for my := range s.mcusH {
		for mx := range s.mcusW {
			if d.interval > 0 {
				if left == 0 {
					if err := d.restart(expected); err != nil {
						return err
					}
					expected = (expected + 1) & 7
					left = d.interval
					b.eobRun = 0
				}
				left--
			}
			d.readMCU(b, mx, my)
			if d.eof {
				return fmt.Errorf("row %d of %d: %w", my, s.mcusH, ErrTruncated)
			}
		}
		if d.starved && d.interval == 0 && d.multi {
			break // nothing more comes before the next scan
		}
	}
	return nil
}

// prepare lays the scan out, checks its parameters and latches its tables.
func (d *decoder) prepare() error {
	s := &d.scan
	blocks := 0
	if s.single() {
		s.mcusW, s.mcusH, blocks = s.components[0].blocksW, s.components[0].blocksH, 1
	} else {
		s.mcusW, s.mcusH = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
		for _, c := range s.components {
			blocks += c.h * c.v
		}
		if blocks > 10 {
			return fmt.Errorf("%d blocks in an MCU, expected at most 10", blocks)
		}
	}
	if d.visits += s.mcusW * s.mcusH * blocks; d.visits > maxVisits+32*len(d.data) {
		return fmt.Errorf("more scans than a picture of %d×%d pixels in %d bytes can need", d.width, d.height, len(d.data))
	}
	for _, c := range s.components {
		if c.quant == nil {
			if c.table > 3 || d.quant[c.table] == nil {
				return fmt.Errorf("component %d: no quantisation table %d", c.id, c.table)
			}
			q := *d.quant[c.table]
			c.quant = &q
		}
		c.pred = 0
	}
	if d.progressive {
		if err := d.approximation(); err != nil {
			return err
		}
	}
	return d.buildTables()
}

// readMCU decodes one minimum coded unit. A segment that ran dry leaves the rest of its blocks as they are: zero, or
// what earlier scans made of them.
func (d *decoder) readMCU(b *blockReader, mx, my int) {
	s := &d.scan
	dry := d.starved
	if !dry {
		d.lastGood = my
		if s.single() {
			d.lastGood = my / s.components[0].v
		}
	}
	for ci, c := range s.components {
		h, v := c.h, c.v
		if s.single() {
			h, v = 1, 1
		}
		for i := range h * v {
			bx, by := mx*h+i%h, my*v+i/h
			if d.multi {
				if !dry {
					b.decode(ci, (*[64]int16)(c.coef[64*(by*c.strideW+bx):]))
				}
				continue
			}
			clear(b.block[:])
			if !dry {
				b.decode(ci, &b.block)
			}
			idct(&b.block, c.quant, c.plane[64*by*c.strideW+8*bx:], 8*c.strideW)
		}
	}
}

// buildTables makes the Huffman tables of the scan ready.
func (d *decoder) buildTables() error {
	for _, c := range d.scan.components {
		needDC := !d.progressive || d.scan.ss == 0 && d.scan.ah == 0
		needAC := !d.progressive || d.scan.ss > 0
		if needDC {
			if err := build(d.dc[:], c.dcTable, true); err != nil {
				return err
			}
		}
		if needAC {
			if err := build(d.ac[:], c.acTable, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func build(tables []*huffman, i int, isDC bool) error {
	if i > 3 || tables[i] == nil {
		return fmt.Errorf("no Huffman table %d", i)
	}
	return tables[i].build(isDC)
}

// restart reads a restart marker. If another marker is there, it does what libjpeg's jpeg_resync_to_restart does: a
// restart marker up to two ahead, or any other marker, is left in place, so that the segment reads as empty; one up
// to two behind is skipped; one further off is taken for the expected one.
func (d *decoder) restart(expected byte) error {
	d.acc, d.n = 0, 0
	m := d.marker
	for {
		if m == 0 {
			var err error
			if m, err = d.nextMarker(); err != nil {
				return err
			}
		}
		d.marker = m
		ahead := (m - mRST0 - expected) & 7
		switch {
		case m < mSOF0, m >= mRST0 && m <= mRST7 && ahead >= 6:
			m = 0
			continue
		case m < mRST0, m > mRST7, ahead == 1, ahead == 2:
		default:
			d.marker = 0
		}
		break
	}
	for _, c := range d.scan.components {
		c.pred = 0
	}
	if d.marker == 0 {
		d.starved = false
	}
	return nil
}

// A blockReader decodes the blocks of one scan.
type blockReader struct {
	*bits
	*scan
	dc, ac []*huffman // per component of the scan
	eobRun int        // progressive: blocks still to come without new coefficients
	decode func(ci int, block *[64]int16)
	block  [64]int16 // of a picture that takes one scan
}

func (d *decoder) newBlockReader() *blockReader {
	b := &blockReader{bits: &d.bits, scan: &d.scan}
	for _, c := range d.scan.components {
		b.dc = append(b.dc, d.dc[c.dcTable&3])
		b.ac = append(b.ac, d.ac[c.acTable&3])
	}
	switch {
	case !d.progressive:
		b.decode = b.sequential
	case b.ss == 0 && b.ah == 0:
		b.decode = b.dcFirst
	case b.ss == 0:
		b.decode = b.dcRefine
	case b.ah == 0:
		b.decode = b.acFirst
	default:
		b.decode = b.acRefine
	}
	return b
}

// sequential decodes a whole block. Sums wrap as libjpeg's do.
func (b *blockReader) sequential(ci int, block *[64]int16) {
	c := b.components[ci]
	if s := b.symbol(b.dc[ci]); s > 0 {
		c.pred += b.extended(s)
	}
	block[0] = int16(c.pred)
	ac := b.ac[ci]
	for k := 1; k < 64; k++ {
		s := b.symbol(ac)
		r, s := s>>4, s&15
		if s == 0 {
			if r != 15 {
				break
			}
			k += 15
			continue
		}
		k += r
		block[natural[k]] = int16(b.extended(s))
	}
}
