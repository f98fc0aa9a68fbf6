package sqlfn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
)

// impl is a scalar function's code. It gives its result through ctx and its SQL errors through e.fail.
type impl func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value)

// scalar is one scalar function of SQLite.
type scalar struct {
	name string
	// args is the number of arguments, -1 for any.
	args int
	// strict is how many of the first arguments give NULL when they are NULL.
	strict int
	// volatile functions read the statement: their result is not a function of the arguments alone.
	volatile bool
	fn       impl
}

// Register makes the functions, collations and the view module known to conn, which must not be in use, and ties them to
// env. Call it once for a connection, before anything is prepared on it.
func Register(conn *sqlite3.Conn, env *Env) error {
	env.rows = make(map[viewKey]*viewRows)
	env.Begin(Statement{})
	for _, table := range [][]scalar{coreTable, arithmeticTable, stringTable, mathTable, dateTable, miscTable} {
		for _, f := range table {
			if err := registerScalar(conn, env, f); err != nil {
				return fmt.Errorf("register function %s: %w", f.name, err)
			}
		}
	}
	if err := registerAggregates(conn, env); err != nil {
		return err
	}
	for _, c := range sqltype.Collations() {
		m := sqltype.NewComparer(&c)
		if err := conn.CreateCollation("ls_"+strings.ToLower(c.Name), m.Compare); err != nil {
			return fmt.Errorf("register collation %s: %w", c.Name, err)
		}
	}
	if err := conn.CreateCollation(momentCollation, sqltype.CompareMoments); err != nil {
		return fmt.Errorf("register collation %s: %w", momentCollation, err)
	}
	return registerViews(conn, env)
}

func registerScalar(conn *sqlite3.Conn, env *Env, f scalar) error {
	flags := sqlite3.INNOCUOUS | sqlite3.DETERMINISTIC
	if f.volatile {
		flags = sqlite3.INNOCUOUS
	}
	fn, strict := f.fn, f.strict
	return conn.CreateFunction(f.name, f.args, flags, func(ctx sqlite3.Context, arg ...sqlite3.Value) {
		for i := range min(strict, len(arg)) {
			if arg[i].Type() == sqlite3.NULL {
				return // NULL is the default result
			}
		}
		fn(env, ctx, arg)
	})
}

// coreTable holds the functions that belong to no family.
var coreTable = []scalar{
	{"ls_env", 1, 0, true, func(e *Env, _ sqlite3.Context, arg []sqlite3.Value) {
		if p, ok := arg[0].Pointer().(**Env); ok {
			*p = e
		}
	}},
	{"ls_conv", 4, 4, false, convertValue},
	{"ls_try", 4, 4, false, tryValue},
	{"ls_assign", 4, 1, true, assignValue},
}

// EnvOf finds the Env that Register tied to conn.
func EnvOf(conn *sqlite3.Conn) (*Env, error) {
	stmt, _, err := conn.Prepare("SELECT ls_env(?1)")
	if err != nil {
		return nil, fmt.Errorf("find functions of connection: %w", err)
	}
	defer stmt.Close()
	var env *Env
	if err := stmt.BindPointer(1, &env); err != nil {
		return nil, fmt.Errorf("find functions of connection: %w", err)
	}
	stmt.Step()
	if err := stmt.Err(); err != nil {
		return nil, fmt.Errorf("find functions of connection: %w", err)
	}
	if env == nil {
		return nil, errors.New("find functions of connection: they were not registered")
	}
	return env, nil
}
