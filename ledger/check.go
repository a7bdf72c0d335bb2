package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Report is what Check found.
type Report struct {
	Entries  uint64
	Actions  uint64
	Blobs    uint64
	Bytes    int64 // of blobs
	Memos    uint64
	Pages    uint64
	Origin   string    // the ledger's name
	Tree     tlog.Tree // size and root hash of the log, as signed
	Signer   string    // the public key that signed it
	Findings []Finding // damage, most telling first; none in a good ledger
	Notes    []string  // worth knowing, no damage
}

// A Finding is one place where the ledger is not what was written.
type Finding struct {
	Where string // "page 12", "entry 7", "blob sha256:…"
	What  string
}

func (f Finding) String() string { return f.Where + ": " + f.What }

// OK says whether nothing was found.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Err is nil or an ErrCorrupt that names the first finding.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	return corrupt(r.Findings[0].Where, "%s (%d findings in all)", r.Findings[0].What, len(r.Findings))
}

// freshPages is how many pages bbolt makes a database of: two meta pages, a free list and a tree, both empty.
const freshPages = 4

var errNothingYet = fmt.Errorf("%w: nothing was recorded in it yet", fs.ErrNotExist)

// maxFindings bounds a report: damage in one page can orphan much else.
const maxFindings = 100

// Check reads the whole ledger and proves it: every page, every byte between pages, every blob's digest, every
// entry against the signed Merkle log, every index against the entries. Damage is in the report; an error means
// that the check could not be made. Nothing else can be recorded meanwhile.
func (l *Ledger) Check(ctx context.Context) (*Report, error) {
	l.write.Lock()
	defer l.write.Unlock()
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return checkOpen(ctx, f, l.holdingPath())
}

// CheckFile is Check for a ledger that is not open, and may be too damaged to be. One in which nothing was recorded yet is
// fs.ErrNotExist, as for Open.
func CheckFile(ctx context.Context, path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l := &Ledger{path: path}
	if err := lockShared(f); err != nil {
		return nil, fmt.Errorf("ledger %s: %w by %s", path, err, l.holder())
	}
	r, err := checkOpen(ctx, f, l.holdingPath())
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	return r, nil
}

func checkOpen(ctx context.Context, f *os.File, holding string) (*Report, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	_, err = os.Lstat(holding)
	c := &checker{ctx: ctx, report: &Report{}, tidied: errors.Is(err, os.ErrNotExist)}
	return c.run(f, st.Size())
}

// A checker reads a ledger by its format alone: see doc.go. It does not use bbolt.
type checker struct {
	ctx    context.Context
	report *Report
	*pager
	used   []bool // pages reached from the root
	tidied bool   // the last process to write came to its end: what is free must be zero

	roots map[string]bucketRoot
	blobs map[Digest]blobRef
	keep  map[Digest][]byte // blobs an index depends on: lists of collected digests
	lost  bool              // some page could not be read, so absences prove nothing
}

type bucketRoot struct {
	page   uint64
	within uint64 // page whose value the bucket is, if inline
	inline []byte
}

func (c *checker) find(where, format string, args ...any) {
	if len(c.report.Findings) < maxFindings {
		c.report.Findings = append(c.report.Findings, Finding{where, fmt.Sprintf(format, args...)})
	}
}

// findErr adds an error's own place, if it has one.
func (c *checker) findErr(err error) {
	var ce *CorruptError
	if errors.As(err, &ce) {
		c.find(ce.Region, "%s", ce.What)
		return
	}
	c.find("file", "%v", err)
}

