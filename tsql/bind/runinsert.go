package bind

import (
	"context"
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// runInsert runs an INSERT. One row needs no savepoint: SQLite undoes a failed statement itself.
func runInsert(ctx context.Context, p *Plan, r *Run, in *inserter) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r}
	var rows [][]sqltype.Value
	f := func() (err error) { rows, err = x.insertAll(in); return err }
	var err error
	if len(in.statements) > 1 || in.many || in.feed != nil || len(in.verify) > 0 || in.output != nil && in.output.into != nil {
		err = x.atomically(f)
	} else {
		err = f()
	}
	if err != nil {
		return Outcome{Identity: x.out.Identity, HasIdentity: x.out.HasIdentity}, err
	}
	return x.out, x.emitOutput(in.output, rows)
}

// insertAll inserts all rows and gives those of OUTPUT.
func (x *execution) insertAll(in *inserter) (rows [][]sqltype.Value, err error) {
	x.counter(in)
	if in.feed != nil && x.Input != nil {
		for row, e := range x.Input {
			if e != nil {
				return nil, e
			}
			if err := x.insertOne(in, 0, row, &rows); err != nil {
				return nil, err
			}
		}
	} else {
		for i := range in.statements {
			if err := x.insertOne(in, i, nil, &rows); err != nil {
				return nil, err
			}
		}
	}
	if err := x.verify(in.verify); err != nil {
		return nil, err
	}
	return rows, x.outputRows(in.output, rows)
}

// counter makes the identity counter ready.
func (x *execution) counter(in *inserter) {
	if in.Identity < 0 {
		return
	}
	ids := x.identities(in.target)
	x.identity = &identityCursor{next: func() (int64, error) {
		n, err := ids.Next(x.Conn, in.snap.SQLSchema, in.Table)
		if err == nil {
			x.out.Identity, x.out.HasIdentity = n, true
		}
		return n, err
	}}
}

// insertOne runs one of the statements.
func (x *execution) insertOne(in *inserter, i int, input []sqltype.Value, rows *[][]sqltype.Value) error {
	types := in.output.types()
	var changed int64
	err := x.eachThen(in.statements[i], input, func(st *sqlite3.Stmt) error {
		*rows = append(*rows, append([]sqltype.Value(nil), x.decode(st, 0, types)...))
		return nil
	}, func(c *sqlite3.Conn) { changed = c.Changes() })
	if err != nil {
		return x.constraint(in, i, input, err)
	}
	x.out.Rows += changed
	if in.explicit {
		return x.seen(in)
	}
	return nil
}

// seen moves the counter past the identity values that were inserted explicitly.
func (x *execution) seen(in *inserter) error {
	col := in.Columns[in.Identity]
	fn := "max"
	if col.Increment < 0 {
		fn = "min"
	}
	return x.each(statement{sql: "SELECT " + fn + "(" + columnName(col) + ") FROM " + in.name()}, nil, func(st *sqlite3.Stmt) error {
		v := sqlfn.ColumnValue(st, 0, col.Type)
		if v.IsNull() {
			return nil
		}
		x.out.Identity, x.out.HasIdentity = v.N, true
		return x.identities(in.target).Seen(x.Conn, in.snap.SQLSchema, in.Table, v.N)
	})
}

// verify runs the queries that must find nothing.
func (x *execution) verify(list []verification) error {
	for _, v := range list {
		err := x.each(statement{sql: v.sql}, nil, func(*sqlite3.Stmt) error { return place(v.violation.error(x.Run), x.plan.Line) })
		if err != nil {
			return err
		}
	}
	return nil
}

// outputRows puts the rows of OUTPUT … INTO into their table.
func (x *execution) outputRows(o *output, rows [][]sqltype.Value) error {
	if o == nil || o.into == nil {
		return nil
	}
	y := &execution{ctx: x.ctx, plan: x.plan, Run: x.Run}
	y.counter(o.into)
	for _, row := range rows {
		if err := y.insertOne(o.into, 0, row[:o.split], new([][]sqltype.Value)); err != nil {
			return err
		}
	}
	return y.verify(o.into.verify)
}

// emitOutput sends the rows of OUTPUT to the client; the statement's count of rows stays.
func (x *execution) emitOutput(o *output, rows [][]sqltype.Value) error {
	if o == nil || x.Row == nil {
		return nil
	}
	from := 0
	if o.into != nil {
		from = o.split
	}
	if from == len(o.columns) {
		return nil
	}
	for _, row := range rows {
		if err := x.Row(row[from:]); err != nil {
			return err
		}
	}
	return nil
}

