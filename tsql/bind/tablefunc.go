package bind

import (
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// tableFunction gives the text of a table-valued function over bound arguments, and its columns.
func (b *binder) tableFunction(at ast.Node, src *source, name string, args []sqlfn.Expr) (string, error) {
	add := func(name, sql string, t sqltype.Type) {
		src.columns = append(src.columns, column{name: name, fold: b.fold(name), expr: sqlfn.Expr{SQL: src.sql + "." + sql, Type: t}})
	}
	switch name {
	case "STRING_SPLIT":
		if len(args) < 2 || len(args) > 3 {
			return "", b.fail(at, 189, "string_split", 2, 3)
		}
		if !args[0].Type.Kind.IsString() {
			return "", b.fail(at, 8116, sqltype.MessageName(args[0].Type), 1, "string_split")
		}
		add("value", "value", args[0].Type)
		if len(args) == 3 {
			add("ordinal", "n", sqltype.Type{Kind: sqltype.BigInt})
		}
		return "ls_split(" + args[0].SQL + ", " + args[1].SQL + ") AS " + src.sql, nil
	default:
		if len(args) < 2 || len(args) > 3 {
			return "", b.fail(at, 189, "generate_series", 2, 3)
		}
		list, t, err := sqlfn.Unify(args)
		if err != nil {
			return "", err
		}
		if !t.Kind.IsInteger() || t.Kind == sqltype.Bit {
			return "", b.refuse(at, "GENERATE_SERIES over "+t.String())
		}
		step := "CASE WHEN " + list[0].SQL + " <= " + list[1].SQL + " THEN 1 ELSE -1 END"
		if len(list) == 3 {
			step = list[2].SQL
		}
		add("value", "value", t)
		return "ls_series(" + list[0].SQL + ", " + list[1].SQL + ", " + step + ") AS " + src.sql, nil
	}
}

func registerTables(conn *sqlite3.Conn) error {
	return errors.Join(
		//lint:ignore SA1019 the generic method needs a newer language
		sqlite3.CreateModule(conn, "ls_split", nil, func(db *sqlite3.Conn, _, _, _ string, _ ...string) (splitTable, error) {
			return splitTable{}, db.DeclareVTab("CREATE TABLE x(value, n, text HIDDEN, separator HIDDEN)")
		}),
		//lint:ignore SA1019 the generic method needs a newer language
		sqlite3.CreateModule(conn, "ls_series", nil, func(db *sqlite3.Conn, _, _, _ string, _ ...string) (seriesTable, error) {
			return seriesTable{}, db.DeclareVTab("CREATE TABLE x(value, n, first HIDDEN, last HIDDEN, step HIDDEN)")
		}),
	)
}

// allArguments asks for every hidden column, from the third on, as an argument; a plan that has not all is no plan.
func allArguments(idx *sqlite3.IndexInfo, count int) error {
	found := 0
	for i, c := range idx.Constraint {
		if c.Column < 2 || c.Op != sqlite3.INDEX_CONSTRAINT_EQ {
			continue
		}
		if !c.Usable {
			return sqlite3.CONSTRAINT
		}
		idx.ConstraintUsage[i] = sqlite3.IndexConstraintUsage{ArgvIndex: c.Column - 1, Omit: true}
		found++
	}
	if found != count {
		return sqlite3.CONSTRAINT
	}
	idx.EstimatedCost, idx.EstimatedRows = 10, 10
	return nil
}

type splitTable struct{}

// BestIndex takes text and separator.
func (splitTable) BestIndex(idx *sqlite3.IndexInfo) error { return allArguments(idx, 2) }

// Open gives a cursor.
func (splitTable) Open() (sqlite3.VTabCursor, error) { return &splitCursor{}, nil }

type splitCursor struct {
	parts []string
	at    int
}

// Filter splits; NULL gives no rows.
func (c *splitCursor) Filter(_ int, _ string, arg ...sqlite3.Value) error {
	c.parts, c.at = nil, 0
	if arg[0].Type() == sqlite3.NULL || arg[1].Type() == sqlite3.NULL {
		return nil
	}
	c.parts = strings.Split(arg[0].Text(), arg[1].Text())
	return nil
}

// Next moves on.
func (c *splitCursor) Next() error { c.at++; return nil }

// EOF tells the end.
func (c *splitCursor) EOF() bool { return c.at >= len(c.parts) }

// Column gives the part and its position.
func (c *splitCursor) Column(ctx sqlite3.Context, n int) error {
	switch n {
	case 0:
		ctx.ResultText(c.parts[c.at])
	case 1:
		ctx.ResultInt64(int64(c.at + 1))
	}
	return nil
}

// RowID is the position.
func (c *splitCursor) RowID() (int64, error) { return int64(c.at), nil }

type seriesTable struct{}

// BestIndex takes first, last and step.
func (seriesTable) BestIndex(idx *sqlite3.IndexInfo) error { return allArguments(idx, 3) }

// Open gives a cursor.
func (seriesTable) Open() (sqlite3.VTabCursor, error) { return &seriesCursor{}, nil }

type seriesCursor struct {
	value, last, step int64
	row               int64
	done              bool
}

// Filter begins; NULL or a step of 0 gives no rows.
func (c *seriesCursor) Filter(_ int, _ string, arg ...sqlite3.Value) error {
	*c = seriesCursor{value: arg[0].Int64(), last: arg[1].Int64(), step: arg[2].Int64()}
	for _, a := range arg {
		c.done = c.done || a.Type() == sqlite3.NULL
	}
	c.done = c.done || c.step == 0
	return nil
}

// Next moves on; a step past the last number of 64 bits ends.
func (c *seriesCursor) Next() error {
	next := c.value + c.step
	c.done = c.done || (next > c.value) != (c.step > 0)
	c.value = next
	c.row++
	return nil
}

// EOF tells the end.
func (c *seriesCursor) EOF() bool {
	return c.done || c.step > 0 && c.value > c.last || c.step < 0 && c.value < c.last
}

// Column gives the number.
func (c *seriesCursor) Column(ctx sqlite3.Context, n int) error {
	if n == 0 {
		ctx.ResultInt64(c.value)
	}
	return nil
}

// RowID is the position.
func (c *seriesCursor) RowID() (int64, error) { return c.row, nil }
