package bind

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Register adds to a connection the functions that this package's text calls beside those of sqlfn:
//
//	ls_single(x)      aggregate: the only value, an error when there are two (512)
//	ls_top(n)         n, unless it is NULL (1060) or negative (127)
//	ls_percent(c, p)  p percent of c rows, rounded up
//	ls_check(c, n)    1, unless the condition c is false: then the plan's n-th constraint is violated
//	ls_notnull(x, n)  x, unless it is NULL: then the plan's n-th column must not be
//	ls_depth(d, max)  d + 1, unless that is beyond max (530)
//	ls_identity(i)    the next identity value of the counter that the plan bound
//	ls_split, ls_series   the table-valued functions STRING_SPLIT and GENERATE_SERIES
//
// Their errors travel in the text of SQLite's error, which the running plan reads.
func Register(conn *sqlite3.Conn) error {
	pure := sqlite3.DETERMINISTIC | sqlite3.INNOCUOUS
	err := errors.Join(
		conn.CreateWindowFunction("ls_single", 1, pure, func() sqlite3.AggregateFunction { return &single{} }),
		conn.CreateFunction("ls_top", 1, pure, topFunction),
		conn.CreateFunction("ls_percent", 2, pure, percentFunction),
		conn.CreateFunction("ls_check", 2, sqlite3.INNOCUOUS, checkFunction),
		conn.CreateFunction("ls_notnull", 2, sqlite3.INNOCUOUS, notNullFunction),
		conn.CreateFunction("ls_depth", 2, pure, depthFunction),
		conn.CreateFunction("ls_identity", 1, sqlite3.DIRECTONLY, identityFunction),
		registerTables(conn),
	)
	if err != nil {
		return fmt.Errorf("register the binder's functions: %w", err)
	}
	return nil
}

// raisePrefix begins the text of an error that a plan reads.
const raisePrefix = "ls!"

func raise(ctx sqlite3.Context, what string, n int64) {
	ctx.ResultError(fmt.Errorf("%s%s %d", raisePrefix, what, n))
}

// raised takes such an error apart.
func raised(err error) (what string, n int64, ok bool) {
	text := err.Error()
	i := strings.Index(text, raisePrefix)
	if i < 0 {
		return "", 0, false
	}
	if _, e := fmt.Sscanf(text[i+len(raisePrefix):], "%s %d", &what, &n); e != nil {
		return "", 0, false
	}
	return what, n, true
}

type single struct {
	rows  int
	value *sqlite3.Value
}

// Step keeps the first value and counts.
func (s *single) Step(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if s.rows++; s.rows > 1 {
		raise(ctx, "single", 0)
		return
	}
	s.value = arg[0].Dup()
}

// Value gives it, or NULL.
func (s *single) Value(ctx sqlite3.Context) {
	if s.rows == 1 {
		ctx.ResultValue(*s.value)
	}
}

// Close frees the copy.
func (s *single) Close() error {
	if s.value == nil {
		return nil
	}
	v := s.value
	s.value = nil
	return v.Close()
}

func topFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	switch n := arg[0].Int64(); {
	case arg[0].Type() == sqlite3.NULL:
		raise(ctx, "count", 0)
	case n < 0:
		raise(ctx, "negative", n)
	default:
		ctx.ResultInt64(n)
	}
}

func percentFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	p := arg[1].Float()
	if arg[1].Type() == sqlite3.NULL || p < 0 || p > 100 {
		raise(ctx, "percent", 0)
		return
	}
	n := float64(arg[0].Int64()) * p / 100
	c := int64(n)
	if float64(c) < n {
		c++
	}
	ctx.ResultInt64(c)
}

func checkFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL && arg[0].Int64() == 0 {
		raise(ctx, "check", arg[1].Int64())
		return
	}
	ctx.ResultInt64(1)
}

func notNullFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		raise(ctx, "null", arg[1].Int64())
		return
	}
	ctx.ResultValue(arg[0])
}

func depthFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	d, limit := arg[0].Int64()+1, arg[1].Int64()
	if d > limit {
		raise(ctx, "depth", limit)
		return
	}
	ctx.ResultInt64(d)
}

// identityCursor is what ls_identity draws from.
type identityCursor struct {
	next func() (int64, error)
	err  error
}

func identityFunction(ctx sqlite3.Context, arg ...sqlite3.Value) {
	c, ok := arg[0].Pointer().(*identityCursor)
	if !ok {
		raise(ctx, "identity", 0)
		return
	}
	n, err := c.next()
	if err != nil {
		c.err = err
		raise(ctx, "identity", 0)
		return
	}
	ctx.ResultInt64(n)
}
