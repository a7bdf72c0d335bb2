package dataset

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"
)

// What a table may hold at most. Real ones stay far below (EmbSpatial-Bench: 10 columns, 3,640 rows, images of
// 100 KB); a file beyond them is broken or hostile, and the limits keep memory in proportion.
const (
	maxColumns = 4096
	maxCells   = 16 << 20  // kept cells of all rows
	maxText    = 1 << 20   // bytes of one cell other than an image
	maxTotal   = 512 << 20 // bytes of all kept cells
	maxImage   = 256 << 20 // bytes of one image cell, as written
	shortImage = 64        // an image cell up to this long is kept: it may be a number or a missing value
)

// A TableError says where a table is wrong. Line and Column are 1-based, columns count bytes;
// 0 means the file as a whole.
type TableError struct {
	Path   string
	Line   int
	Column int
	Msg    string
}

func (e *TableError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.Path, e.Msg)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Msg)
}

// place is where a cell lies in the file: its raw bytes with their quotes, and the position of its first byte.
type place struct {
	offset, length int64
	line, column   int
}

// sink receives what the scanner finds. long reports whether the next cell may be an image, whose
// text is kept only as far as shortImage (truncated then tells that there is more).
type sink interface {
	long() bool
	cell(text []byte, truncated bool, at place) error
	endRow() error
}

// The states of pandas' C tokenizer that a plain tab-separated file can reach.
type scanState uint8

const (
	startRecord scanState = iota
	startField
	inField
	inQuoted
	quoteInQuoted // behind a quote inside a quoted cell: doubled, or the end
	blankLine     // only blanks so far: skipped if it stays so
	behindCR      // an LF belongs to the CR before it
	behindBlankCR // the same after a line that is no row, where pandas loses a tab
)

// scanner splits a table into cells as pandas' C engine does (sep="\t", everything else at its
// default): a quote counts only as the first byte of a cell, text behind the closing quote is appended,
// empty lines and lines of blanks are no rows, and LF, CR and CR LF end lines alike. One bug is not followed: where
// lone CRs end lines and a row begins with a blank, pandas reads everything before it once more.
type scanner struct {
	path string
	out  sink
	hash hash.Hash

	state  scanState
	text   []byte // the cell so far, unquoted
	blanks []byte // the blanks of a line that may turn out to be a row
	size   int64  // unquoted bytes of the cell, kept or not
	isLong bool
	at     place

	pos       int64 // bytes consumed
	line      int
	lineStart int64
}

// scan reads r to its end and returns the digest of its bytes. A byte order mark is skipped; bytes that are not
// UTF-8 and NUL bytes are errors (pandas refuses the first and silently cuts cells at the second).
func scan(path string, r io.Reader, out sink) (digest [sha256.Size]byte, size int64, err error) {
	s := &scanner{path: path, out: out, hash: sha256.New(), line: 1}
	buf := make([]byte, 256<<10)
	held := 0 // bytes of an unfinished rune at the front of buf
	first := true
	for {
		n, readErr := r.Read(buf[held:])
		s.hash.Write(buf[held : held+n])
		chunk := buf[:held+n]
		eof := errors.Is(readErr, io.EOF)
		if readErr != nil && !eof {
			return digest, 0, fmt.Errorf("read table: %w", readErr)
		}
		if first && !eof && len(chunk) < 3 {
			held = len(chunk)
			continue
		}
		if first {
			first = false
			if bytes.HasPrefix(chunk, []byte("\xef\xbb\xbf")) {
				s.pos, s.lineStart, chunk = 3, 3, chunk[3:]
			}
		}
		whole := chunk
		if !eof {
			whole = chunk[:len(chunk)-unfinished(chunk)]
		}
		if bad := invalid(whole); bad >= 0 {
			// Everything before it is good, so the scanner can say which line it is in.
			if err := s.feed(whole[:bad]); err != nil {
				return digest, 0, err
			}
			if whole[bad] == 0 {
				return digest, 0, s.errorAt(s.here(), "NUL byte: this is not a text file")
			}
			return digest, 0, s.errorAt(s.here(), "byte 0x%02x is not UTF-8", whole[bad])
		}
		if err := s.feed(whole); err != nil {
			return digest, 0, err
		}
		if eof {
			break
		}
		held = copy(buf, chunk[len(whole):])
	}
	if err := s.finish(); err != nil {
		return digest, 0, err
	}
	s.hash.Sum(digest[:0])
	return digest, s.pos, nil
}

