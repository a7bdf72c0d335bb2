package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // sizes only
	_ "image/jpeg" // sizes only
	_ "image/png"  // sizes only
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// An ImageError says why a row has no image bytes. It is an outcome of the row; errors of reading the
// table itself are not ImageErrors.
type ImageError struct{ Msg string }

func (e *ImageError) Error() string { return e.Msg }

// ErrChanged is wrapped when an image's bytes are no longer those the set was built from.
var ErrChanged = errors.New("the table changed while in use")

// Image returns the bytes of the image file in a row (from 0): the base64 of column "image", or the content of
// the file that column "image_path" names, relative to the table's folder and never outside it. A row
// without image bytes is an *ImageError.
func (t *Table) Image(row int) ([]byte, error) {
	if row < 0 || row >= t.Rows() {
		return nil, fmt.Errorf("image of row %d: the table has %d rows", row+1, t.Rows())
	}
	if t.stored != nil && t.stored.image != nil {
		return t.stored.image(row)
	}
	if t.image >= 0 {
		v := t.Value(row, t.image)
		switch {
		case v.Missing():
		case v.Type != Text:
			return nil, &ImageError{"image: a number or a truth value, not base64"}
		default:
			text, err := t.imageText(row)
			if err != nil {
				return nil, err
			}
			return decodeBase64(text)
		}
	}
	if column := t.Find("image_path"); column >= 0 {
		if v := t.Value(row, column); !v.Missing() {
			return t.imageFile(v.String())
		}
	}
	if column := t.Find("filename"); column >= 0 && t.image < 0 {
		// CV-Bench without embedded images: the files lie below img/, which the name may or may not say.
		name := t.Value(row, column).String()
		b, err := t.imageFile(name)
		if err != nil && !strings.HasPrefix(name, "img/") {
			if b, err := t.imageFile("img/" + name); err == nil {
				return b, nil
			}
		}
		return b, err
	}
	return nil, &ImageError{"image: the cell is empty"}
}

// ImagePaths lists the files that rows without an image of their own name in column image_path, or in CV-Bench's filename: relative to
// the table's Folder, each once, in order of appearance, both places where a file of CV-Bench may lie. Their content is part of what a set is
// built from.
func (t *Table) ImagePaths() []string {
	var paths []string
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			paths = append(paths, path)
		}
	}
	if t.stored != nil && t.stored.image != nil {
		for _, part := range t.stored.parts {
			for _, path := range part.ImagePaths() {
				add(path)
			}
		}
		return paths
	}
	column, filename := t.Find("image_path"), t.Find("filename")
	for row := range t.Rows() {
		switch {
		case t.image >= 0 && !t.Value(row, t.image).Missing():
			// in the table
		case column >= 0 && !t.Value(row, column).Missing():
			add(t.Value(row, column).String())
		case filename >= 0 && t.image < 0:
			name := t.Value(row, filename).String()
			if add(name); !strings.HasPrefix(name, "img/") {
				add("img/" + name)
			}
		}
	}
	return paths
}

// Folder is where the files of images are looked for that the table at a path names.
func Folder(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// imageText reads an image cell from the file and takes off its quotes.
func (t *Table) imageText(row int) ([]byte, error) {
	at := t.images[row]
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, fmt.Errorf("read image of row %d: %w", row+1, err)
	}
	defer f.Close()
	raw := make([]byte, at.length)
	if _, err := f.ReadAt(raw, at.offset); err != nil {
		return nil, fmt.Errorf("read image of row %d: %w: %w", row+1, ErrChanged, err)
	}
	return unquote(raw), nil
}

