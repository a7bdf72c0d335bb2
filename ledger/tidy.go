package ledger

import "os"

func openForCheck(path string) (*os.File, error) { return os.Open(path) }

// tidy leaves the file in its cleanest form when a process that wrote is done: both meta pages describe the same
// trees, so that losing one of them loses nothing, and pages that hold old versions are given back to the file system,
// after which they read as zeros. Check can then vouch for every byte. An empty transaction would give the same meta
// pages, at the price of two more waits for the disk than the one here.
func (l *Ledger) tidy() error {
	l.write.Lock()
	defer l.write.Unlock()
	if !l.dirty {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// What is cleared below belonged to the state before the present one, which must be on disk by then. A commit of this
	// process put it there; one of a process that was killed may not have.
	if !l.committed {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := newPager(f, st.Size())
	if err != nil {
		return err
	}
	free, err := p.freePages()
	if err != nil {
		return err
	}
	if err := p.doubleMeta(f); err != nil {
		return err
	}
	ps := int64(p.pageSize)
	for i := 0; i < len(free); {
		j := i + 1
		for j < len(free) && free[j] == free[j-1]+1 {
			j++
		}
		if err := clearRange(f, int64(free[i])*ps, (int64(free[j-1])+1)*ps); err != nil {
			return err
		}
		i = j
	}
	if err := clearRange(f, int64(p.pages)*ps, st.Size()); err != nil {
		return err
	}
	return f.Sync()
}

// doubleMeta writes the present meta page over the other one, as that of the transaction before, which then led to the
// same state. Should the write be torn, its checksum says so and the present one counts, as it does anyway.
func (p *pager) doubleMeta(f *os.File) error {
	if p.txid == 0 {
		return nil // nothing was ever committed
	}
	b := make([]byte, p.pageSize)
	if _, err := f.ReadAt(b, int64(p.txid%2)*int64(p.pageSize)); err != nil {
		return err
	}
	other := (p.txid - 1) % 2
	le.PutUint64(b, other)
	body := b[pageHeader:]
	le.PutUint64(body[48:], p.txid-1)
	le.PutUint64(body[metaSize-8:], metaSum(body))
	_, err := f.WriteAt(b, int64(other)*int64(p.pageSize))
	return err
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

// freePages reads the list of free pages of the present state, ascending.
func (p *pager) freePages() ([]uint64, error) {
	id := p.freelist
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
