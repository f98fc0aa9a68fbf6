// Package sqlerr owns the errors and messages that a SQL client sees: their numbers, severities, states and texts.
//
// An error gets its number at birth, where the cause is known, and keeps it up to the wire; nothing translates errors
// later. The catalogue (catalogue_*.go) lists every number the product uses with its severity and the wording, which
// follows sys.messages closely enough for a DBA to search for it. Conversion to TDS tokens happens in tdsserver only.
package sqlerr

import (
	"errors"
	"fmt"
	"strings"
)

// Severity classes, from SQL Server's "Database Engine Error Severities".
const (
	// SeverityInfo and below is a message, not an error.
	SeverityInfo = 10
	// SeverityUser is an error that the user can correct.
	SeverityUser = 16
	// SeverityResources and above are the server's troubles.
	SeverityResources = 17
	// SeverityFatal and above end the connection.
	SeverityFatal = 20
)

// Error is one message of the server, with the fields that the TDS ERROR and INFO tokens carry ([MS-TDS] 2.2.7.10).
// Errors are values: they are never changed after they were handed on. Use the With methods for a changed copy.
type Error struct {
	// Number identifies the message; below 50000 it is SQL Server's, from 50000 the user's own.
	Number int32
	// Severity is 0 to 25 ("class" on the wire); above SeverityInfo it is an error.
	Severity uint8
	// State tells apart places that raise one number; 1 when there is only one.
	State uint8
	// Line is the line of the batch or procedure that raised it, from 1; 0 when not known yet.
	Line int32
	// Procedure is the procedure that raised it, or "".
	Procedure string
	// Message is the text. It holds no secrets.
	Message string
	// Cause is what went wrong below, for errors.Is and the log; it is not sent to clients. May be nil.
	Cause error
}

// New returns the catalogued message number with its format filled in. A number missing from the catalogue is a defect
// of the caller; it yields the number with severity 16 and says so in the text, and the catalogue test finds it.
func New(number int32, args ...any) *Error {
	e, ok := catalogue[number]
	if !ok {
		return &Error{Number: number, Severity: SeverityUser, State: 1, Message: fmt.Sprintf("uncatalogued message %d %v", number, args)}
	}
	m := e.format
	if len(args) > 0 {
		m = fmt.Sprintf(e.format, args...)
	}
	return &Error{Number: number, Severity: e.severity, State: 1, Message: m}
}

// Raise returns a message that is not in the catalogue: the text of RAISERROR, THROW or PRINT.
func Raise(number int32, severity, state uint8, message string) *Error {
	return &Error{Number: number, Severity: severity, State: state, Message: message}
}

// Error gives number, severity, state, line and text, as sqlcmd prints them, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Msg %d, Level %d, State %d", e.Number, e.Severity, e.State)
	if e.Procedure != "" {
		fmt.Fprintf(&b, ", Procedure %s", e.Procedure)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", Line %d", e.Line)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	return b.String()
}

// Unwrap gives Cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error of the same number, so that errors.Is(err, &Error{Number: n}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Number == e.Number
}

// IsError reports whether e is an error and not just a message to the user.
func (e *Error) IsError() bool { return e.Severity > SeverityInfo }

// WithState returns a copy with another state.
func (e *Error) WithState(state uint8) *Error { c := *e; c.State = state; return &c }

// WithSeverity returns a copy with another severity.
func (e *Error) WithSeverity(severity uint8) *Error { c := *e; c.Severity = severity; return &c }

// WithLine returns a copy with the line set, unless e already has one.
func (e *Error) WithLine(line int) *Error {
	if e.Line > 0 {
		return e
	}
	c := *e
	c.Line = int32(line)
	return &c
}

// WithProcedure returns a copy with the procedure set, unless e already has one.
func (e *Error) WithProcedure(name string) *Error {
	if e.Procedure != "" {
		return e
	}
	c := *e
	c.Procedure = name
	return &c
}

// WithCause returns a copy that unwraps to err.
func (e *Error) WithCause(err error) *Error { c := *e; c.Cause = err; return &c }

// Number returns the number of the first *Error in err's chain, or 0.
func Number(err error) int32 {
	var e *Error
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// From returns the first *Error in err's chain or, for an error that none of ours ever numbered, message 50000 with
// severity 16 and the error's text. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Number: 50000, Severity: SeverityUser, State: 1, Message: err.Error(), Cause: err}
}