func (c *checker) run(r io.ReaderAt, size int64) (*Report, error) {
	if size == 0 {
		return nil, errNothingYet
	}
	var err error
	if c.pager, err = newPager(r, size); err != nil {
		c.find("pages 0 and 1", "neither tells the state of the ledger: %v", err)
		return c.report, nil
	}
	c.report.Pages = c.pages
	if c.pages > uint64(size)/uint64(c.pageSize) {
		c.find("file", "%d bytes, cut off before the end of page %d", size, c.pages-1)
		return c.report, nil
	}
	c.metaPages()
	c.used = make([]bool, c.pages)
	c.roots = map[string]bucketRoot{}
	c.tree(c.root, nil, func(pg uint64, x cell) error {
		root, inline, err := bucketHeader(x.value)
		if !x.bucket || err != nil {
			return corrupt(pageName(pg), "%.20q is no bucket (%v)", x.key, err)
		}
		c.roots[string(x.key)] = bucketRoot{root, pg, inline}
		return nil
	})
	if c.pages == freshPages && len(c.roots) == 0 && c.report.OK() {
		return nil, errNothingYet // its maker was killed before the first transaction
	}
	for _, name := range buckets {
		if _, ok := c.roots[string(name)]; !ok {
			c.find("bucket "+string(name), "missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.roots)) {
		if !slices.ContainsFunc(buckets, func(b []byte) bool { return string(b) == name }) {
			c.find(fmt.Sprintf("bucket %.40q", name), "not of this format")
			c.each(name, func(uint64, cell) error { return nil })
		}
	}
	for _, step := range []func(){c.blobIndex, c.lists, c.data, c.entries, c.memos, c.freePagesAndTail} {
		if step(); c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
	}
	return c.report, nil
}

// metaPages checks the two pages that say where everything is.
func (c *checker) metaPages() {
	for i := range c.metas {
		name := pageName(uint64(i))
		if c.errs[i] != nil {
			c.find(name, "damaged meta page: %v", c.errs[i])
			continue
		}
		b := make([]byte, c.pageSize)
		if _, err := c.r.ReadAt(b, int64(i*c.pageSize)); err != nil {
			c.find(name, "unreadable: %v", err)
			continue
		}
		if le.Uint64(b) != uint64(i) || le.Uint16(b[10:]) != 0 || le.Uint32(b[12:]) != 0 || !zero(b[pageHeader+metaSize:]) {
			c.find(name, "the header or the bytes behind the meta data changed")
		}
		if body := b[pageHeader:]; le.Uint32(body[12:]) != 0 || le.Uint64(body[24:]) != 0 {
			c.find(name, "flags or a sequence are set, which are never used")
		}
		if m := c.metas[i]; m.txid%2 != uint64(i) {
			c.find(name, "transaction %d belongs on the other page", m.txid)
		}
	}
	if c.errs[0] != nil || c.errs[1] != nil {
		return
	}
	a, b := c.metas[0], c.metas[1]
	if a.txid+1 != b.txid && b.txid+1 != a.txid {
		c.find("pages 0 and 1", "transactions %d and %d do not follow one another", a.txid, b.txid)
	}
	// Two metas of the same trees are what a process leaves behind that came to its end.
	if a.root != b.root {
		c.tidied = false
		c.report.Notes = append(c.report.Notes, "the last process to write did not come to its end, or still runs: old versions of pages remain and are not checked")
	}
}

// tree visits all cells below a page in the order of their keys. Damage is a finding; what can be read is visited.
func (c *checker) tree(root uint64, first []byte, visit func(page uint64, x cell) error) {
	var last []byte
	c.subtree(root, first, 0, &last, visit)
}

func (c *checker) subtree(id uint64, first []byte, depth int, last *[]byte, visit func(page uint64, x cell) error) {
	if c.ctx.Err() != nil {
		return
	}
	fail := func(err error) {
		c.lost = true
		c.findErr(err)
	}
	pg, err := c.page(id)
	if err != nil {
		fail(err)
		return
	}
	for i := id; i <= id+pg.overflow; i++ {
		if c.used[i] {
			fail(corrupt(pageName(i), "reached twice"))
			return
		}
		c.used[i] = true
	}
	cells, err := pg.cells()
	if err != nil {
		fail(err)
		return
	}
	if want := (pg.used + c.pageSize - 1) / c.pageSize; uint64(want) != pg.overflow+1 {
		fail(corrupt(pageName(id), "%d pages long, needs %d", pg.overflow+1, want))
		return
	}
	if first != nil && (len(cells) == 0 || !bytes.Equal(cells[0].key, first)) {
		fail(corrupt(pageName(id), "does not begin with the key its parent names"))
		return
	}
	if pg.flags == branchPage && (len(cells) == 0 || depth >= maxTreeDepth) {
		fail(corrupt(pageName(id), "an empty branch, or one too deep"))
		return
	}
	for _, x := range cells {
		if pg.flags == branchPage {
			c.subtree(x.child, x.key, depth+1, last, visit)
			continue
		}
		if *last != nil && bytes.Compare(*last, x.key) >= 0 {
			fail(corrupt(pageName(id), "keys out of order between pages"))
		}
		*last = x.key
		if err := visit(id, x); err != nil {
			c.findErr(err)
		}
	}
}

// each visits the cells of a bucket.
func (c *checker) each(name string, visit func(page uint64, x cell) error) {
	root, ok := c.roots[name]
	switch {
	case !ok:
		c.lost = true
	case root.page == 0:
		if err := inlinePage(root.within, root.inline, func(x cell) error { return visit(root.within, x) }); err != nil {
			c.lost = true
			c.findErr(err)
		}
	default:
		c.tree(root.page, nil, func(pg uint64, x cell) error {
			if x.bucket {
				return corrupt(pageName(pg), "a bucket inside bucket %s", name)
			}
			return visit(pg, x)
		})
	}
}

func (c *checker) blobIndex() {
	c.blobs = map[Digest]blobRef{}
	c.each("blobs", func(pg uint64, x cell) error {
		ref, err := decodeBlobRef(x.value)
		if err != nil || len(x.key) != len(Digest{}) {
			return corrupt(pageName(pg), "index of blob %x: %v", x.key, err)
		}
		if ref.size < 0 || ref.chunk > 1<<62 {
			return corrupt(pageName(pg), "index of blob %x: chunk %d, %d bytes", x.key, ref.chunk, ref.size)
		}
		c.blobs[Digest(x.key)] = ref
		c.report.Blobs++
		c.report.Bytes += ref.size
		return nil
	})
}

// lists notes which blobs later steps need the bytes of. Damage in entries is left for entries to report.
func (c *checker) lists() {
	c.keep = map[Digest][]byte{}
	quiet := &checker{ctx: c.ctx, report: &Report{}, pager: c.pager, used: make([]bool, c.pages), roots: c.roots}
	quiet.each("entries", func(_ uint64, x cell) error {
		if len(x.value) > 1 && EntryType(x.value[1]) == GCEntry {
			if e, err := decodeEntry(0, x.value); err == nil {
				c.keep[e.GC.List] = nil
			}
		}
		return nil
	})
}

// data hashes every blob.
func (c *checker) data() {
	type place struct {
		Digest
		blobRef
	}
	places := make([]place, 0, len(c.blobs))
	for d, ref := range c.blobs {
		if ref.size == 0 {
			if d != Sum(nil) {
				c.find("blob "+d.String(), "said to be empty")
			}
			continue
		}
		places = append(places, place{d, ref})
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.chunk != b.chunk {
			return int(int64(a.chunk) - int64(b.chunk))
		}
		return compareHash(a.Digest, b.Digest)
	})
	h := sha256.New()
	var done int64 // bytes of places[0] seen
	var kept []byte
	skip := func() { // the first place did not come in full
		c.find("blob "+places[0].String(), "bytes are missing: %d of %d found", done, places[0].size)
		places, done = places[1:], 0
		h.Reset()
		kept = nil
	}
	c.each("data", func(pg uint64, x cell) error {
		if len(x.key) != 8 {
			return corrupt(pageName(pg), "chunk with a key of %d bytes", len(x.key))
		}
		n := decodeSeq(x.key)
		for len(places) > 0 && places[0].chunk+uint64(done/chunkSize) < n {
			skip()
		}
		if len(places) == 0 || places[0].chunk+uint64(done/chunkSize) != n {
			return corrupt(pageName(pg), "chunk %d belongs to no blob", n)
		}
		p := &places[0]
		if want := min(chunkSize, p.size-done); int64(len(x.value)) != want {
			c.find("blob "+p.String(), "chunk %d on %s has %d bytes in place of %d", n, pageName(pg), len(x.value), want)
		}
		h.Write(x.value)
		if _, wanted := c.keep[p.Digest]; wanted {
			kept = append(kept, x.value...)
		}
		if done += chunkSize; done < p.size {
			return nil
		}
		if got := sumOf(h); got != p.Digest {
			c.find("blob "+p.String(), "hashes to %s (chunk %d, %s)", got, n, pageName(pg))
		} else if kept != nil {
			c.keep[p.Digest] = kept
		}
		places, done, kept = places[1:], 0, nil
		h.Reset()
		return nil
	})
	for len(places) > 0 && c.ctx.Err() == nil {
		skip()
	}
}

func sumOf(h hash.Hash) (d Digest) {
	h.Sum(d[:0])
	return d
}

// A merkle is the right edge of a log: enough to extend it and to know its root.
type merkle struct {
	n    int64
	edge []tlog.Hash // roots of complete subtrees, largest first
}

// add appends a record's hash and returns the hashes the log stores for it.
func (m *merkle) add(h tlog.Hash) []tlog.Hash {
	stored := []tlog.Hash{h}
	for i := m.n; i&1 == 1; i >>= 1 {
		h = tlog.NodeHash(m.edge[len(m.edge)-1], h)
		m.edge = m.edge[:len(m.edge)-1]
		stored = append(stored, h)
	}
	m.edge = append(m.edge, h)
	m.n++
	return stored
}

func (m *merkle) root() tlog.Hash {
	if m.n == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := m.edge[len(m.edge)-1]
	for i := len(m.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(m.edge[i], h)
	}
	return h
}

// entries replays all entries: the log's hashes, the indexes and the tombstones must be what they come to.
func (c *checker) entries() {
	var (
		log     merkle
		rows    = map[ActionID]row{}
		kinds   = map[string][]byte{}
		tombs   = map[Digest]uint64{}
		holding = map[Digest][]ActionID{} // standing outcomes by output, for gc
		signers []byte
		keys    []string
		expect  *Conflict // what the next entry has to be
	)
	nextHash, stop := iter.Pull(func(yield func(cell) bool) {
		going := true
		c.each("hashes", func(pg uint64, x cell) error {
			if going {
				going = yield(x)
			}
			return nil
		})
	})
	defer stop()
	hashes := uint64(0)
	has := func(where, what string, d Digest, size int64) {
		if ref, ok := c.blobs[d]; !ok {
			if _, gone := tombs[d]; !gone {
				c.find(where, "%s: blob %s is missing", what, d)
			}
		} else if size >= 0 && ref.size != size {
			c.find(where, "%s: blob %s has %d bytes, not %d", what, d, ref.size, size)
		}
	}
	type need struct {
		where, what string
		Output
	}
	var needs []need // checked at the end: what is missing may have been collected later

	c.each("entries", func(pg uint64, x cell) error {
		seq := uint64(log.n)
		where := fmt.Sprintf("entry %d", seq)
		if decodeSeq(x.key) != seq || len(x.key) != 8 {
			c.find(pageName(pg), "entry %x where entry %d belongs", x.key, seq)
		}
		for _, h := range log.add(tlog.RecordHash(x.value)) {
			got, ok := nextHash()
			if !ok || decodeSeq(got.key) != hashes || !bytes.Equal(got.value, h[:]) {
				c.find(where, "is not what the log's hash %d says (%s)", hashes, pageName(pg))
			}
			hashes++
		}
		e, err := decodeEntry(seq, x.value)
		if err != nil {
			return corrupt(where, "%v (%s)", err, pageName(pg))
		}
		if expect != nil && (e.Conflict == nil || *e.Conflict != *expect) {
			c.find(where, "the conflict of the outcome before it is missing")
		}
		if expect == nil && e.Conflict != nil {
			c.find(where, "a conflict nobody made")
		}
		expect = nil
		if o := e.Outcome; o != nil {
			var was *row
			if r, ok := rows[o.Action]; ok {
				was = &r
			} else {
				kinds[string(kindKey(o.Key.Kind, seq))] = fingerprints(o.Key)
			}
			absent := e.absent()
			for _, d := range absent {
				tombs[d] = seq
			}
			now, conflict := was.with(seq, o, len(absent) > 0)
			rows[o.Action], expect = now, conflict
			for _, out := range o.Outputs {
				needs = append(needs, need{where, "output " + out.Name, out})
				holding[out.Digest] = append(holding[out.Digest], o.Action)
			}
		}
		switch {
		case e.Signer != nil:
			signers = appendUint64(signers, seq)
			keys = append(keys, e.Signer.Key)
			if c.report.Origin == "" {
				c.report.Origin = e.Signer.Origin
			}
			if e.Signer.Origin != c.report.Origin {
				c.find(where, "signs for %.60q, not %q", e.Signer.Origin, c.report.Origin)
			}
		case e.Run != nil:
			needs = append(needs, need{where, "reused actions", Output{"", e.Run.Hits, int64(e.Run.Reused) * 32}})
		case e.Import != nil:
			needs = append(needs, need{where, "evidence", Output{"", e.Import.Evidence, -1}})
		case e.GC != nil:
			needs = append(needs, need{where, "list", Output{"", e.GC.List, int64(e.GC.Blobs) * 32}})
			list := c.keep[e.GC.List]
			for ; len(list) >= 32; list = list[32:] {
				d := Digest(list[:32])
				tombs[d] = seq
				for _, id := range holding[d] {
					r := rows[id]
					r.collected = r.collected || slices.ContainsFunc(r.outputs, func(o Output) bool { return o.Digest == d })
					rows[id] = r
				}
			}
		}
		return nil
	})
	if expect != nil {
		c.find("entries", "the conflict of the last outcome is missing")
	}
	if _, more := nextHash(); more {
		c.find("log", "more hashes than %d entries have", log.n)
	}
	for d := range tombs {
		if _, back := c.blobs[d]; back {
			delete(tombs, d)
		}
	}
	for _, n := range needs {
		has(n.where, n.what, n.Digest, n.Size)
	}
	c.report.Entries, c.report.Actions = uint64(log.n), uint64(len(rows))

	compareIndex(c, "actions", rows, func(id ActionID) []byte { return id[:] }, func(r row) []byte { return r.encode() })
	compareIndex(c, "kinds", kinds, func(k string) []byte { return []byte(k) }, func(b []byte) []byte { return b })
	compareIndex(c, "tombs", tombs, func(d Digest) []byte { return d[:] }, uint64Key)
	c.metaBucket(&log, signers, keys)
}

// compareIndex compares a bucket with what it should hold.
func compareIndex[K comparable, V any](c *checker, name string, want map[K]V, key func(K) []byte, value func(V) []byte) {
	expected := make(map[string][]byte, len(want))
	for k, v := range want {
		expected[string(key(k))] = value(v)
	}
	c.each(name, func(pg uint64, x cell) error {
		v, ok := expected[string(x.key)]
		delete(expected, string(x.key))
		if !ok {
			return corrupt(pageName(pg), "index %s has %x, which no entry explains", name, x.key)
		}
		if !bytes.Equal(v, x.value) {
			return corrupt(pageName(pg), "index %s says of %x what the entries do not", name, x.key)
		}
		return nil
	})
	for _, k := range slices.Sorted(maps.Keys(expected)) {
		c.find("index "+name, "%x is missing", k)
	}
}

// metaBucket checks format and signature.
func (c *checker) metaBucket(log *merkle, signers []byte, keys []string) {
	seen := map[string][]byte{}
	c.each("meta", func(pg uint64, x cell) error {
		seen[string(x.key)] = x.value
		return nil
	})
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		if k != string(kFormat) && k != string(kCheckpoint) && k != string(kSigners) {
			c.find("bucket meta", "unknown key %.40q", k)
		}
	}
	if got := string(seen[string(kFormat)]); got != format {
		c.find("bucket meta", "format %.60q, expected %q", got, format)
	}
	if !bytes.Equal(seen[string(kSigners)], signers) {
		c.find("bucket meta", "the list of signers is not what the entries say")
	}
	var known []note.Verifier
	for _, k := range keys {
		if v, err := note.NewVerifier(k); err == nil {
			known = append(known, v)
		} else {
			c.find("entries", "signer %.60q: %v", k, err)
		}
	}
	origin, tree, by, err := openNote(seen[string(kCheckpoint)], known...)
	if err != nil {
		c.find("bucket meta", "%v", err)
		return
	}
	c.report.Tree = tree
	for i, v := range known {
		if v.Name() == by.Name && v.KeyHash() == by.Hash {
			c.report.Signer = keys[i]
		}
	}
	if origin != c.report.Origin || tree.N != log.n || tree.Hash != log.root() {
		c.find("checkpoint", "signed for %d entries of %q with root %s; found %d of %q with root %s", tree.N, origin, tree.Hash, log.n, c.report.Origin, log.root())
	}
}

