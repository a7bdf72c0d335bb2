package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/flate"
)

// Floating-point mantissas hold no repeated strings worth finding: Huffman coding alone makes vectors as small as
// zlib's level 6 does, at eight times its speed (see BenchmarkWrite). Everything else is repetitive and small.
const (
	floatLevel = flate.HuffmanOnly
	otherLevel = 6
)

const (
	// dosEpoch is 1980-01-01, the date numpy gives every member.
	dosEpoch = 1<<5 | 1
	zipUnix  = 3<<8 | 20 // made on Unix, version 2.0: what Python's zipfile writes
)

// A Writer writes an .npz: a zip of .npy members, deflated, in the order they are added.
type Writer struct {
	zip   *zip.Writer
	names map[string]bool
	buf   bytes.Buffer
}

// NewWriter starts an .npz. Close finishes it.
func NewWriter(w io.Writer) *Writer {
	return &Writer{zip: zip.NewWriter(w), names: map[string]bool{}}
}

// Add appends one array under a name that numpy.load will know it by (the member is called name.npy).
func (w *Writer) Add(name string, a *Array) error {
	if name == "" || strings.ContainsAny(name, "\\\x00") || w.names[name] {
		return fmt.Errorf("npz: member name %q is empty, odd or taken", name)
	}
	w.names[name] = true
	raw, err := Marshal(a)
	if err != nil {
		return fmt.Errorf("npz: %s: %w", name, err)
	}
	level := otherLevel
	if a.DType == Float32 || a.DType == Float64 {
		level = floatLevel
	}
	w.buf.Reset()
	w.buf.Grow(len(raw) + len(raw)/64 + 1024)
	fw, err := flate.NewWriter(&w.buf, level)
	if err != nil {
		return err
	}
	if _, err := fw.Write(raw); err != nil {
		return err
	}
	if err := fw.Close(); err != nil {
		return err
	}
	// Raw, so that sizes stand in the local header and no data descriptor or time field is added.
	head := &zip.FileHeader{
		Name:   name + ".npy",
		Method: zip.Deflate,
		//lint:ignore SA1019 CreateRaw writes this field as it is and does not look at Modified.
		ModifiedDate:       dosEpoch,
		CreatorVersion:     zipUnix,
		ReaderVersion:      20,
		ExternalAttrs:      0o600 << 16,
		CRC32:              crc32.ChecksumIEEE(raw),
		CompressedSize64:   uint64(w.buf.Len()),
		UncompressedSize64: uint64(len(raw)),
	}
	mw, err := w.zip.CreateRaw(head)
	if err != nil {
		return fmt.Errorf("npz: %s: %w", name, err)
	}
	if _, err := mw.Write(w.buf.Bytes()); err != nil {
		return fmt.Errorf("npz: %s: %w", name, err)
	}
	return nil
}

// Close writes the directory. The underlying writer stays open.
func (w *Writer) Close() error { return w.zip.Close() }

// Limits bound what a Reader will unpack. Zero fields take the defaults.
type Limits struct {
	Bytes   int64 // uncompressed bytes of all members together; default 16 GiB
	Members int   // default 1<<16
}

// maxInflate is the most deflate can expand its input: 258 bytes from two bits, a little over 1032 to 1.
const maxInflate = 1032

// A Reader gives the arrays of an .npz by name, in any order.
type Reader struct {
	names []string
	files map[string]*zip.File
	close func() error
}

// Open opens an .npz file. Close it after use.
func Open(path string, lim Limits) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := NewReader(f, st.Size(), lim)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.close = f.Close
	return r, nil
}

