package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
)

// A Stamp tells versions of a file apart without reading it. The change time is what a restored modification time
// cannot fake.
type Stamp struct {
	Dev, Ino, Size   uint64
	MtimeNS, CtimeNS int64
}

// clockGrain is how coarse file times may be: a file touched so recently could be written again without its stamp
// changing. Two seconds is what FAT keeps, and what the go command allows for.
const clockGrain = 2 * time.Second

// Bytes is the stamp as a memo's key: five big-endian 64-bit numbers.
func (s Stamp) Bytes() []byte {
	b := make([]byte, 0, 40)
	for _, v := range []uint64{s.Dev, s.Ino, s.Size, uint64(s.MtimeNS), uint64(s.CtimeNS)} {
		b = appendUint64(b, v)
	}
	return b
}

// settled says whether a change to the file from now on is sure to change its stamp.
func (s Stamp) settled(now time.Time) bool {
	limit := now.Add(-clockGrain).UnixNano()
	return s.MtimeNS < limit && s.CtimeNS < limit
}

// FileStamp takes the stamp of the file a path leads to. The stamp may be used as a memo's key only if trusted: not
// when the file changed within the grain of the clock, nor on a network file system, where another host's changes
// show late, nor where the system has no such times.
func (l *Ledger) FileStamp(path string) (s Stamp, trusted bool, err error) {
	fi, err := os.Stat(path)
	if err != nil {
		return s, false, err
	}
	return l.stamp(path, fi)
}

func (l *Ledger) stamp(path string, fi os.FileInfo) (Stamp, bool, error) {
	if !fi.Mode().IsRegular() {
		return Stamp{}, false, fmt.Errorf("%s: not a regular file", path)
	}
	s, ok := stampOf(fi)
	if !ok || !s.settled(l.now()) {
		return s, false, nil
	}
	return s, !l.onNetwork(path, s.Dev), nil
}

// onNetwork asks once per device.
func (l *Ledger) onNetwork(path string, dev uint64) bool {
	if v, ok := l.devices.Load(dev); ok {
		return v.(bool)
	}
	_, network := networkFS(path)
	l.devices.Store(dev, network)
	return network
}

// memoWorth is how many hashed bytes are worth an fsync of their own, so that a crash does not lose the work.
const memoWorth = 1 << 30

// FileDigest returns the SHA-256 of a file, from the memo when the file's stamp is known there. It reads at the
// speed of SHA-256 with two megabytes of memory, calls progress (which may be nil) now and then, and stops when ctx
// ends. A file that changes meanwhile is ErrChanged.
func (l *Ledger) FileDigest(ctx context.Context, path string, progress func(done, total int64)) (Digest, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Digest{}, err
	}
	s, trusted, err := l.stamp(path, fi)
	if err != nil {
		return Digest{}, err
	}
	memo := l.Memo("file sha256")
	if trusted {
		if v, ok := memo.Get(s.Bytes()); ok && len(v) == len(Digest{}) {
			return Digest(v), nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return Digest{}, err
	}
	defer f.Close()
	if progress == nil {
		progress = func(_, _ int64) {}
	}
	d, n, err := hashFile(ctx, f, fi.Size(), progress)
	if err != nil {
		return Digest{}, fmt.Errorf("%s: %w", path, err)
	}
	after, err := f.Stat()
	if err != nil {
		return Digest{}, err
	}
	// The path may lead elsewhere by now, so the open file is asked, against what the path was at first.
	if e, ok := stampOf(after); n != fi.Size() || ok && e != s {
		return Digest{}, fmt.Errorf("%s: %w", path, ErrChanged)
	}
	if trusted {
		memo.Put(s.Bytes(), d[:])
		if n >= memoWorth {
			return d, l.FlushMemos()
		}
	}
	return d, nil
}

// hashFile hashes while the next piece is being read.
func hashFile(ctx context.Context, f io.Reader, total int64, progress func(done, total int64)) (d Digest, n int64, err error) {
	const piece = 1 << 20
	type read struct {
		buf []byte
		n   int
		err error
	}
	free := make(chan []byte, 2)
	full := make(chan read, 2)
	stop := make(chan struct{})
	defer close(stop)
	// Thousands of small files are checked after a run: each gets a buffer of its size, with room to see it grow.
	free <- make([]byte, min(piece, total+1))
	if total > piece {
		free <- make([]byte, piece)
	}
	go func() {
		for {
			select {
			case <-stop:
				return
			case buf := <-free:
				n, err := io.ReadFull(f, buf)
				full <- read{buf, n, err} // never blocks: at most two pieces are about
				if err != nil {
					return
				}
			}
		}
	}()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return d, n, err
		}
		r := <-full
		h.Write(r.buf[:r.n])
		n += int64(r.n)
		if n%(64<<20) < piece || r.err != nil {
			progress(n, total)
		}
		if r.err == io.EOF || r.err == io.ErrUnexpectedEOF {
			h.Sum(d[:0])
			return d, n, nil
		}
		if r.err != nil {
			return d, n, r.err
		}
		free <- r.buf
	}
}
