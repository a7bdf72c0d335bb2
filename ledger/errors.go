package ledger

import (
	"errors"
	"fmt"
)

// Errors from opening a ledger.
var (
	// ErrLocked says that another process has the ledger open; the error that wraps it says which.
	ErrLocked = errors.New("ledger is in use")

	// ErrNetworkFS says that the file lies where neither locks nor memory maps can be relied on.
	ErrNetworkFS = errors.New("ledger on a network file system")

	// ErrNotWritable says that the file, or the disk it lies on, can be read at most.
	ErrNotWritable = errors.New("ledger cannot be written")

	// ErrNotLedger says that the file is something else, or of a newer format.
	ErrNotLedger = errors.New("not a ledger")
)

// Errors from using a ledger.
var (
	// ErrNotFound says that the ledger has no such blob, entry or action.
	ErrNotFound = errors.New("not in the ledger")

	// ErrCorrupt is wrapped by every CorruptError.
	ErrCorrupt = errors.New("ledger is damaged")

	// ErrReadOnly says that a ledger opened for reading was asked to write.
	ErrReadOnly = errors.New("ledger is open for reading only")

	// ErrDiskFull says that nothing of a transaction was recorded, for want of space.
	ErrDiskFull = errors.New("no space left for the ledger")

	// ErrChanged says that a file changed while it was being read or used.
	ErrChanged = errors.New("the file changed while it was in use")

	// ErrTouched says that a file was written to while it was being used, and holds the same bytes again.
	ErrTouched = errors.New("the file was written to while it was in use")
)

// A CorruptError says where stored bytes are not what was written.
type CorruptError struct {
	Region string // "blob sha256:…", "entry 12", "page 7"
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: %s: %s", ErrCorrupt, e.Region, e.What)
}

// Unwrap makes every CorruptError an ErrCorrupt.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

func corrupt(region, format string, args ...any) error {
	return &CorruptError{Region: region, What: fmt.Sprintf(format, args...)}
}