// unfinished returns how many bytes at the end of b begin a rune that b does not complete.
func unfinished(b []byte) int {
	for n := 1; n <= utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// invalid returns the index of the first NUL byte or byte that is not UTF-8, or -1.
func invalid(b []byte) int {
	nul := bytes.IndexByte(b, 0)
	if utf8.Valid(b) {
		return nul
	}
	for i := 0; i < len(b); {
		if b[i] == 0 {
			return i
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return nul
}

func (s *scanner) here() place {
	return place{line: s.line, column: int(s.pos-s.lineStart) + 1}
}

func (s *scanner) errorAt(at place, format string, args ...any) error {
	return &TableError{Path: s.path, Line: at.line, Column: at.column, Msg: fmt.Sprintf(format, args...)}
}

// newline notes that the byte at s.pos ends a line.
func (s *scanner) newline() {
	s.line++
	s.lineStart = s.pos + 1
}

func (s *scanner) begin() {
	at := s.here()
	s.at = place{offset: s.pos, line: at.line, column: at.column}
	s.text, s.size, s.isLong = s.text[:0], 0, s.out.long()
}

func (s *scanner) push(b []byte) error {
	s.size += int64(len(b))
	if !s.isLong {
		if s.size > maxText {
			return s.tooLong(maxText)
		}
		s.text = append(s.text, b...)
		return nil
	}
	if s.size > maxImage {
		return s.tooLong(maxImage)
	}
	if room := shortImage - len(s.text); room > 0 {
		s.text = append(s.text, b[:min(room, len(b))]...)
	}
	return nil
}

func (s *scanner) tooLong(limit int) error {
	hint := ""
	if s.state == inQuoted {
		hint = "; is the quote it begins with ever closed?"
	}
	return s.errorAt(s.at, "cell longer than %d bytes%s", limit, hint)
}

func (s *scanner) endField() error {
	s.at.length = s.pos - s.at.offset
	return s.out.cell(s.text, s.size > int64(len(s.text)), s.at)
}

func (s *scanner) endEmptyField() error {
	s.begin()
	return s.endField()
}

// feed advances over b.
func (s *scanner) feed(b []byte) error {
	for i := 0; i < len(b); {
		n, err := s.step(b[i:])
		if err != nil {
			return err
		}
		i += n
		s.pos += int64(n)
	}
	return nil
}

// step consumes at least one byte of b, or none after a change of state. It must leave s.pos at the
// first byte of b; feed adds what it consumed.
func (s *scanner) step(b []byte) (int, error) {
	c := b[0]
	switch s.state {
	case behindCR, behindBlankCR:
		lost := c == '\t' && s.state == behindBlankCR
		s.state = startRecord
		if c == '\n' {
			s.lineStart = s.pos + 1
			return 1, nil
		}
		if lost {
			return 1, nil
		}
		return 0, nil

	case startRecord:
		switch c {
		case '\n':
			s.newline()
			return 1, nil
		case '\r':
			s.newline()
			s.state = behindBlankCR
			return 1, nil
		case ' ':
			s.begin()
			s.blanks = append(s.blanks[:0], c)
			s.state = blankLine
			return 1, nil
		}
		s.state = startField
		return 0, nil

	case blankLine:
		switch c {
		case ' ':
			if len(s.blanks) >= maxText {
				return 0, s.tooLong(maxText)
			}
			s.blanks = append(s.blanks, c)
			return 1, nil
		case '\n':
			s.newline()
			s.state = startRecord
			return 1, nil
		case '\r':
			s.newline()
			s.state = behindBlankCR
			return 1, nil
		}
		// Not blank after all: the blanks open the first cell.
		s.state = inField
		return 0, s.push(s.blanks)

	case startField:
		switch c {
		case '\t':
			return 1, s.endEmptyField()
		case '\n', '\r':
			if err := s.endEmptyField(); err != nil {
				return 0, err
			}
			return 1, s.endLine(c)
		case '"':
			s.begin()
			s.state = inQuoted
			return 1, nil
		}
		s.begin()
		s.state = inField
		return 0, nil

	case inField:
		n := plain(b)
		if n > 0 {
			return n, s.push(b[:n])
		}
		return 1, s.endCell(c)

	case inQuoted:
		n := bytes.IndexByte(b, '"')
		if n == 0 {
			s.state = quoteInQuoted
			return 1, nil
		}
		if n < 0 {
			n = len(b)
		}
		s.countLines(b[:n])
		return n, s.push(b[:n])

	default: // quoteInQuoted
		switch c {
		case '"':
			s.state = inQuoted
			return 1, s.push(b[:1])
		case '\t', '\n', '\r':
			return 1, s.endCell(c)
		}
		s.state = inField
		return 0, nil
	}
}

// endCell ends the cell before the tab or line end c.
func (s *scanner) endCell(c byte) error {
	if err := s.endField(); err != nil {
		return err
	}
	if c == '\t' {
		s.state = startField
		return nil
	}
	return s.endLine(c)
}

func (s *scanner) endLine(c byte) error {
	s.newline()
	s.state = startRecord
	if c == '\r' {
		s.state = behindCR
	}
	return s.out.endRow()
}

// plain returns how many bytes of b lie before the next tab or line end. Windows grow from short to long, so that
// neither many small cells nor one large image costs more than a pass over its bytes.
func plain(b []byte) int {
	for at, size := 0, 64; at < len(b); at, size = at+size, size*4 {
		window := b[at:min(at+size, len(b))]
		n := len(window)
		for _, c := range [...]byte{'\t', '\n', '\r'} {
			if i := bytes.IndexByte(window[:n], c); i >= 0 {
				n = i
			}
		}
		if n < len(window) {
			return at + n
		}
	}
	return len(b)
}

// countLines keeps the line count inside quotes, where a line end is part of the cell.
func (s *scanner) countLines(b []byte) {
	if n := bytes.Count(b, []byte{'\n'}); n > 0 {
		s.line += n
		s.lineStart = s.pos + int64(bytes.LastIndexByte(b, '\n')) + 1
	}
}

// finish ends the last row, which needs no line end.
func (s *scanner) finish() error {
	switch s.state {
	case startRecord, behindCR, behindBlankCR, blankLine:
		return nil
	case inQuoted:
		return s.errorAt(s.at, "the quote that opens here is never closed")
	case startField:
		if err := s.endEmptyField(); err != nil {
			return err
		}
	default:
		if err := s.endField(); err != nil {
			return err
		}
	}
	return s.out.endRow()
}
