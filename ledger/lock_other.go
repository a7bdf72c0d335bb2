//go:build !unix

package ledger

import "os"

// lockShared cannot lock here; a check during a run may report pages that are being written.
func lockShared(*os.File) error { return nil }
