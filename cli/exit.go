package cli

import (
	"context"
	"errors"
)

// The exit codes of every command.
const (
	// ExitDone says the command did what was asked.
	ExitDone = 0
	// ExitFailed says it could not; the reason is on standard error.
	ExitFailed = 1
	// ExitUsage says the command line or the spec is wrong; nothing was done.
	ExitUsage = 2
	// ExitRefused says a preflight check refused (a broken backup chain, a missing prerequisite); nothing was done.
	ExitRefused = 3
	// ExitCancelled says the command was interrupted or ran out of its time; running it again goes on.
	ExitCancelled = 4
)

// exitError carries the exit code of a failure.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageError marks err as a mistake in the command line.
func usageError(err error) error { return &exitError{ExitUsage, err} }

// refusedError marks err as a refusal of a preflight check.
func refusedError(err error) error { return &exitError{ExitRefused, err} }

// exitCode is the code that err ends the program with.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ExitCancelled
	default:
		return ExitFailed
	}
}
