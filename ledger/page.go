package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads bbolt's pages from the bytes of the file, trusting none of them: every number is checked before
// it is used, nothing recurses without a bound, and nothing panics. bbolt itself may do both on damaged pages, so
// its trees are looked at here before it is let loose on them, and Check relies on nothing else.
//
// The layout is bbolt's (internal/common): 64-bit ids, little-endian on every machine swaprun runs on.

const (
	pageHeader = 16 // id u64, flags u16, count u16, overflow u32
	element    = 16 // leaf: flags, pos, ksize, vsize u32; branch: pos, ksize u32, id u64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	maxTreeDepth = 64
)

var le = binary.LittleEndian

// A boltMeta is one of the first two pages: the newer valid one is the database's present state.
type boltMeta struct {
	pageSize int
	root     uint64 // page of the root bucket
	freelist uint64
	pages    uint64 // high-water mark: ids below it are in use or free
	txid     uint64
}

const metaSize = 64

func parseMeta(b []byte) (boltMeta, error) {
	var m boltMeta
	if len(b) < pageHeader+metaSize {
		return m, errShort
	}
	body := b[pageHeader:]
	m = boltMeta{int(le.Uint32(body[8:])), le.Uint64(body[16:]), le.Uint64(body[32:]), le.Uint64(body[40:]), le.Uint64(body[48:])}
	switch {
	case le.Uint32(body) != boltMagic:
		return m, errors.New("the magic number is wrong")
	case le.Uint32(body[4:]) != boltVersion:
		return m, fmt.Errorf("version %d, expected %d", le.Uint32(body[4:]), boltVersion)
	case le.Uint64(body[metaSize-8:]) != metaSum(body):
		return m, errors.New("the checksum is wrong")
	case m.pageSize < 512 || m.pageSize > 1<<16 || m.pageSize&(m.pageSize-1) != 0:
		return m, fmt.Errorf("page size %d", m.pageSize)
	case le.Uint16(b[8:]) != metaPage:
		return m, fmt.Errorf("page flags %#x", le.Uint16(b[8:]))
	}
	return m, nil
}

// metaSum is the checksum that ends a meta page's data.
func metaSum(body []byte) uint64 {
	h := fnv.New64a()
	h.Write(body[:metaSize-8])
	return h.Sum64()
}

// A pager reads pages of a file of known size.
type pager struct {
	r     io.ReaderAt
	size  int64
	metas [2]boltMeta
	errs  [2]error
	boltMeta
}

// newPager reads both meta pages; it fails only if neither is good.
func newPager(r io.ReaderAt, size int64) (*pager, error) {
	p := &pager{r: r, size: size}
	buf := make([]byte, pageHeader+metaSize)
	read := func(off int64) (boltMeta, error) {
		if _, err := r.ReadAt(buf, off); err != nil {
			return boltMeta{}, errShort
		}
		return parseMeta(buf)
	}
	p.metas[0], p.errs[0] = read(0)
	if p.errs[0] == nil {
		p.metas[1], p.errs[1] = read(int64(p.metas[0].pageSize))
	} else {
		// The second page tells where it is by being valid there.
		p.errs[1] = errors.New("not found")
		for ps := 512; ps <= 1<<16; ps *= 2 {
			if m, err := read(int64(ps)); err == nil && m.pageSize == ps {
				p.metas[1], p.errs[1] = m, nil
				break
			}
		}
	}
	switch {
	case p.errs[0] != nil && p.errs[1] != nil:
		return nil, fmt.Errorf("page 0: %w; page 1: %w", p.errs[0], p.errs[1])
	case p.errs[0] != nil || p.errs[1] == nil && p.metas[1].txid > p.metas[0].txid:
		p.boltMeta = p.metas[1]
	default:
		p.boltMeta = p.metas[0]
	}
	return p, nil
}

// A page is one page with its overflow.
type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
	b        []byte // all of it, header included
	used     int    // bytes cells found in use
}

