package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"swaprun/ledger"
)

// A reader written from the description in doc.go alone: bbolt, tlog and note, nothing of the package.

type desc struct{ b []byte }

func (d *desc) n(n int) []byte { v := d.b[:n]; d.b = d.b[n:]; return v }
func (d *desc) byte() byte     { return d.n(1)[0] }
func (d *desc) u64() uint64    { return binary.BigEndian.Uint64(d.n(8)) }
func (d *desc) str() []byte    { return d.n(int(d.uvarint())) }
func (d *desc) hash() [32]byte { return [32]byte(d.n(32)) }
func (d *desc) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.n(n)
	return v
}

func (d *desc) execution() (started, took uint64, texts []string) {
	started, took = d.u64(), d.uvarint()
	for range 5 {
		texts = append(texts, string(d.str()))
	}
	return
}

func (d *desc) outputs() (list []string) {
	for n := d.uvarint(); n > 0; n-- {
		list = append(list, fmt.Sprintf("%s %x %d", d.str(), d.hash(), d.uvarint()))
	}
	return
}

// checkEvidence proves by a piece of evidence that a record is in another ledger's log.
func checkEvidence(b []byte, origin string, seq uint64, record []byte) error {
	rest, ok := bytes.CutPrefix(b, []byte("swaprun evidence 1\n"))
	if !ok {
		return fmt.Errorf("begins with %.20q", b)
	}
	d := &desc{rest}
	pub, err := note.NewVerifier(string(d.str()))
	if err != nil {
		return err
	}
	cp, err := note.Open(d.str(), note.VerifierList(pub))
	if err != nil {
		return err
	}
	var name, root string
	var size int64
	if _, err := fmt.Sscanf(cp.Text, "%s\n%d\n%s\n", &name, &size, &root); err != nil || name != origin {
		return fmt.Errorf("checkpoint %q: %v", cp.Text, err)
	}
	top, err := tlog.ParseHash(root)
	if err != nil {
		return err
	}
	for n := d.uvarint(); n > 0; n-- {
		at := d.uvarint()
		proof := make(tlog.RecordProof, d.uvarint())
		for i := range proof {
			proof[i] = d.hash()
		}
		if at == seq {
			return tlog.CheckRecord(proof, size, top, int64(seq), tlog.RecordHash(record))
		}
	}
	return fmt.Errorf("no proof of record %d", seq)
}

// An index is what doc.go says follows from the entries alone.
type index struct {
	rows  map[[32]byte]*indexRow
	kinds map[string][]byte
	tombs map[[32]byte]uint64
}

type indexRow struct {
	failed, differ, gone bool
	stands, took         uint64
	claims               []uint64
	outputs              string // as encoded
	digests              [][32]byte
}

// outcome takes in an outcome: the part of its entry from the flags on, and which of its outputs are absent.
func (x *index) outcome(seq uint64, d *desc, absent []uint64) {
	failed := d.byte()&1 != 0
	_, took, _ := d.execution()
	key := d.str()
	encoded := string(d.b)
	now := indexRow{failed: failed, stands: seq, took: took, outputs: encoded, gone: len(absent) > 0}
	for n := d.uvarint(); n > 0; n-- {
		d.str()
		now.digests = append(now.digests, d.hash())
		d.uvarint()
	}
	for i, digest := range now.digests {
		delete(x.tombs, digest)
		if slices.Contains(absent, uint64(i)) {
			x.tombs[digest] = seq
		}
	}
	id := sha256.Sum256(key)
	was := x.rows[id]
	if was == nil {
		x.rows[id] = &now
		x.kinds[kindOf(key)+"\x00"+string(binary.BigEndian.AppendUint64(nil, seq))] = kindValue(key)
	} else {
		was.differ = was.differ || was.failed != failed || was.outputs != encoded
		if was.gone || was.failed && !failed && !now.gone {
			was.failed, was.gone, was.stands, was.took, was.outputs, was.digests = failed, now.gone, seq, took, encoded, now.digests
		}
	}
	x.rows[id].claims = append(x.rows[id].claims, seq)
}

// gc takes in which blobs were taken out.
func (x *index) gc(seq uint64, list []byte) {
	for ; len(list) > 0; list = list[32:] {
		digest := [32]byte(list)
		x.tombs[digest] = seq
		for _, r := range x.rows {
			r.gone = r.gone || slices.Contains(r.digests, digest)
		}
	}
}

func (r *indexRow) encode() []byte {
	flags := byte(0)
	for bit, on := range []bool{r.failed, r.differ, r.gone} {
		if on {
			flags |= 1 << bit
		}
	}
	b := binary.AppendUvarint(binary.AppendUvarint([]byte{flags}, r.stands), uint64(len(r.claims)))
	for _, c := range r.claims {
		b = binary.AppendUvarint(b, c)
	}
	return append(binary.AppendUvarint(b, r.took), r.outputs...)
}

