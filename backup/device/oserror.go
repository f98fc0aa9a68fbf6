package device

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"linkspan/sqlerr"
)

// osError is an error of the operating system as Windows numbers it, which is what 3201 and 3202 quote.
type osError struct {
	number int
	text   string
}

// String spells the error as the messages do: 5(Access is denied.).
func (e osError) String() string { return fmt.Sprintf("%d(%s)", e.number, e.text) }

// osErrorOf finds the number for an error.
func osErrorOf(err error) osError {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return osError{2, "The system cannot find the file specified."}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errRefused):
		return osError{5, "Access is denied."}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return osError{112, "There is not enough space on the disk."}
	case errors.Is(err, syscall.ENOTDIR):
		return osError{3, "The system cannot find the path specified."}
	case errors.Is(err, syscall.EROFS):
		return osError{19, "The media is write protected."}
	case errors.Is(err, syscall.EIO):
		return osError{1117, "The request could not be performed because of an I/O device error."}
	default:
		return osError{31, "A device attached to the system is not functioning."}
	}
}

// cannotOpen is 3201.
func cannotOpen(n Name, os osError, cause error) *sqlerr.Error {
	e := sqlerr.New(3201, n.shown(), os)
	if errors.Is(cause, errRefused) { // the number alone would not tell what to do
		told := *e
		told.Message += " " + strings.TrimPrefix(cause.Error(), errRefused.Error()+": ") + "."
		e = &told
	}
	if cause != nil {
		e = e.WithCause(cause)
	}
	return e
}

// cannotWrite is 3202.
func cannotWrite(n Name, err error) *sqlerr.Error {
	return sqlerr.New(3202, n.shown(), osErrorOf(err)).WithCause(err)
}

// shown is the name as messages may show it: without what may be a credential.
func (n Name) shown() string {
	if before, _, found := strings.Cut(n.Text, "?"); found && n.Kind == URL {
		return before + "?…"
	}
	return n.Text
}

// errRefused is what names that are refused come to.
var errRefused = errors.New("refused")

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
