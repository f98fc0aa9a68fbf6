package dir

import (
	"errors"
	"syscall"
)

// heldByWriter reports whether a file was not opened because another program shares it with nobody.
func heldByWriter(err error) bool {
	const sharingViolation, lockViolation = syscall.Errno(32), syscall.Errno(33)
	return errors.Is(err, sharingViolation) || errors.Is(err, lockViolation)
}