func kindOf(key []byte) string {
	d := &desc{bytes.TrimPrefix(key, []byte("swaprun key 1\n"))}
	return string(d.str())
}

func kindValue(key []byte) []byte {
	first8 := func(b []byte) []byte { h := sha256.Sum256(b); return h[:8] }
	d := &desc{bytes.TrimPrefix(key, []byte("swaprun key 1\n"))}
	d.str()
	value := first8(binary.AppendUvarint(nil, d.uvarint()))
	for n := d.uvarint(); n > 0; n-- {
		before := d.b
		d.str()
		d.byte()
		d.str()
		value = append(value, first8(before[:len(before)-len(d.b)])...)
	}
	return value
}

// holds compares a bucket with what it must hold.
func holds(t *testing.T, b *bbolt.Bucket, want map[string][]byte) {
	t.Helper()
	n := 0
	if err := b.ForEach(func(k, v []byte) error {
		n++
		if !bytes.Equal(v, want[string(k)]) {
			t.Errorf("key %q holds %x, want %x", k, v, want[string(k)])
		}
		return nil
	}); err != nil || n != len(want) {
		t.Errorf("%d keys, want %d (%v)", n, len(want), err)
	}
}

// checkSlice reads a slice by its description: one outcome, of whose two outputs the second was left out.
func checkSlice(t *testing.T, b []byte, output []byte) {
	t.Helper()
	d := &desc{bytes.TrimPrefix(b, []byte("swaprun slice 1\n"))}
	pub, err := note.NewVerifier(string(d.str()))
	if err != nil {
		t.Fatal(err)
	}
	cp, err := note.Open(d.str(), note.VerifierList(pub))
	if err != nil {
		t.Fatal(err)
	}
	var name, root string
	var size int64
	if _, err := fmt.Sscanf(cp.Text, "%s\n%d\n%s\n", &name, &size, &root); err != nil {
		t.Fatal(err)
	}
	top, err := tlog.ParseHash(root)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.uvarint(); n != 1 {
		t.Fatalf("%d records", n)
	}
	seq, record := d.uvarint(), d.str()
	proof := make(tlog.RecordProof, d.uvarint())
	for i := range proof {
		proof[i] = d.hash()
	}
	if err := tlog.CheckRecord(proof, size, top, int64(seq), tlog.RecordHash(record)); err != nil {
		t.Error(err)
	}
	if n := d.uvarint(); n != 1 {
		t.Fatalf("%d blobs", n)
	}
	if digest, n := d.hash(), d.uvarint(); digest != sha256.Sum256(output) || n != uint64(len(output)) || !bytes.Equal(d.b, output) {
		t.Errorf("blob %x of %d bytes: %q", digest, n, d.b)
	}
}

// Values of every type are encoded in a key as described.
func TestKeyFromTheDescription(t *testing.T) {
	key := ledger.NewKey("k", 300).Text("a", "é").Int("b", -2).Bool("c", true).Float("d", 1.5).Digest("e", ledger.Sum([]byte("x"))).Bytes("f", []byte{0, 255}).
		JSON("g", map[string]any{"z": []any{1, 0.5, 1e21, "a\n<\"\\", nil, true}, "b": 1e15}).
		List("h", ledger.TextValue("y"), ledger.IntValue(1)).Set("i", ledger.SetValue(ledger.TextValue("b"), ledger.TextValue("a"), ledger.TextValue("b")))
	digest := sha256.Sum256([]byte("x"))
	want := "swaprun key 1\n" + "\x01k" + "\xac\x02" + "\x09" +
		"\x01a\x01\x02é" +
		"\x01b\x02\x08\xff\xff\xff\xff\xff\xff\xff\xfe" +
		"\x01c\x03\x01\x01" +
		"\x01d\x04\x08\x3f\xf8\x00\x00\x00\x00\x00\x00" +
		"\x01e\x05\x20" + string(digest[:]) +
		"\x01f\x06\x02\x00\xff"
	document := `{"b":1000000000000000,"z":[1,0.5,1e+21,"a\u000a<\"\\",null,true]}`
	want += "\x01g\x07" + string(rune(len(document))) + document +
		"\x01h\x08\x0e" + "\x02" + "\x01\x01y" + "\x02\x08\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x01i\x09\x07" + "\x02" + "\x01\x01a" + "\x01\x01b"
	if got := key.Encode(); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if ledger.ActionID(sha256.Sum256([]byte(want))) != key.ID() {
		t.Error("the action is not the hash of that")
	}
}

