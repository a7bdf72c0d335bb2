package ledger

import (
	"os"

	"go.etcd.io/bbolt"
)

func openForCheck(path string) (*os.File, error) { return os.Open(path) }

// tidy leaves the file in its cleanest form when a process that wrote is done: a second, empty transaction makes
// both meta pages describe the same trees, so that losing one of them loses nothing, and pages that hold old
// versions are given back to the file system, after which they read as zeros. Check can then vouch for every byte.
func (l *Ledger) tidy() error {
	l.write.Lock()
	defer l.write.Unlock()
	if !l.dirty {
		return nil
	}
	if err := guard("tidy", func() error { return l.db.Update(func(*bbolt.Tx) error { return nil }) }); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := newPager(f, st.Size())
	if err != nil || p.errs[0] != nil || p.errs[1] != nil {
		return err
	}
	free, err := p.freePages()
	if err != nil {
		return err
	}
	other := p.metas[0]
	if other.txid == p.txid {
		other = p.metas[1]
	}
	keep, err := p.header(other.freelist)
	if err != nil {
		return err
	}
	ps := int64(p.pageSize)
	for i := 0; i < len(free); {
		j := i + 1
		for j < len(free) && free[j] == free[j-1]+1 {
			j++
		}
		for _, run := range subtract(free[i], free[j-1]+1, keep.id, keep.id+keep.overflow+1) {
			if err := clearRange(f, int64(run[0])*ps, int64(run[1])*ps); err != nil {
				return err
			}
		}
		i = j
	}
	if err := clearRange(f, int64(p.pages)*ps, st.Size()); err != nil {
		return err
	}
	return f.Sync()
}

// clearRange makes bytes [from, to) zero: given back to the file system where it can take them, else written over.
func clearRange(f *os.File, from, to int64) error {
	if from >= to || punch(f, from, to-from) == nil {
		return nil
	}
	buf := make([]byte, 1<<16)
	for ; from < to; from += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(part, from); err != nil {
			return err
		}
		if zero(part) {
			continue
		}
		clear(part)
		if _, err := f.WriteAt(part, from); err != nil {
			return err
		}
	}
	return nil
}

// subtract returns what is left of [a, b) without [c, d).
func subtract(a, b, c, d uint64) [][2]uint64 {
	var out [][2]uint64
	if lo, hi := a, min(b, c); lo < hi {
		out = append(out, [2]uint64{lo, hi})
	}
	if lo, hi := max(a, d), b; lo < hi {
		out = append(out, [2]uint64{lo, hi})
	}
	return out
}

// freePages reads the list of free pages of the present state, ascending.
func (p *pager) freePages() ([]uint64, error) {
	return p.freeList(p.freelist)
}

func (p *pager) freeList(id uint64) ([]uint64, error) {
	pg, err := p.page(id)
	if err != nil {
		return nil, err
	}
	if pg.flags != freelistPage {
		return nil, corrupt(pageName(id), "flags %#x where the free list belongs", pg.flags)
	}
	body := pg.b[pageHeader:]
	n := uint64(pg.count)
	if pg.count == 0xFFFF { // too many to count there: the number comes first
		n = le.Uint64(body)
		body = body[8:]
	}
	if n > uint64(len(body)/8) {
		return nil, corrupt(pageName(id), "%d free pages in %d bytes", n, len(body))
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = le.Uint64(body[8*i:])
		if list[i] < 2 || list[i] >= p.pages || i > 0 && list[i] <= list[i-1] {
			return nil, corrupt(pageName(id), "free page %d is %d of %d, or out of order", i, list[i], p.pages)
		}
	}
	if !zero(body[8*n:]) {
		return nil, corrupt(pageName(id), "bytes behind the free list are not zero")
	}
	return list, nil
}