func (c *checker) memos() {
	c.each("memo", func(pg uint64, x cell) error {
		c.report.Memos++
		space, _, _ := bytes.Cut(x.key, []byte{0})
		if _, ok := openMemo(x.key, x.value); !ok {
			return corrupt(pageName(pg), "memo %.40q is damaged; it can be dropped", space)
		}
		return nil
	})
}

// freePagesAndTail accounts for every page no tree reaches.
func (c *checker) freePagesAndTail() {
	own, err := c.header(c.freelist)
	var free []uint64
	if err == nil {
		free, err = c.freePages()
	}
	if err != nil {
		c.findErr(err)
		return
	}
	listed := make([]bool, c.pages)
	for _, id := range free {
		listed[id] = true
	}
	inOwn := func(id uint64) bool { return id >= own.id && id <= own.id+own.overflow }
	for id := uint64(2); id < c.pages; id++ {
		in := c.used[id] || inOwn(id)
		if in && listed[id] {
			c.find(pageName(id), "in use and listed as free")
		}
		if !in && !listed[id] && !c.lost {
			c.find(pageName(id), "neither in use nor listed as free")
		}
		if c.used[id] && inOwn(id) {
			c.find(pageName(id), "in use and part of the free list")
		}
	}
	// The older meta has a free list of its own, on pages that are free in the newer state.
	old := func(uint64) bool { return false }
	if c.tidied {
		if old, err = c.olderFreeList(inOwn); err != nil {
			c.findErr(err)
		}
	}
	dirty := 0
	buf := make([]byte, c.pageSize)
	for _, id := range free {
		if old(id) {
			continue
		}
		if _, err := c.r.ReadAt(buf, int64(id)*int64(c.pageSize)); err != nil {
			c.find(pageName(id), "unreadable: %v", err)
		} else if !zero(buf) {
			if dirty++; c.tidied {
				c.find(pageName(id), "free, yet not zero: changed after the ledger was closed")
			}
		}
		if c.ctx.Err() != nil {
			return
		}
	}
	for off := int64(c.pages) * int64(c.pageSize); off < c.size; off += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), c.size-off)]
		if _, err := c.r.ReadAt(part, off); err != nil {
			c.find("file", "unreadable at %d: %v", off, err)
			return
		}
		if !zero(part) {
			if dirty++; c.tidied {
				c.find(fmt.Sprintf("bytes %d to %d", off, off+int64(len(part))), "behind the last page, yet not zero")
			}
		}
	}
	if dirty > 0 && !c.tidied {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("%d free pages hold old versions", dirty))
	}
}

// olderFreeList checks the list of free pages the older meta page names, which must be everything its trees (the
// same as the newer's) and the list itself do not use, and says which pages it takes.
func (c *checker) olderFreeList(inOwn func(uint64) bool) (func(uint64) bool, error) {
	older := *c.pager
	older.boltMeta = c.metas[0]
	if older.txid == c.txid {
		older.boltMeta = c.metas[1]
	}
	none := func(uint64) bool { return false }
	if c.errs[0] != nil || c.errs[1] != nil {
		return none, nil
	}
	pg, err := older.header(older.freelist)
	if err != nil {
		return none, err
	}
	in := func(id uint64) bool { return id >= pg.id && id <= pg.id+pg.overflow }
	list, err := older.freePages()
	if err != nil {
		return in, err
	}
	for id := uint64(2); id < older.pages; id++ {
		free := len(list) > 0 && list[0] == id
		if free {
			list = list[1:]
		}
		if want := !c.used[id] && !in(id); free != want && !c.lost {
			return in, corrupt(pageName(older.freelist), "the older free list is wrong about page %d", id)
		}
	}
	if len(list) > 0 {
		return in, corrupt(pageName(older.freelist), "the older free list goes on behind the last page")
	}
	return in, nil
}
