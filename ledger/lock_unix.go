//go:build unix

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// lockShared takes the lock readers take, without waiting.
func lockShared(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
