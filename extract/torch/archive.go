package torch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// Sizes of the archive's records, and bounds on what it may declare: a checkpoint has a few hundred entries.
const (
	endSize       = 22
	end64Size     = 56
	locatorSize   = 20
	directorySize = 46
	localSize     = 30
	maxComment    = 1<<16 - 1
	maxDirectory  = 64 << 20
	maxEntries    = 1 << 18
)

// An entry is a file of the archive, stored as it is: bytes [offset, offset+size) of the archive.
type entry struct {
	name         string
	offset, size int64
	crc          uint32
}

// A FormatError says what is wrong with a file.
type FormatError struct {
	Path   string
	Entry  string // of the archive; "" when the fault is in none
	Reason string
}

func (e *FormatError) Error() string {
	if e.Entry != "" {
		return fmt.Sprintf("%s: entry %s: %s", e.Path, e.Entry, e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.Path, e.Reason)
}

// An archive is the directory of a zip file.
type archive struct {
	r       io.ReaderAt
	size    int64
	path    string
	entries map[string]entry
}

func (a *archive) fail(name, format string, args ...any) error {
	return &FormatError{Path: a.path, Entry: name, Reason: fmt.Sprintf(format, args...)}
}

// readArchive reads the directory of a zip of size bytes (PKWARE's APPNOTE 4.3, with its 64-bit records) and checks each
// entry's own header against it. Only what torch writes is accepted: one disk, entries stored and in clear, none inside another.
func readArchive(r io.ReaderAt, size int64, path string) (*archive, error) {
	a := &archive{r: r, size: size, path: path, entries: map[string]entry{}}
	at, length, count, err := a.end()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, length)
	if _, err := r.ReadAt(raw, at); err != nil {
		return nil, a.fail("", "reading the directory: %v", err)
	}
	var list []entry
	for i := range count {
		e, header, rest, err := a.record(raw, i)
		if err != nil {
			return nil, err
		}
		raw = rest
		if err := a.local(&e, header, at); err != nil {
			return nil, err
		}
		if _, ok := a.entries[e.name]; ok {
			return nil, a.fail(e.name, "listed twice")
		}
		a.entries[e.name] = e
		list = append(list, e)
	}
	if len(raw) > 0 {
		return nil, a.fail("", "%d bytes of the directory belong to no entry", len(raw))
	}
	slices.SortFunc(list, func(x, y entry) int {
		if x.offset != y.offset {
			return int(min(max(x.offset-y.offset, -1), 1))
		}
		return int(min(max(x.size-y.size, -1), 1))
	})
	for i := 1; i < len(list); i++ {
		if list[i].offset < list[i-1].offset+list[i-1].size {
			return nil, a.fail(list[i].name, "its bytes overlap those of %s", list[i-1].name)
		}
	}
	return a, nil
}

// end finds the directory: its offset, its length, its number of entries.
func (a *archive) end() (at, length, count int64, err error) {
	if a.size < endSize {
		return 0, 0, 0, a.fail("", "%d bytes: not an archive that torch.save wrote", a.size)
	}
	tail := make([]byte, min(a.size, endSize+maxComment))
	base := a.size - int64(len(tail))
	if _, err := a.r.ReadAt(tail, base); err != nil {
		return 0, 0, 0, a.fail("", "reading the end: %v", err)
	}
	i := bytes.LastIndex(tail[:len(tail)-endSize+4], []byte("PK\x05\x06"))
	if i < 0 {
		var head [16]byte
		a.r.ReadAt(head[:], 0)
		if bytes.HasPrefix(head[:], []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")) {
			return 0, 0, 0, a.fail("", "written in torch's old format, before 1.6; load and save it with a newer torch")
		}
		return 0, 0, 0, a.fail("", "the archive's directory is not there: truncated, or not a file that torch.save wrote")
	}
	end, le := tail[i:], binary.LittleEndian
	where := base + int64(i)
	if int64(le.Uint16(end[20:]))+endSize != int64(len(end)) {
		return 0, 0, 0, a.fail("", "bytes after the archive's end")
	}
	disk, first, here := uint64(le.Uint16(end[4:])), uint64(le.Uint16(end[6:])), uint64(le.Uint16(end[8:]))
	n, long, off := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	if where >= locatorSize {
		var locator [locatorSize]byte
		if _, err := a.r.ReadAt(locator[:], where-locatorSize); err != nil {
			return 0, 0, 0, a.fail("", "reading the end: %v", err)
		}
		if string(locator[:4]) == "PK\x06\x07" {
			to := le.Uint64(locator[8:])
			if to > uint64(where) || uint64(where)-to < end64Size+locatorSize {
				return 0, 0, 0, a.fail("", "the 64-bit end record is said to lie at byte %d of %d", to, a.size)
			}
			var end64 [end64Size]byte
			if _, err := a.r.ReadAt(end64[:], int64(to)); err != nil {
				return 0, 0, 0, a.fail("", "reading the end: %v", err)
			}
			if string(end64[:4]) != "PK\x06\x06" {
				return 0, 0, 0, a.fail("", "no 64-bit end record at byte %d", to)
			}
			disk, first = uint64(le.Uint32(end64[16:])), uint64(le.Uint32(end64[20:]))
			here, n, long, off = le.Uint64(end64[24:]), le.Uint64(end64[32:]), le.Uint64(end64[40:]), le.Uint64(end64[48:])
			where = int64(to)
		}
	}
	switch {
	case disk != 0 || first != 0 || here != n:
		return 0, 0, 0, a.fail("", "an archive in several parts")
	case off > uint64(where) || long > uint64(where)-off:
		return 0, 0, 0, a.fail("", "the directory is said to take %d bytes from byte %d of %d: truncated?", long, off, a.size)
	case long > maxDirectory:
		return 0, 0, 0, a.fail("", "a directory of %d bytes, over %d", long, maxDirectory)
	case n > maxEntries || n > long/directorySize:
		return 0, 0, 0, a.fail("", "%d entries in a directory of %d bytes", n, long)
	}
	return int64(off), int64(long), int64(n), nil
}

