package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/mod/sumdb/note"
)

// format is what the meta bucket says of a ledger this package reads and writes.
const format = "swaprun ledger 1"

// The buckets. doc.go says what each holds.
var (
	bMeta    = []byte("meta")
	bData    = []byte("data")
	bBlobs   = []byte("blobs")
	bEntries = []byte("entries")
	bActions = []byte("actions")
	bKinds   = []byte("kinds")
	bHashes  = []byte("hashes")
	bTombs   = []byte("tombs")
	bMemo    = []byte("memo")
)

var buckets = [][]byte{bMeta, bData, bBlobs, bEntries, bActions, bKinds, bHashes, bTombs, bMemo}

var (
	kFormat     = []byte("format")
	kCheckpoint = []byte("checkpoint")
)

// Options say how to open a ledger. The zero value opens for writing and does not wait.
type Options struct {
	ReadOnly bool                // several readers may share a ledger while nobody writes it
	Wait     time.Duration       // how long to wait while another process has the ledger open
	OnWait   func(holder string) // called once before waiting, with who that process is as far as known
	KeyFile  string              // the private key that signs checkpoints; default: the ledger's path and ".key"

	pageSize int // tests make small ledgers with small pages
}

// A Ledger is an open ledger. Its methods may be called from several goroutines.
type Ledger struct {
	path     string
	db       *bbolt.DB
	readOnly bool
	origin   string
	signer   note.Signer
	keyFile  string
	now      func() time.Time
	fail     func(point string) // tests stop the process here

	write     sync.Mutex // held by whoever writes, or must not see writes
	closed    bool
	dirty     bool     // there is something to tidy up at Close
	committed bool     // by this process, so that the present state is known to be on disk
	verified  sync.Map // Digest → struct{}: blobs whose bytes were hashed by this process
	devices   sync.Map // device number → bool: on a network file system
	memos     memos
	nearest   nearestCache
}

// Open opens the ledger at path, making it (and its folder) if it is to be written and does not exist. The lock on
// it is the kernel's and ends with the process, however that ends; nothing has to be cleaned up after a crash.
func Open(path string, opt Options) (*Ledger, error) {
	l, err := open(path, opt)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	return l, nil
}

func open(path string, opt Options) (*Ledger, error) {
	l := &Ledger{path: path, readOnly: opt.ReadOnly, now: time.Now, fail: func(string) {}}
	st, err := os.Stat(path)
	switch {
	case err == nil && !st.Mode().IsRegular():
		return nil, fmt.Errorf("%w: not a regular file", ErrNotLedger)
	case err == nil && opt.ReadOnly && st.Size() == 0:
		return nil, fmt.Errorf("%w: the file is empty", fs.ErrNotExist)
	case err != nil && (opt.ReadOnly || !errors.Is(err, fs.ErrNotExist)):
		return nil, err
	}
	if !opt.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); notWritable(err) {
			return nil, notWritableError(err)
		} else if err != nil {
			return nil, err
		}
		if name, network := networkFS(filepath.Dir(path)); network {
			return nil, fmt.Errorf("%w (%s): locks and memory maps are not reliable there, and a crash could lose results; "+
				"keep the ledger on a local disk, for example --ledger /var/tmp/%s/ledger.db", ErrNetworkFS, name, os.Getenv("USER"))
		}
	}
	if err := l.lockAndMap(opt); err != nil {
		return nil, err
	}
	err = guard("open", l.checkBranches)
	if err == nil {
		err = guard("open", func() error { return l.prepare(opt) })
	}
	if err != nil {
		l.db.Close()
		return nil, err
	}
	return l, nil
}

// lockAndMap opens the database, waiting for its lock as the options say.
func (l *Ledger) lockAndMap(opt Options) error {
	// A try with a time limit below bbolt's own interval between tries is a single try.
	err := l.openDB(opt, time.Millisecond)
	if errors.Is(err, berrors.ErrTimeout) && opt.Wait > 0 {
		if opt.OnWait != nil {
			opt.OnWait(l.holder())
		}
		err = l.openDB(opt, opt.Wait)
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w by %s", ErrLocked, l.holder())
	case !opt.ReadOnly && notWritable(err):
		return notWritableError(err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return fmt.Errorf("%w, or one whose first two pages are damaged: %w", ErrNotLedger, err)
	}
	return err
}

// notWritable says whether an error is about leave to write.
func notWritable(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}

func notWritableError(err error) error {
	return fmt.Errorf("%w: %w; name one that can be with --ledger, a copy of this one for example", ErrNotWritable, err)
}

func (l *Ledger) openDB(opt Options, wait time.Duration) error {
	var file *os.File
	err := guard("open", func() (err error) {
		l.db, err = bbolt.Open(l.path, 0o666, &bbolt.Options{
			ReadOnly:     opt.ReadOnly,
			Timeout:      wait,
			FreelistType: bbolt.FreelistMapType,
			PageSize:     opt.pageSize,
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			},
		})
		return err
	})
	if errors.Is(err, ErrCorrupt) && file != nil {
		file.Close() // a panic inside bbolt left it open, and locked
	}
	if err == nil && !sameFile(file, l.path) {
		// Compact put another file in its place while this process waited for the lock on the old one.
		if err := l.db.Close(); err != nil {
			return err
		}
		return l.openDB(opt, wait)
	}
	return err
}

