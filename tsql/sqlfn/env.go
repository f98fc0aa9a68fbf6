package sqlfn

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Statement is what the functions need to know of the statement that runs.
type Statement struct {
	// Ctx ends the reading of views and calls of Host. nil means context.Background.
	Ctx context.Context
	// Now is the moment that GETDATE and its kin give, the same all through the statement, in the server's time zone.
	Now time.Time
	// Scope is passed to views and Host.
	Scope rel.Scope
	// Views finds the views that ls_view reads. nil means there are none.
	Views rel.Views
	// Sites are the columns that Assign numbers: names for error 2628.
	Sites []Site
	// DateFirst is SET DATEFIRST, 1 (Monday) to 7; 0 means 7, us_english.
	DateFirst int
	// Host runs the functions of host_table.go. nil refuses them.
	Host Host
	// Random fills b with random bytes for NEWID and seeds RAND. Required by statements that call these.
	Random func(b []byte)
}

// Site is the target of one Assign, as its number counts them.
type Site struct{ Table, Column string }

// Host gives the functions about session, server and catalog.
type Host interface {
	// Function runs the function of that upper-case name. The result is of the table's result type or NULL; an error
	// fails the statement.
	Function(ctx context.Context, scope rel.Scope, name string, args []sqltype.Value) (sqltype.Value, error)
}

// Env ties a connection's functions to the statement that runs on it. Like the connection it belongs to one goroutine
// at a time.
type Env struct {
	st     Statement
	err    *sqlerr.Error
	rows   map[viewKey]*viewRows
	rand   uint64
	seeded bool
	node   [6]byte
	serial uint32
	// patterns are the LIKE patterns compiled last.
	patterns    [4]*pattern
	nextPattern int
}

// Begin makes s the statement that runs.
func (e *Env) Begin(s Statement) {
	if s.Ctx == nil {
		s.Ctx = context.Background()
	}
	if s.DateFirst == 0 {
		s.DateFirst = 7
	}
	e.st, e.err, e.seeded = s, nil, false
	clear(e.rows)
}

// End forgets the statement, its error and its views' rows.
func (e *Env) End() { e.Begin(Statement{}) }

// TakeError gives the SQL error that a function raised since Begin, once; nil when there was none.
func (e *Env) TakeError() *sqlerr.Error {
	err := e.err
	e.err = nil
	return err
}

// fail stores the first error of the statement and ends the function with it.
func (e *Env) fail(ctx sqlite3.Context, err error) {
	ctx.ResultError(e.note(err))
}

// note stores err, the first one winning, and gives what SQLite is told.
func (e *Env) note(err error) error {
	if e.err == nil {
		e.err = sqlerr.From(err)
	}
	return errRaised
}

// errRaised is what SQLite sees of a SQL error; the error itself waits in Env.
var errRaised = errors.New("sql error raised")

// BindValue binds v as a value of type t: v is of t's kind, or NULL.
func BindValue(s *sqlite3.Stmt, param int, v sqltype.Value, t sqltype.Type) error {
	st := sqltype.Store(v, t)
	switch st.Class {
	case sqltype.StoreInt:
		return s.BindInt64(param, st.I)
	case sqltype.StoreReal:
		return s.BindFloat(param, st.F)
	case sqltype.StoreText:
		return s.BindText(param, st.S)
	case sqltype.StoreBlob:
		return s.BindBlob(param, []byte(st.S))
	}
	return s.BindNull(param)
}

// ColumnValue reads column col of the current row, an expression of type t.
func ColumnValue(s *sqlite3.Stmt, col int, t sqltype.Type) sqltype.Value {
	switch s.ColumnType(col) {
	case sqlite3.INTEGER:
		return sqltype.LoadInt(s.ColumnInt64(col), t)
	case sqlite3.FLOAT:
		return sqltype.FloatOf(t.Kind, s.ColumnFloat(col))
	case sqlite3.TEXT:
		return sqltype.LoadText(s.ColumnText(col), t)
	case sqlite3.BLOB:
		return sqltype.LoadBlob(s.ColumnRawBlob(col), t)
	}
	return sqltype.NullOf(t.Kind)
}

// argument reads an argument of a function as a value of type t.
func argument(v sqlite3.Value, t sqltype.Type) sqltype.Value {
	switch v.Type() {
	case sqlite3.INTEGER:
		return sqltype.LoadInt(v.Int64(), t)
	case sqlite3.FLOAT:
		return sqltype.FloatOf(t.Kind, v.Float())
	case sqlite3.TEXT:
		return sqltype.LoadText(v.Text(), t)
	case sqlite3.BLOB:
		return sqltype.LoadBlob(v.RawBlob(), t)
	}
	return sqltype.NullOf(t.Kind)
}

// result gives v, of type t, as the function's result.
func result(ctx sqlite3.Context, v sqltype.Value, t sqltype.Type) {
	st := sqltype.Store(v, t)
	switch st.Class {
	case sqltype.StoreInt:
		ctx.ResultInt64(st.I)
	case sqltype.StoreReal:
		ctx.ResultFloat(st.F)
	case sqltype.StoreText:
		ctx.ResultText(st.S)
	case sqltype.StoreBlob:
		ctx.ResultBlob([]byte(st.S))
	default:
		ctx.ResultNull()
	}
}
