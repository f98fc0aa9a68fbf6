package bind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// execution is one run of one plan.
type execution struct {
	ctx  context.Context
	plan *Plan
	*Run
	out Outcome
	// overlay holds variables that the plan itself assigns while it runs.
	overlay map[string]sqltype.Value
	// checks are the constraints that ls_check and ls_notnull refer to by number.
	row      []sqltype.Value
	identity *identityCursor
}

// statement is SQLite text with its parameters.
type statement struct {
	sql  string
	args []Arg
}

func (b *binder) statement(sql string) statement { return statement{sql: sql, args: b.param.args} }

// each runs a statement and calls f for each row; input feeds its InputArgs. f may be nil.
func (x *execution) each(s statement, input []sqltype.Value, f func(*sqlite3.Stmt) error) error {
	return x.eachThen(s, input, f, nil)
}

// eachThen calls then after the last row of a statement that succeeded, before anything else runs on the connection.
func (x *execution) eachThen(s statement, input []sqltype.Value, f func(*sqlite3.Stmt) error, then func(*sqlite3.Conn)) error {
	st, err := x.Conn.Stmt(s.sql)
	if err != nil {
		return x.unplanned(fmt.Errorf("prepare %s: %w", s.sql, err))
	}
	if err = x.bind(st, s.args, input); err == nil {
		for st.Step() {
			if f == nil {
				continue
			}
			if err = f(st); err != nil {
				break
			}
		}
		if err == nil {
			if err = st.Err(); err != nil {
				err = x.fail(st, err)
			} else if then != nil {
				then(st.Conn())
			}
		}
	}
	// Reset repeats the error of the last step, which is known already.
	st.Reset()
	st.ClearBindings()
	return err
}

// unplanned is the error of text that SQLite does not take: too deep, too wide, or made wrongly by this package. The cause
// is for the log.
func (x *execution) unplanned(err error) error {
	var e *sqlite3.Error
	if errors.As(err, &e) && e.Code() == sqlite3.ERROR {
		return sqlerr.New(8624).WithLine(x.plan.Line).WithCause(err)
	}
	return x.fail(nil, err)
}

func (x *execution) bind(st *sqlite3.Stmt, args []Arg, input []sqltype.Value) error {
	n := st.BindCount()
	for i := range args {
		if i >= n { // parameters of text that was dropped while binding
			break
		}
		a := &args[i]
		var v sqltype.Value
		var err error
		switch a.Kind {
		case ConstArg:
			v = a.Value
		case VarArg:
			v, err = x.value(a.Name)
		case GlobalArg:
			v, err = x.Global(a.Name)
		case InputArg:
			v = input[a.n]
		case identityArg:
			if err := st.BindPointer(i+1, x.identity); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := sqlfn.BindValue(st, i+1, v, a.Type); err != nil {
			return fmt.Errorf("bind parameter %d: %w", i+1, err)
		}
	}
	return nil
}

func (x *execution) value(name string) (sqltype.Value, error) {
	if v, ok := x.overlay[strings.ToUpper(name)]; ok {
		return v, nil
	}
	if x.Variable == nil {
		return sqltype.Value{}, sqlerr.New(137, name)
	}
	return x.Variable(name)
}

// fail gives the SQL error that stands behind an error of SQLite.
func (x *execution) fail(st *sqlite3.Stmt, err error) error {
	if st != nil {
		if env, e := sqlfn.EnvOf(st.Conn()); e == nil {
			if taken := env.TakeError(); taken != nil {
				return taken.WithLine(x.plan.Line)
			}
		}
	}
	if x.identity != nil && x.identity.err != nil {
		e := x.identity.err
		x.identity.err = nil
		return place(e, x.plan.Line)
	}
	if what, n, ok := raised(err); ok {
		return place(x.plan.raised(x.Run, what, n), x.plan.Line)
	}
	if errors.Is(err, sqlite3.INTERRUPT) && x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	return err
}

func place(err error, line int) error {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return e.WithLine(line)
	}
	return err
}

// decode reads a row of the result columns, from column `from` of the statement on.
func (x *execution) decode(st *sqlite3.Stmt, from int, types []sqltype.Type) []sqltype.Value {
	if cap(x.row) < len(types) {
		x.row = make([]sqltype.Value, len(types))
	}
	x.row = x.row[:len(types)]
	for i, t := range types {
		x.row[i] = sqlfn.ColumnValue(st, from+i, t)
	}
	return x.row
}

// emit hands a row on.
func (x *execution) emit(row []sqltype.Value) error {
	x.out.Rows++
	if x.Row == nil {
		return nil
	}
	return x.Row(row)
}

// stop ends a query at SET ROWCOUNT's limit.
var errStop = errors.New("enough rows")

// runQuery runs a SELECT.
func runQuery(ctx context.Context, p *Plan, r *Run) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r}
	types := columnTypes(p)
	err := x.each(statement{p.SQL, p.Args}, nil, func(st *sqlite3.Stmt) error {
		if err := x.emit(x.decode(st, 0, types)); err != nil {
			return err
		}
		if r.MaxRows > 0 && x.out.Rows >= r.MaxRows {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return x.out, err
}

func columnTypes(p *Plan) []sqltype.Type {
	types := make([]sqltype.Type, len(p.Columns))
	for i, c := range p.Columns {
		types[i] = c.Type
	}
	return types
}

// raised gives the error that a function of this package asked for.
func (p *Plan) raised(r *Run, what string, n int64) error {
	switch what {
	case "single":
		return sqlerr.New(512)
	case "count":
		return sqlerr.New(1060)
	case "negative":
		return sqlerr.New(127)
	case "percent":
		return sqlerr.New(1031)
	case "depth":
		return sqlerr.New(530, n)
	case "check", "null":
		if n >= 0 && int(n) < len(p.checks) {
			return p.checks[n].error(r)
		}
	}
	return fmt.Errorf("the plan raised %s %d", what, n)
}

// atomically runs f inside a savepoint, which is undone when f fails.
func (x *execution) atomically(f func() error) error {
	if err := x.each(statement{sql: "SAVEPOINT ls_plan"}, nil, nil); err != nil {
		return err
	}
	err := f()
	if err == nil {
		return x.each(statement{sql: "RELEASE ls_plan"}, nil, nil)
	}
	// This fails when SQLite has rolled back the whole transaction itself, which err tells of.
	if e := x.Conn.Exec("ROLLBACK TO ls_plan; RELEASE ls_plan"); e != nil && x.ctx.Err() == nil && !errors.As(err, new(*sqlerr.Error)) {
		return errors.Join(err, e)
	}
	return err
}