func (p *pager) header(id uint64) (page, error) {
	var h [pageHeader]byte
	pg := page{id: id}
	if id < 2 || id >= p.pages {
		return pg, corrupt(pageName(id), "outside of the file's %d pages", p.pages)
	}
	if _, err := p.r.ReadAt(h[:], int64(id)*int64(p.pageSize)); err != nil {
		return pg, corrupt(pageName(id), "unreadable: %v", err)
	}
	pg.flags, pg.count, pg.overflow = le.Uint16(h[8:]), int(le.Uint16(h[10:])), uint64(le.Uint32(h[12:]))
	if self := le.Uint64(h[:]); self != id {
		return pg, corrupt(pageName(id), "calls itself %d", self)
	}
	if id+pg.overflow >= p.pages {
		return pg, corrupt(pageName(id), "%d pages long, beyond the file's %d", pg.overflow+1, p.pages)
	}
	return pg, nil
}

func pageName(id uint64) string { return fmt.Sprintf("page %d", id) }

func (p *pager) page(id uint64) (page, error) {
	pg, err := p.header(id)
	if err != nil {
		return pg, err
	}
	n := (int64(pg.overflow) + 1) * int64(p.pageSize)
	if off := int64(id) * int64(p.pageSize); off+n > p.size {
		return pg, corrupt(pageName(id), "beyond the end of the file")
	}
	pg.b = make([]byte, n)
	if _, err := p.r.ReadAt(pg.b, int64(id)*int64(p.pageSize)); err != nil {
		return pg, corrupt(pageName(id), "unreadable: %v", err)
	}
	return pg, nil
}

// A cell is one element of a page: a key with a child page or a value.
type cell struct {
	key, value []byte
	child      uint64
	bucket     bool
}

// cells reads the elements of a leaf or branch page, or of a bucket small enough to lie within a value. bbolt
// writes keys and values one after another behind the elements and zeros behind those; anything else is damage.
func (pg *page) cells() ([]cell, error) {
	name := pageName(pg.id)
	if pg.flags != leafPage && pg.flags != branchPage {
		return nil, corrupt(name, "flags %#x where a leaf or branch belongs", pg.flags)
	}
	at := pageHeader + pg.count*element
	if at > len(pg.b) {
		return nil, corrupt(name, "%d elements in %d bytes", pg.count, len(pg.b))
	}
	list := make([]cell, pg.count)
	for i := range list {
		off := pageHeader + i*element
		e := pg.b[off : off+element]
		var pos, klen, vlen int
		if pg.flags == leafPage {
			flags := le.Uint32(e)
			if flags > 1 {
				return nil, corrupt(name, "element %d has flags %#x", i, flags)
			}
			list[i].bucket = flags == 1
			pos, klen, vlen = int(le.Uint32(e[4:])), int(le.Uint32(e[8:])), int(le.Uint32(e[12:]))
		} else {
			pos, klen = int(le.Uint32(e)), int(le.Uint32(e[4:]))
			list[i].child = le.Uint64(e[8:])
		}
		if off+pos != at || klen > len(pg.b)-at || vlen > len(pg.b)-at-klen {
			return nil, corrupt(name, "element %d lies at %d with %d+%d bytes, expected at %d", i, off+pos, klen, vlen, at)
		}
		list[i].key = pg.b[at : at+klen : at+klen]
		at += klen
		list[i].value = pg.b[at : at+vlen : at+vlen]
		at += vlen
		if klen == 0 || i > 0 && bytes.Compare(list[i-1].key, list[i].key) >= 0 {
			return nil, corrupt(name, "key %d is empty or out of order", i)
		}
	}
	if !zero(pg.b[at:]) {
		return nil, corrupt(name, "bytes behind the last element are not zero")
	}
	pg.used = at
	return list, nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// bucketHeader splits the value of a bucket cell: the page of its root, or 0 and the bucket's only page inline.
func bucketHeader(v []byte) (root uint64, inline []byte, err error) {
	if len(v) < 16 {
		return 0, nil, errors.New("bucket header cut short")
	}
	if seq := le.Uint64(v[8:]); seq != 0 {
		return 0, nil, fmt.Errorf("bucket sequence %d, never used here", seq)
	}
	root = le.Uint64(v)
	if (root == 0) != (len(v) > 16) {
		return 0, nil, errors.New("bucket is neither inline nor on a page")
	}
	return root, v[16:], nil
}

// fewLeaves is how many leaf pages checkBranches looks at. Beyond it, reading one byte of every leaf would make
// opening a large cold ledger slow; a leaf that claims to be a branch takes a forger, not an accident.
const fewLeaves = 256

// checkBranches makes sure that following bbolt's trees downwards ends: every branch page is whole, points only at
// pages that exist, and is reached once, and what lies at the bottom are leaves.
func (l *Ledger) checkBranches() error {
	f, err := openForCheck(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := newPager(f, st.Size())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotLedger, err)
	}
	c := &branchCheck{pager: p, seen: map[uint64]bool{}}
	if err := c.tree(p.root); err != nil {
		return err
	}
	// Buckets are values of the root's leaves.
	return c.eachLeaf(p.root, func(pg page) error {
		cells, err := pg.cells()
		if err != nil {
			return err
		}
		for _, x := range cells {
			if !x.bucket {
				continue
			}
			root, inline, err := bucketHeader(x.value)
			if err == nil && root != 0 {
				err = c.tree(root)
			} else if err == nil {
				err = inlinePage(pg.id, inline, nil)
			}
			if err != nil {
				return fmt.Errorf("bucket %.20q: %w", x.key, err)
			}
		}
		return nil
	})
}