// NewReader reads the directory of an .npz and checks it against the limits. Members may be stored or deflated.
func NewReader(r io.ReaderAt, size int64, lim Limits) (*Reader, error) {
	if lim.Bytes == 0 {
		lim.Bytes = 16 << 30
	}
	if lim.Members == 0 {
		lim.Members = 1 << 16
	}
	z, err := zip.NewReader(r, size)
	// Insecure names are harmless: members are never written to files.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("npz: %w: %w", ErrFormat, err)
	}
	bad := func(f *zip.File, format string, args ...any) error {
		return fmt.Errorf("npz: %w: member %q: %s", ErrFormat, f.Name, fmt.Sprintf(format, args...))
	}
	if len(z.File) > lim.Members {
		return nil, fmt.Errorf("npz: %w: %d members, at most %d expected", ErrFormat, len(z.File), lim.Members)
	}
	z.RegisterDecompressor(zip.Deflate, flate.NewReader)
	out := &Reader{files: make(map[string]*zip.File, len(z.File)), close: func() error { return nil }}
	var total uint64
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		switch {
		case !ok || name == "":
			return nil, bad(f, "not an .npy name")
		case out.files[name] != nil:
			return nil, bad(f, "listed twice")
		case f.Flags&1 != 0:
			return nil, bad(f, "encrypted")
		case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
			return nil, bad(f, "stored, but %d bytes are said to be %d", f.CompressedSize64, f.UncompressedSize64)
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return nil, bad(f, "compression method %d, expected stored or deflated", f.Method)
		case f.CompressedSize64 > uint64(size):
			return nil, bad(f, "%d compressed bytes in a file of %d", f.CompressedSize64, size)
		case f.UncompressedSize64/maxInflate > f.CompressedSize64:
			return nil, bad(f, "%d bytes cannot come from %d deflated ones", f.UncompressedSize64, f.CompressedSize64)
		case f.UncompressedSize64 > uint64(lim.Bytes) || total+f.UncompressedSize64 > uint64(lim.Bytes):
			return nil, bad(f, "more than %d bytes when unpacked", lim.Bytes)
		}
		total += f.UncompressedSize64
		out.names = append(out.names, name)
		out.files[name] = f
	}
	return out, nil
}

// Names lists the arrays in the archive's order, without their .npy suffix.
func (r *Reader) Names() []string { return append([]string(nil), r.names...) }

// Has says whether the archive holds the array.
func (r *Reader) Has(name string) bool { return r.files[name] != nil }

// Array unpacks one array. The checksum, the length and the header are all checked.
func (r *Reader) Array(name string) (*Array, error) {
	f := r.files[name]
	if f == nil {
		return nil, fmt.Errorf("npz: no array %q; it holds %s", name, some(r.names))
	}
	raw, err := unpack(f)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w: %w", name, ErrFormat, err)
	}
	a, err := Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w", name, err)
	}
	return a, nil
}

// unpack reads a member whose declared size is not believed until the header agrees with it.
func unpack(f *zip.File) ([]byte, error) {
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	want := int(f.UncompressedSize64)
	head := make([]byte, min(want, maxHeader+12))
	n, err := io.ReadAtLeast(rc, head, min(12, len(head)))
	if err != nil {
		return nil, err
	}
	if n < len(head) {
		m, err := io.ReadFull(rc, head[n:])
		if n += m; err != nil {
			return nil, fmt.Errorf("%d bytes, %d declared: %w", n, want, err)
		}
	}
	lay, start, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	if start+lay.bytes != want {
		return nil, fmt.Errorf("shape %v of %s needs %d bytes, the directory says %d", lay.shape, lay.dtype, start+lay.bytes, want)
	}
	// Grown as bytes arrive: a directory may lie about a size that a header repeats.
	var buf bytes.Buffer
	buf.Grow(min(want, 64<<20) + 1)
	buf.Write(head)
	if _, err := io.Copy(&buf, io.LimitReader(rc, int64(want-len(head))+1)); err != nil {
		return nil, err
	}
	if buf.Len() != want {
		return nil, fmt.Errorf("%d bytes or more, %d declared", buf.Len(), want)
	}
	return buf.Bytes(), nil
}

// Close closes the file behind the reader, if Open opened it.
func (r *Reader) Close() error { return r.close() }

// some shows a list of names that may be long.
func some(names []string) string {
	if len(names) > 12 {
		return fmt.Sprintf("%q and %d more", names[:12], len(names)-12)
	}
	return fmt.Sprintf("%q", names)
}
