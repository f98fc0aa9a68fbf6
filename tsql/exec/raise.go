package exec

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// sinkError marks what the client's side gave: it ends the session's request and is never told as a SQL error.
type sinkError struct{ err error }

func (e sinkError) Error() string { return e.err.Error() }
func (e sinkError) Unwrap() error { return e.err }

func wrapSink(err error) error {
	if err == nil {
		return nil
	}
	return sinkError{err}
}

// ending reports whether err ends the request: the client cancelled, is gone, or the session was closed.
func (r *request) ending(err error) error {
	var se sinkError
	switch {
	case errors.As(err, &se):
		return se.err
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case errors.Is(err, sqlapi.ErrAttention):
		return err
	}
	return nil
}

// sqlError gives the SQL error for whatever went wrong.
func (f *frame) sqlError(err error) *sqlerr.Error {
	var e *sqlerr.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, storage.ErrReplica):
		return sqlerr.New(3906, f.s.db.Name()).WithCause(err)
	case errors.Is(err, storage.ErrPoisoned), errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrDamaged):
		return sqlerr.New(9001, f.s.db.Name()).WithCause(err)
	case errors.Is(err, sqlite3.TOOBIG), errors.Is(err, sqlite3.NOMEM):
		return sqlerr.New(701, "a value or row of more than 32 MB").WithCause(err)
	}
	return sqlerr.New(8630, err.Error()).WithCause(err)
}

// batchErrors are the errors that end their batch and roll the transaction back: failed conversions, the deadlock's
// victim, and nesting too deep.
var batchErrors = map[int32]bool{
	241: true, 242: true, 244: true, 245: true, 248: true, 293: true, 295: true, 235: true, 217: true, 1205: true, 3930: true,
	8114: true, 8169: true, 9807: true,
}

// fail tells of an error of a statement that ran, or hands it to a TRY.
func (f *frame) fail(err error) (flow, error) {
	if end := f.r.ending(err); end != nil {
		return next, end
	}
	e := f.sqlError(err)
	class := abortStatement
	if batchErrors[e.Number] {
		class = abortBatch
	}
	return f.raise(e, class)
}

// statementErrors are found while a statement is bound and end the statement only, as if they came while it ran.
var statementErrors = map[int32]bool{220: true, 232: true, 515: true, 517: true, 535: true, 544: true, 545: true, 2628: true, 8115: true, 8134: true, 8152: true}

// failBind tells of an error of a statement that could not be bound.
func (f *frame) failBind(err error) (flow, error) {
	if end := f.r.ending(err); end != nil {
		return next, end
	}
	e := f.sqlError(err)
	if batchErrors[e.Number] || statementErrors[e.Number] {
		return f.fail(e)
	}
	return f.raise(e, abortScope)
}

// missingObject is the number of the error for a table that is missing when its statement runs: its scope ends, and under
// XACT_ABORT the transaction too. What fails to compile leaves the transaction alone.
const missingObject = 208

// raise tells of an error, or hands it to a TRY.
func (f *frame) raise(e *sqlerr.Error, class abort) (flow, error) {
	e = e.WithLine(f.line)
	if f.procedure != "" {
		e = e.WithProcedure(f.procedure)
	}
	s := f.s
	s.lastError, s.rowCount = e.Number, 0
	if e.Severity >= sqlerr.SeverityFatal {
		s.dropTransaction()
		if err := f.r.out.Message(e); err != nil {
			return next, err
		}
		return next, e
	}
	aborts := class == abortBatch || s.set.xactAbort && (class != abortScope || e.Number == missingObject)
	if s.catches(f, class) {
		if s.tx != nil && aborts {
			s.tx.doomed = true
		}
		fl := flow{kind: flowError, err: e}
		if class == abortScope {
			fl.skip = f
		}
		return fl, nil
	}
	if err := f.r.out.Message(e); err != nil {
		return next, err
	}
	if aborts && s.tx != nil {
		if err := f.r.rollbackAll(); err != nil {
			return next, err
		}
	}
	switch {
	case aborts, class == abortKeep:
		return flow{kind: flowBatch}, nil
	case class == abortScope:
		return flow{kind: flowScope}, nil
	}
	return next, nil
}

// catches reports whether a TRY around catches an error raised in f.
func (s *Session) catches(f *frame, class abort) bool {
	for _, t := range s.tries {
		if class != abortScope || t != f {
			return true
		}
	}
	return false
}

// terminated tells that a data change was undone, after its error was told.
func (f *frame) terminated(fl flow, err error) (flow, error) {
	if err != nil || fl.kind != flowNext {
		return fl, err
	}
	return fl, f.r.out.Message(sqlerr.New(3621).WithLine(f.line).WithProcedure(f.procedure))
}