// inlinePage reads the cells of a bucket that lies within the leaf page of an id.
func inlinePage(within uint64, b []byte, each func(cell) error) error {
	if len(b) < pageHeader || le.Uint64(b) != 0 || le.Uint32(b[12:]) != 0 || le.Uint16(b[8:]) != leafPage {
		return corrupt(pageName(within), "a bucket inside has a damaged header")
	}
	pg := page{id: within, flags: leafPage, count: int(le.Uint16(b[10:])), b: b}
	cells, err := pg.cells()
	if err != nil {
		return err
	}
	for _, x := range cells {
		if x.bucket {
			return corrupt(pageName(within), "a bucket inside a bucket")
		}
		if each != nil {
			if err := each(x); err != nil {
				return err
			}
		}
	}
	return nil
}

type branchCheck struct {
	*pager
	seen   map[uint64]bool
	leaves int
}

// tree checks the branches below root. bbolt's trees have all leaves at one depth, which the leftmost path tells.
func (c *branchCheck) tree(root uint64) error {
	depth := 0
	for id := root; ; depth++ {
		pg, err := c.page(id)
		if err != nil {
			return err
		}
		if pg.flags != branchPage {
			break
		}
		cells, err := pg.cells()
		if err != nil {
			return err
		}
		if len(cells) == 0 || depth > maxTreeDepth {
			return corrupt(pageName(id), "an empty branch, or one that leads in circles")
		}
		id = cells[0].child
	}
	return c.walk(root, depth)
}

func (c *branchCheck) walk(id uint64, depth int) error {
	if depth == 0 {
		if c.leaves++; c.leaves > fewLeaves {
			return nil
		}
		pg, err := c.header(id)
		if err == nil && pg.flags != leafPage {
			err = corrupt(pageName(id), "flags %#x where a leaf belongs", pg.flags)
		}
		return err
	}
	if c.seen[id] {
		return corrupt(pageName(id), "reached twice")
	}
	c.seen[id] = true
	pg, err := c.page(id)
	if err != nil {
		return err
	}
	if pg.flags != branchPage {
		return corrupt(pageName(id), "flags %#x where a branch belongs", pg.flags)
	}
	cells, err := pg.cells()
	if err != nil {
		return err
	}
	for _, x := range cells {
		if x.child < 2 || x.child >= c.pages {
			return corrupt(pageName(id), "points at page %d of %d", x.child, c.pages)
		}
		if err := c.walk(x.child, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// eachLeaf visits the leaves below a tree that was checked.
func (c *branchCheck) eachLeaf(id uint64, f func(page) error) error {
	pg, err := c.page(id)
	if err != nil {
		return err
	}
	if pg.flags == leafPage {
		return f(pg)
	}
	cells, err := pg.cells()
	if err != nil {
		return err
	}
	for _, x := range cells {
		if err := c.eachLeaf(x.child, f); err != nil {
			return err
		}
	}
	return nil
}
