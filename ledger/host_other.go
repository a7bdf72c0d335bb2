//go:build !linux

package ledger

import (
	"errors"
	"os"
)

// networkFS knows no magic numbers on this system; the documentation has to warn instead.
func networkFS(string) (string, bool) { return "", false }

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

// stampOf cannot be had without the times only the system knows: nothing is memoised.
func stampOf(os.FileInfo) (Stamp, bool) { return Stamp{}, false }

// diskBytes is the space a file takes, as far as known.
func diskBytes(fi os.FileInfo) int64 { return fi.Size() }