// constraint gives the SQL error for a constraint of SQLite that an insertion broke; other errors come back as they are.
func (x *execution) constraint(in *inserter, i int, input []sqltype.Value, err error) error {
	if e := x.notNull(in.Table, in.temp, "INSERT", err); e != nil {
		return e
	}
	if !errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) && !errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) && !errors.Is(err, sqlite3.CONSTRAINT_ROWID) {
		return err
	}
	return x.findDuplicate(in, i, input, err)
}

// findDuplicate inserts the rows one by one until one fails, to say which key it has. What it inserts is undone.
func (x *execution) findDuplicate(in *inserter, i int, input []sqltype.Value, cause error) error {
	cols := insertOrder(in.Table)
	types := make([]sqltype.Type, len(cols))
	for c, col := range cols {
		types[c] = col.Type
	}
	last := x.out.Identity - 1
	if x.identity != nil { // do not use up more numbers
		keep := x.identity
		x.identity = &identityCursor{next: func() (int64, error) { last++; return last, nil }}
		defer func() { x.identity = keep }()
	}
	var rows [][]sqltype.Value
	found := x.duplicate(in.Table, nil, cause)
	x.atomically(func() error {
		err := x.each(in.probes[i], input, func(st *sqlite3.Stmt) error {
			rows = append(rows, append([]sqltype.Value(nil), x.decode(st, 0, types)...))
			return nil
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := x.each(in.row, row, nil); err != nil {
				values := map[int32]sqltype.Value{}
				for c, col := range cols {
					values[col.ID] = row[c]
				}
				found = x.duplicate(in.Table, values, err)
				break
			}
		}
		return errStop
	})
	return found
}

// notNull gives message 515 for SQLite's NOT NULL error, else nil.
func (x *execution) notNull(t *rel.Table, temp bool, verb string, err error) error {
	if !errors.Is(err, sqlite3.CONSTRAINT_NOTNULL) {
		return nil
	}
	text := err.Error()
	for _, c := range t.Columns {
		if name := "." + columnName(c); strings.HasSuffix(text, name) || strings.Contains(text, name+" ") {
			return place((&violation{table: t, verb: verb, column: c.Name, temp: temp}).error(x.Run), x.plan.Line)
		}
	}
	return nil
}

// duplicate gives message 2627 or 2601 for SQLite's UNIQUE error; values are the row's, nil when not known.
func (x *execution) duplicate(t *rel.Table, values map[int32]sqltype.Value, err error) error {
	ix := brokenIndex(t, err.Error())
	if ix == nil {
		return err
	}
	key := keyText(ix, values)
	object := t.Schema + "." + t.Name
	switch {
	case ix.Primary:
		return place(sqlerr.New(2627, "PRIMARY KEY", ix.Name, object, key), x.plan.Line)
	case ix.Constraint:
		return place(sqlerr.New(2627, "UNIQUE KEY", ix.Name, object, key), x.plan.Line)
	}
	return place(sqlerr.New(2601, object, ix.Name, key), x.plan.Line)
}

// brokenIndex finds the index that SQLite's message is about: by its name, or by its columns.
func brokenIndex(t *rel.Table, text string) *rel.Index {
	_, list, _ := strings.Cut(text, "UNIQUE constraint failed: ")
	list = strings.TrimSpace(list)
	for _, ix := range t.Indexes {
		if !ix.Unique {
			continue
		}
		var names []string
		for _, k := range ix.Columns {
			names = append(names, tableName(t)+"."+columnName(t.Column(k.ColumnID)))
		}
		if list == strings.Join(names, ", ") || list == "index '"+indexName(ix)+"n'" || list == "index '"+indexName(ix)+"'" {
			return ix
		}
	}
	return nil
}

// keyText spells a key as messages do: (1, abc, <NULL>).
func keyText(ix *rel.Index, values map[int32]sqltype.Value) string {
	if values == nil {
		return ""
	}
	parts := make([]string, len(ix.Columns))
	for i, k := range ix.Columns {
		v := values[k.ColumnID]
		if v.IsNull() {
			parts[i] = "<NULL>"
			continue
		}
		parts[i] = strings.TrimRight(v.String(), " ")
		if v.K == sqltype.UniqueIdentifier {
			parts[i] = strings.ToLower(parts[i])
		}
	}
	return strings.Join(parts, ", ")
}
