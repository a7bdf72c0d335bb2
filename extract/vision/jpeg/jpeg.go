// Package jpeg decodes JPEG files to the bytes that libjpeg-turbo and Pillow's convert("RGB") produce.
//
// image/jpeg of the standard library is a correct decoder too, but not the same one: it uses another inverse DCT
// and leaves chroma at its stored resolution, which moves 4:2:0 pictures by up to 51 levels. The states of a
// vision-language model are read to 1e-4, so the decoder has to be the one the reference used.
//
// Covered: baseline, extended and progressive Huffman-coded files of 8 bits a sample, one, three or four
// components, any integral sampling factors, restart intervals. Refused, with an error that says so: arithmetic coding, lossless and
// hierarchical files, 12 bits.
//
// Damaged entropy-coded data is treated as libjpeg treats it, because Pillow ignores libjpeg's warnings: bad
// codes read as zero, a segment that ends early leaves its remaining blocks flat. A file that ends before
// its last scan does is an error.
package jpeg

import (
	"errors"
	"fmt"
)

// An Image is a decoded picture: RGB, row-major, interleaved, three bytes a pixel.
type Image struct {
	W, H int
	Pix  []uint8
}

// ErrTruncated reports a file that ends before its picture does.
var ErrTruncated = errors.New("file is cut off")

// Limits on hostile files.
const (
	maxSamples = 2 * 89478485 // pixels; Pillow's limit
	maxScans   = 100          // encoders use about ten
	// maxVisits bounds scans times blocks, beyond what the file's bytes account for: a few bytes can make a scan of a
	// progressive file visit every block. The largest picture takes 2.8 million blocks and plane.
	maxVisits = 1 << 26
)

// Decode decodes a whole file.
func Decode(data []byte) (*Image, error) {
	d := &decoder{bits: bits{data: data}}
	if err := d.readHeader(); err != nil {
		return nil, err
	}
	if err := d.setup(); err != nil {
		return nil, err
	}
	if err := d.scans(); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// Size returns the width and height in pixels from the frame header.
func Size(data []byte) (w, h int, err error) {
	d := &decoder{bits: bits{data: data}}
	if err := d.readHeader(); err != nil {
		return 0, 0, err
	}
	return d.width, d.height, nil
}

// A decoder holds what markers have said so far, and the picture under construction.
type decoder struct {
	bits // the file and the position in it

	width, height int
	progressive   bool
	components    []component
	maxH, maxV    int // largest sampling factors

	quant    [4]*[64]uint16 // natural order
	dc, ac   [4]*huffman
	interval int // MCUs between restart markers, 0 for none

	sawJFIF, sawAdobe bool
	transform         byte // of Adobe's marker

	scan      scan // the scan whose header was read last
	scanCount int
	visits    int  // blocks that scans had, see maxVisits
	lastGood  int  // last row of MCUs for which the scan read last had data
	multi     bool // the picture takes several scans, so coefficients are kept until the last one
}

// A component is one colour plane.
type component struct {
	id    byte
	h, v  int // sampling factors
	table int // index of its quantisation table
	// quant is the table in force when the component's first scan began.
	quant *[64]uint16

	w, hgt           int // samples: the picture's size scaled by the sampling factors, rounded up
	blocksW, blocksH int // blocks that hold those samples
	strideW, strideH int // blocks with the padding to whole MCUs
	coef             []int16
	plane            []uint8 // strideW·8 bytes a row
	known            [64]int // progressive: the bit position each coefficient is known to, −1 if not at all
	before           [10]int // known, as it was before the last scan that had the component
	dcTable, acTable int     // of the current scan
	pred             int32   // DC prediction
}

// readHeader reads markers up to and including the first SOS.
func (d *decoder) readHeader() error {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != mSOI {
		return fmt.Errorf("file does not begin with an SOI marker")
	}
	d.pos = 2
	sos, err := d.markers()
	if err != nil {
		return err
	}
	if !sos {
		return fmt.Errorf("file has no picture: EOI before the first scan")
	}
	return nil
}

// setup computes the geometry of the planes and allocates them, once the first scan header is known.
func (d *decoder) setup() error {
	if d.width > maxSamples/d.height {
		return fmt.Errorf("picture of %d×%d pixels, more than %d", d.width, d.height, maxSamples)
	}
	d.maxH, d.maxV = 1, 1
	for _, c := range d.components {
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return fmt.Errorf("component %d: sampling factors %d×%d, expected 1 to 4", c.id, c.h, c.v)
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	mcusW, mcusH := ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	blocks := 0
	for i := range d.components {
		c := &d.components[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("component %d: sampling factors %d×%d do not divide %d×%d", c.id, c.h, c.v, d.maxH, d.maxV)
		}
		c.w, c.hgt = ceilDiv(d.width*c.h, d.maxH), ceilDiv(d.height*c.v, d.maxV)
		c.blocksW, c.blocksH = ceilDiv(d.width*c.h, 8*d.maxH), ceilDiv(d.height*c.v, 8*d.maxV)
		c.strideW, c.strideH = mcusW*c.h, mcusH*c.v
		blocks += c.blocksW * c.blocksH
		for k := range c.known {
			c.known[k] = -1
		}
	}
	// Every block takes at least a bit, so a picture that the file cannot hold is refused before it is allocated.
	if blocks > 8*len(d.data) {
		return fmt.Errorf("picture of %d×%d pixels in a file of %d bytes: %w", d.width, d.height, len(d.data), ErrTruncated)
	}
	d.multi = d.progressive || len(d.scan.components) < len(d.components)
	for i := range d.components {
		c := &d.components[i]
		c.plane = make([]uint8, 64*c.strideW*c.strideH)
		if d.multi {
			c.coef = make([]int16, 64*c.strideW*c.strideH)
		}
	}
	if !d.progressive {
		d.standardTables()
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
