package runner

import (
	"os"
	"syscall"
)

// umask is what the user takes away from new files; temporary files are made without it.
var umask = func() os.FileMode {
	mask := syscall.Umask(0)
	syscall.Umask(mask)
	return os.FileMode(mask)
}()
