package bak

import (
	"errors"
	"fmt"
)

// FaultKind says what is wrong with a file.
type FaultKind uint8

// The kinds of fault. They are told apart because each asks for another remedy.
const (
	// NotABackup: the file never was a backup of a kind we know.
	NotABackup FaultKind = iota + 1
	// Truncated: the file ends inside something whose length it declares. It was cut, or is still being copied.
	Truncated
	// HalfWritten: what is there is sound, but the backup set is not finished: the backup is still running, was broken
	// off, or a copy reserved the space and has not filled it.
	HalfWritten
	// Damaged: bytes are not what they were when written.
	Damaged
	// Unsupported: sound as far as can be seen, but of a kind this reader does not read.
	Unsupported
	// OverBudget: reading on would need more than Options allows.
	OverBudget
)

var faultNames = [...]string{NotABackup: "not a backup", Truncated: "truncated", HalfWritten: "half-written",
	Damaged: "damaged", Unsupported: "unsupported", OverBudget: "over budget"}

var faultHints = [...]string{
	NotABackup:  "give a file that BACKUP DATABASE or BACKUP LOG wrote",
	Truncated:   "it was cut, or is still being copied: compare its size with the original and copy it again",
	HalfWritten: "the backup or its copy is still running, or was broken off: wait for it or take it again",
	Damaged:     "copy it again from where it was made; if that copy is damaged too, take the backup again",
	Unsupported: "restore it on a SQL Server that reads it and take a backup WITH NO_COMPRESSION and without encryption",
	OverBudget:  "raise the budget if you trust the file",
}

// String names the kind: "truncated".
func (k FaultKind) String() string {
	if int(k) < len(faultNames) && k > 0 {
		return faultNames[k]
	}
	return fmt.Sprintf("fault %d", k)
}

// Fault says why a file cannot be read on, or which part of it fails a check. It is the error of every function here
// that meets bad input; errors of the reader underneath are passed on, wrapped.
type Fault struct {
	Kind FaultKind
	// Offset is where, in bytes from the start of the file; for what lies inside compressed chunks, the offset of the
	// chunk. Negative when the fault is not at one place.
	Offset int64
	// What names the part: "descriptor block MSDA", "page (1:96)".
	What string
	// Want and Got are what was expected there and what was found.
	Want, Got string
}

// Error gives one sentence: kind, place, part, expectation, finding and the next step.
func (f *Fault) Error() string {
	s := f.Kind.String()
	if f.Offset >= 0 {
		s += fmt.Sprintf(" at offset %d", f.Offset)
	}
	if f.What != "" {
		s += ": " + f.What
	}
	if f.Want != "" {
		s += ": expected " + f.Want
		if f.Got != "" {
			s += ", found " + f.Got
		}
	} else if f.Got != "" {
		s += ": " + f.Got
	}
	if int(f.Kind) < len(faultHints) && faultHints[f.Kind] != "" {
		s += "; " + faultHints[f.Kind]
	}
	return s
}

// AsFault finds the *Fault in err, or nil.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// IsKind reports whether err is a *Fault of kind k.
func IsKind(err error, k FaultKind) bool {
	f := AsFault(err)
	return f != nil && f.Kind == k
}