// unquote is what the scanner makes of the raw bytes of one cell: doubled quotes are one, and what
// follows the closing quote is taken as it is.
func unquote(raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '"' {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for raw = raw[1:]; len(raw) > 0; {
		n := bytes.IndexByte(raw, '"')
		if n < 0 {
			return append(out, raw...)
		}
		out = append(out, raw[:n]...)
		raw = raw[n+1:]
		if len(raw) == 0 || raw[0] != '"' {
			return append(out, raw...)
		}
		out = append(out, '"')
		raw = raw[1:]
	}
	return out
}

// decodeBase64 is Python's base64.b64decode(text), which does not validate: characters outside the alphabet are
// ignored, and so is everything behind the padding; missing padding is an error.
func decodeBase64(text []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	// The strict decoder is much faster and agrees wherever it succeeds: it too ignores line ends.
	if n, err := base64.StdEncoding.Decode(out, text); err == nil && n > 0 {
		return out[:n], nil
	}
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return nil, &ImageError{fmt.Sprintf("image: byte %d of the cell is not ASCII, so it is no base64", i+1)}
		}
	}
	out = out[:0]
	var held byte      // bits of the last character that are not out yet
	quad, pads := 0, 0 // position in the group of four, padding seen in it
	for _, c := range text {
		if c == '=' {
			if quad >= 2 {
				if pads++; quad+pads >= 4 {
					return nonEmpty(out)
				}
			}
			continue
		}
		v := sextet(c)
		if v > 63 {
			continue
		}
		pads = 0
		switch quad {
		case 0:
			held = v
		case 1:
			out, held = append(out, held<<2|v>>4), v&0x0f
		case 2:
			out, held = append(out, held<<4|v>>2), v&0x03
		case 3:
			out = append(out, held<<6|v)
		}
		quad = (quad + 1) % 4
	}
	switch quad {
	case 0:
		return nonEmpty(out)
	case 1:
		return nil, &ImageError{"image: base64 with one character more than a multiple of four"}
	}
	return nil, &ImageError{"image: base64 without its padding"}
}

func nonEmpty(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, &ImageError{"image: the base64 holds no bytes"}
	}
	return b, nil
}

func sextet(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 255
}

// imageFile reads an image file below the table's folder. os.Root holds even where a symbolic link points out of it.
func (t *Table) imageFile(name string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Dir(t.Path))
	if err != nil {
		return nil, fmt.Errorf("open the table's folder: %w", err)
	}
	defer root.Close()
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, &ImageError{fmt.Sprintf("image_path: %q leads out of the table's folder", shorten(name, 200))}
	}
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, &ImageError{fmt.Sprintf("image_path: %v", err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &ImageError{fmt.Sprintf("image_path: %q is not a file", shorten(name, 200))}
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, &ImageError{fmt.Sprintf("image_path: %v", err)}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(bufio.NewReader(f), maxImage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read image file %q: %w", name, err)
	case len(data) > maxImage:
		return nil, &ImageError{fmt.Sprintf("image_path: %q is larger than %d MB", shorten(name, 200), maxImage>>20)}
	}
	return nonEmpty(data)
}

// digestOf names bytes as the ledger does.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ImageBytes returns the bytes of a pair's image and checks them against its digest. A pair without
// image bytes gives an *ImageError.
func (t *Table) ImageBytes(p *Pair) ([]byte, error) {
	if p.Image == "" {
		return nil, &ImageError{p.ImageErr}
	}
	b, err := t.Image(p.Row - 1)
	if err != nil {
		return nil, fmt.Errorf("image of pair %s: %w", p.ID, err)
	}
	if digestOf(b) != p.Image {
		return nil, fmt.Errorf("image of pair %s: %w", p.ID, ErrChanged)
	}
	return b, nil
}

// imageSize reads the width and height of an image file from its header, in pixels as stored (no
// orientation applied, as boxes refer to the stored picture).
func imageSize(b []byte) (width, height int, err error) {
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return 0, 0, &ImageError{"image: " + strings.TrimPrefix(err.Error(), "image: ")}
	}
	if c.Width <= 0 || c.Height <= 0 {
		return 0, 0, &ImageError{fmt.Sprintf("image: %s of %d×%d pixels", format, c.Width, c.Height)}
	}
	return c.Width, c.Height, nil
}