// record reads the directory's record of entry i and returns where its local header lies.
func (a *archive) record(raw []byte, i int64) (e entry, header int64, rest []byte, err error) {
	le := binary.LittleEndian
	if len(raw) < directorySize || string(raw[:4]) != "PK\x01\x02" {
		return e, 0, nil, a.fail("", "the directory's record %d is not one", i)
	}
	flags, method := le.Uint16(raw[8:]), le.Uint16(raw[10:])
	e.crc = le.Uint32(raw[16:])
	packed, size, off := uint64(le.Uint32(raw[20:])), uint64(le.Uint32(raw[24:])), uint64(le.Uint32(raw[42:]))
	name, extra, comment := int(le.Uint16(raw[28:])), int(le.Uint16(raw[30:])), int(le.Uint16(raw[32:]))
	if len(raw) < directorySize+name+extra+comment {
		return e, 0, nil, a.fail("", "the directory's record %d goes past its end", i)
	}
	e.name = string(raw[directorySize : directorySize+name])
	fields := raw[directorySize+name : directorySize+name+extra]
	rest = raw[directorySize+name+extra+comment:]
	for len(fields) >= 4 {
		id, n := le.Uint16(fields), int(le.Uint16(fields[2:]))
		if len(fields) < 4+n {
			break
		}
		field := fields[4 : 4+n]
		fields = fields[4+n:]
		if id != 1 {
			continue
		}
		for _, v := range []*uint64{&size, &packed, &off} { // in this order, and only those that do not fit
			if *v != math.MaxUint32 {
				continue
			}
			if len(field) < 8 {
				return e, 0, nil, a.fail(e.name, "its 64-bit sizes are cut short")
			}
			*v = le.Uint64(field)
			field = field[8:]
		}
	}
	switch {
	case flags&1 != 0:
		return e, 0, nil, a.fail(e.name, "encrypted")
	case method != 0:
		return e, 0, nil, a.fail(e.name, "compressed (method %d); torch stores tensors as they are, and they are used where they lie", method)
	case packed != size:
		return e, 0, nil, a.fail(e.name, "stored, and yet %d bytes are said to become %d", packed, size)
	case off > uint64(a.size) || size > uint64(a.size)-off:
		return e, 0, nil, a.fail(e.name, "%d bytes from byte %d go past the end of the file, %d: truncated?", size, off, a.size)
	}
	e.size = int64(size)
	return e, int64(off), rest, nil
}

// local reads an entry's own header, after which its bytes come; all of them lie before the directory.
func (a *archive) local(e *entry, at, directory int64) error {
	var h [localSize]byte
	if at > directory-localSize {
		return a.fail(e.name, "said to begin at byte %d, in the directory", at)
	}
	if _, err := a.r.ReadAt(h[:], at); err != nil {
		return a.fail(e.name, "reading its header: %v", err)
	}
	le := binary.LittleEndian
	if string(h[:4]) != "PK\x03\x04" {
		return a.fail(e.name, "no header at byte %d", at)
	}
	if method := le.Uint16(h[8:]); method != 0 {
		return a.fail(e.name, "its header says compressed (method %d), the directory stored", method)
	}
	name := make([]byte, le.Uint16(h[26:]))
	if _, err := a.r.ReadAt(name, at+localSize); err != nil {
		return a.fail(e.name, "reading its header: %v", err)
	}
	if string(name) != e.name {
		return a.fail(e.name, "its header calls it %q", name)
	}
	e.offset = at + localSize + int64(len(name)) + int64(le.Uint16(h[28:]))
	if e.offset > directory || e.size > directory-e.offset {
		return a.fail(e.name, "%d bytes from byte %d reach into the directory at byte %d", e.size, e.offset, directory)
	}
	return nil
}

// read returns an entry's bytes.
func (a *archive) read(e entry, limit int64) ([]byte, error) {
	if e.size > limit {
		return nil, a.fail(e.name, "%d bytes, over %d", e.size, limit)
	}
	raw := make([]byte, e.size)
	if _, err := a.r.ReadAt(raw, e.offset); err != nil {
		return nil, a.fail(e.name, "%v", err)
	}
	return raw, nil
}