// sameFile says whether a path still leads to an open file.
func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return true
	}
	b, err := os.Stat(path)
	return err != nil || os.SameFile(a, b)
}

// prepare makes what a new ledger lacks and reads what an old one says of itself.
func (l *Ledger) prepare(opt Options) error {
	var known []byte
	err := l.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bMeta)
		if b == nil {
			if k, _ := tx.Cursor().First(); k != nil {
				return fmt.Errorf("%w: a database of something else", ErrNotLedger)
			}
			return nil
		}
		known = bytes.Clone(b.Get(kFormat))
		if string(known) != format {
			return fmt.Errorf("%w: format %.60q, this program reads %q", ErrNotLedger, known, format)
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return corrupt("bucket "+string(name), "missing")
			}
		}
		first, err := l.signerIn(tx, 0)
		l.origin = first.Origin
		return err
	})
	if err != nil {
		return err
	}
	if l.readOnly {
		if known == nil {
			return errNothingYet
		}
		return nil
	}
	if _, err := os.Lstat(l.holdingPath()); err == nil {
		l.dirty = true // the last holder did not come to Close: its leftovers are tidied up in ours
	}
	l.keyFile = opt.keyFile(l.path)
	if l.signer, err = loadSigner(l.keyFile); notWritable(err) {
		return notWritableError(fmt.Errorf("signing key: %w", err)) // somebody else's, who alone signs for it
	} else if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	l.hold()
	if known == nil {
		return l.create()
	}
	return l.admitSigner()
}

func (o Options) keyFile(path string) string {
	if o.KeyFile != "" {
		return o.KeyFile
	}
	return path + ".key"
}

// create writes the buckets and the first entry of a new ledger in one transaction.
func (l *Ledger) create() error {
	l.origin = newName("swaprun.ledger")
	return l.update("create", func(w *writer) error {
		if err := w.meta.Put(kFormat, []byte(format)); err != nil {
			return err
		}
		return w.appendSigner()
	})
}

// Close ends the use of the ledger; closing it twice does nothing. What was only remembered for later (see Memo) is written now.
func (l *Ledger) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	if !l.readOnly {
		errs = append(errs, l.FlushMemos(), l.tidy())
		l.release()
	}
	errs = append(errs, guard("close", l.db.Close))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ledger %s: close: %w", l.path, err)
	}
	return nil
}

// Path is where the ledger lies.
func (l *Ledger) Path() string { return l.path }

// ReadOnly says whether the ledger was opened for reading only.
func (l *Ledger) ReadOnly() bool { return l.readOnly }

// A holding says who has a ledger open for writing. It lies beside the ledger for people to read; the lock itself
// is the kernel's, so a holding left behind by a crash means nothing.
type holding struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

func (l *Ledger) holdingPath() string { return l.path + ".holder" }

// hold notes this process as the holder. Failing to is no reason not to work.
func (l *Ledger) hold() {
	host, _ := os.Hostname()
	b, err := json.Marshal(holding{os.Getpid(), host, time.Now().UTC().Truncate(time.Second), filepath.Base(os.Args[0])})
	if err == nil {
		_ = os.WriteFile(l.holdingPath(), append(b, '\n'), 0o666)
	}
}

func (l *Ledger) release() { _ = os.Remove(l.holdingPath()) }

// holder describes the process that has the ledger open, as far as known.
func (l *Ledger) holder() string {
	var h holding
	b, err := os.ReadFile(l.holdingPath())
	if err != nil || json.Unmarshal(b, &h) != nil || h.PID == 0 || h.gone() {
		return "another process (a reader, or one that has just begun)"
	}
	return fmt.Sprintf("%s, process %d on %s since %s", h.Command, h.PID, h.Host, h.Since.Local().Format("2006-01-02 15:04:05"))
}

// gone says whether the process is known to have ended without coming to Close.
func (h holding) gone() bool {
	if host, err := os.Hostname(); err != nil || host != h.Host {
		return false
	}
	p, err := os.FindProcess(h.PID)
	return err != nil || errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// guard runs f, which touches the memory map. bbolt panics on pages that make no sense, and reading a map beyond
// its file, or from a disk that fails, faults: both become errors here.
func guard(op string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = corrupt("page structure", "%s: %v", op, r)
		}
	}()
	return f()
}

// view runs f in a read transaction.
func (l *Ledger) view(op string, f func(tx *bbolt.Tx) error) error {
	return guard(op, func() error { return l.db.View(f) })
}

// update runs f in the one write transaction there can be, and makes what it did durable: when update returns nil
// it is on disk, and when it does not, none of it is.
func (l *Ledger) update(op string, f func(w *writer) error) error {
	if l.readOnly {
		return fmt.Errorf("%s: %w", op, ErrReadOnly)
	}
	l.write.Lock()
	defer l.write.Unlock()
	var taken pendingMemos
	err := guard(op, func() error {
		return l.db.Update(func(tx *bbolt.Tx) error {
			w, err := l.newWriter(tx)
			if err != nil {
				return err
			}
			if err := f(w); err != nil {
				return err
			}
			if taken, err = w.finish(); err != nil {
				return err
			}
			l.fail("before commit")
			return nil
		})
	})
	if err != nil {
		l.memos.giveBack(taken)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = fmt.Errorf("%w: nothing of this step was recorded; make room on the disk of %s and run again: %w", ErrDiskFull, l.path, err)
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	l.dirty, l.committed = true, true
	l.fail("after commit")
	return nil
}