// importFrom takes an outcome from another ledger, the bytes of one of its outputs left out.
func importFrom(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	other, err := ledger.Open(filepath.Join(t.TempDir(), "other.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	key := ledger.NewKey("metric", 1)
	if _, err := other.Record(ledger.Record{Key: key, Outputs: []ledger.Blob{{Name: "a", Bytes: []byte("imported")}, {Name: "b", Bytes: []byte("left out")}}}); err != nil {
		t.Fatal(err)
	}
	var slice bytes.Buffer
	leave := func(_ *ledger.Outcome, o ledger.Output) bool { return o.Name == "b" }
	if _, err := other.Export(context.Background(), &slice, ledger.Selection{Actions: []ledger.ActionID{key.ID()}, Skip: leave}); err != nil {
		t.Fatal(err)
	}
	s, err := ledger.ReadSlice(context.Background(), bytes.NewReader(slice.Bytes()), int64(slice.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Import(context.Background(), s, "r2"); err != nil {
		t.Fatal(err)
	}
	checkSlice(t, slice.Bytes(), []byte("imported"))
}

func TestReaderFromTheDescription(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := ledger.NewKey("capture", 3).Text("question", "left?").Int("n", -1)
	states := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // three chunks and a bit
	meta := ledger.Meta{Run: "r1", Tool: "v0", Device: ledger.Device{CPU: "c", Platform: "p", Runtime: "rt"}, Duration: 77}
	if _, err := l.Record(ledger.Record{Key: key, Outputs: []ledger.Blob{{Name: "states", Bytes: states}, {Name: "none"}}, Meta: meta}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(ledger.Record{Key: key, Failed: true, Outputs: []ledger.Blob{{Name: "why", Bytes: []byte("x")}}, Meta: meta}); err != nil {
		t.Fatal(err)
	}
	if err := l.RecordRun(ledger.Run{Name: "demo", Ran: 2, Meta: meta}, []ledger.ActionID{key.ID()}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.GC(context.Background(), ledger.Keep{}, meta); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(ledger.Record{Key: key, Outputs: []ledger.Blob{{Name: "states", Bytes: states}, {Name: "none"}}, Meta: meta}); err != nil {
		t.Fatal(err)
	}
	importFrom(t, l)
	l.Memo("space").Put([]byte("k"), []byte("v"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var story []string
	var pubs []note.Verifier
	var signers []byte
	var origin string
	x := &index{map[[32]byte]*indexRow{}, map[string][]byte{}, map[[32]byte]uint64{}}
	err = db.View(func(tx *bbolt.Tx) error {
		get := func(bucket string, key []byte) []byte { return tx.Bucket([]byte(bucket)).Get(key) }
		u64 := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
		if got := string(get("meta", []byte("format"))); got != "swaprun ledger 1" {
			t.Errorf("format %q", got)
		}
		blob := func(d [32]byte) []byte {
			ref := &desc{get("blobs", d[:])}
			first, size := ref.u64(), ref.uvarint()
			var out []byte
			for uint64(len(out)) < size {
				out = append(out, get("data", u64(first))...)
				first++
			}
			if sha256.Sum256(out) != d || uint64(len(out)) != size {
				t.Errorf("blob %x does not hash to its digest", d)
			}
			return out
		}
		hashes := tlog.HashReaderFunc(func(idx []int64) (list []tlog.Hash, err error) {
			for _, i := range idx {
				list = append(list, tlog.Hash(get("hashes", u64(uint64(i)))))
			}
			return list, nil
		})
		n := uint64(0)
		for ; get("entries", u64(n)) != nil; n++ {
			raw := get("entries", u64(n))
			if leaf := get("hashes", u64(uint64(tlog.StoredHashIndex(0, int64(n))))); tlog.Hash(leaf) != tlog.RecordHash(raw) {
				t.Errorf("entry %d is not leaf %d of the log", n, n)
			}
			d := &desc{raw}
			if f := d.byte(); f != 1 {
				t.Errorf("entry format %d", f)
			}
			typ, _ := d.byte(), d.u64()
			switch typ {
			case 1:
				origin = string(d.str())
				v, err := note.NewVerifier(string(d.str()))
				if err != nil {
					return err
				}
				pubs = append(pubs, v)
				signers = append(signers, u64(n)...)
				story = append(story, "signer")
			case 2:
				x.outcome(n, &desc{d.b}, nil)
				flags := d.byte()
				_, took, texts := d.execution()
				k := d.str()
				id := sha256.Sum256(k)
				kd := &desc{bytes.TrimPrefix(k, []byte("swaprun key 1\n"))}
				kind, version := kd.str(), kd.uvarint()
				var fields []string
				for c := kd.uvarint(); c > 0; c-- {
					fields = append(fields, fmt.Sprintf("%s:%d:%x", kd.str(), kd.byte(), kd.str()))
				}
				outs := d.outputs()
				if len(outs) == 2 && n > 3 { // the one that was stored again
					if !bytes.Equal(blob(sha256.Sum256(states)), states) {
						t.Error("states differ")
					}
					row := &desc{get("actions", id[:])}
					story = append(story, fmt.Sprintf("row flags %d stands %d", row.byte(), row.uvarint()))
				}
				story = append(story, fmt.Sprintf("outcome flags %d %s v%d %s took %d %s %d outputs", flags, kind, version, fields, took, strings.Join(texts, ","), len(outs)))
			case 3:
				d.hash()
				story = append(story, fmt.Sprintf("conflict %d stands, not %d", d.uvarint(), d.uvarint()))
			case 4:
				d.execution()
				name, list := d.str(), d.hash()
				story = append(story, fmt.Sprintf("run %s reused %d = %d ran %d failed %d", name, d.uvarint(), len(blob(list))/32, d.uvarint(), d.uvarint()))
			case 5:
				d.execution()
				list := blob(d.hash())
				x.gc(n, list)
				story = append(story, fmt.Sprintf("gc %d = %d blobs", d.uvarint(), len(list)/32))
				d.uvarint()
			case 6:
				from, seq, evidence, run := string(d.str()), d.uvarint(), d.hash(), d.str()
				var absent []uint64
				for c := d.uvarint(); c > 0; c-- {
					absent = append(absent, d.uvarint())
				}
				record := d.str()
				if err := checkEvidence(blob(evidence), from, seq, record); err != nil {
					t.Errorf("evidence of entry %d: %v", n, err)
				}
				inner := &desc{record}
				if f, typ := inner.byte(), inner.byte(); f != 1 || typ != 2 {
					t.Errorf("entry %d: an import of type %d", n, typ)
				}
				inner.u64()
				x.outcome(n, &desc{inner.b}, absent)
				flags := inner.byte()
				inner.execution()
				id := sha256.Sum256(inner.str())
				outs := inner.outputs()
				gone := sha256.Sum256([]byte("left out"))
				if at := get("tombs", gone[:]); !bytes.Equal(at, u64(n)) || get("blobs", gone[:]) != nil {
					t.Errorf("the output left out has the tomb %x", at)
				}
				row := &desc{get("actions", id[:])}
				story = append(story, fmt.Sprintf("import %s of record %d, flags %d, %d outputs, absent %v, row flags %d", run, seq, flags, len(outs), absent, row.byte()))
			}
			if len(d.b) != 0 {
				t.Errorf("entry %d: %d bytes left", n, len(d.b))
			}
		}
		cp, err := note.Open(get("meta", []byte("checkpoint")), note.VerifierList(pubs...))
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(int64(n), hashes)
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%s\n%d\n%s\n", origin, n, root); cp.Text != want {
			t.Errorf("checkpoint %q, want %q", cp.Text, want)
		}
		memo := binary.BigEndian.AppendUint32([]byte("v"), crc32.Checksum([]byte("space\x00kv"), crc32.MakeTable(crc32.Castagnoli)))
		if got := get("memo", []byte("space\x00k")); !bytes.Equal(got, memo) {
			t.Errorf("memo %x, want %x", got, memo)
		}
		if got := get("meta", []byte("signers")); !bytes.Equal(got, signers) {
			t.Errorf("signers %x, want %x", got, signers)
		}
		actions, tombs := map[string][]byte{}, map[string][]byte{}
		for id, r := range x.rows {
			actions[string(id[:])] = r.encode()
		}
		for d, seq := range x.tombs {
			tombs[string(d[:])] = u64(seq)
		}
		holds(t, tx.Bucket([]byte("actions")), actions)
		holds(t, tx.Bucket([]byte("kinds")), x.kinds)
		holds(t, tx.Bucket([]byte("tombs")), tombs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	outcome := "capture v3 [n:2:ffffffffffffffff question:1:" + fmt.Sprintf("%x", "left?") + "] took 77 r1,v0,c,p,rt "
	want := []string{
		"signer",
		"outcome flags 0 " + outcome + "2 outputs",
		"outcome flags 1 " + outcome + "1 outputs",
		"conflict 1 stands, not 2",
		"run demo reused 1 = 1 ran 2 failed 0",
		"gc 3 = 3 blobs",
		"row flags 2 stands 6",
		"outcome flags 0 " + outcome + "2 outputs",
		"import r2 of record 1, flags 0, 2 outputs, absent [1], row flags 4",
	}
	if got := strings.Join(story, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the ledger tells:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}
