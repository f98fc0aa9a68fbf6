package bind

import (
	"strconv"
	"strings"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// output is a bound OUTPUT clause.
type output struct {
	clause *ast.Output
	// into is the table that the first list goes to, nil when it goes to the client.
	into *inserter
	// split is how many of columns belong to the first list; the others are a second list for the client.
	split   int
	columns []outColumn
}

// outputTarget begins the binding of an OUTPUT clause; its items follow with bindOutput.
func (b *binder) outputTarget(o *ast.Output) (*output, error) {
	if o == nil {
		return nil, nil
	}
	out := &output{clause: o}
	if o.Into == nil {
		return out, nil
	}
	t, err := b.insertTarget(o.Into)
	if err != nil {
		return nil, err
	}
	out.into = &inserter{target: t}
	return out, b.insertColumns(&ast.Insert{Pos: o.Pos, Target: o.Into, Columns: o.Columns}, out.into)
}

// client gives the columns that go to the client.
func (o *output) client() []sqlapi.Column {
	switch {
	case o == nil:
		return nil
	case o.into != nil:
		return describe(o.columns[o.split:])
	}
	return describe(o.columns)
}

// bindOutput binds the items in a scope that has inserted and deleted.
func (b *binder) bindOutput(o *output, s *scope) error {
	first := o.columns == nil
	o.columns = nil
	for _, item := range append(append([]ast.SelectItem{}, o.clause.Items...), o.clause.Client...) {
		if len(o.columns) >= 0 && item.Variable != "" {
			return b.fail(item, 102, "=")
		}
		k := &block{scope: s}
		if star, ok := item.Expr.(*ast.Star); ok {
			if err := b.star(k, star); err != nil {
				return err
			}
		} else {
			c, err := b.item(s, item)
			if err != nil {
				return err
			}
			k.items = append(k.items, c)
		}
		o.columns = append(o.columns, k.items...)
	}
	o.split = 0
	k := &block{scope: s}
	for _, item := range o.clause.Items {
		if star, ok := item.Expr.(*ast.Star); ok {
			k.items = nil
			if err := b.star(k, star); err != nil {
				return err
			}
			o.split += len(k.items)
			continue
		}
		o.split++
	}
	if o.into == nil || !first {
		return nil
	}
	return b.outputInto(o)
}

// outputInto binds the insertion of the first list into its table.
func (b *binder) outputInto(o *output) error {
	in, c := o.into, b.fork()
	if o.split != len(in.cols) {
		return b.fail(o.clause, 213)
	}
	given := make([]sqlfn.Expr, o.split)
	for i := range given {
		given[i] = c.input(i, o.columns[i].expr.Type)
		in.feed = append(in.feed, given[i].Type)
	}
	values, err := c.insertRow(in, given)
	if err != nil {
		return b.place(o.clause, err)
	}
	if err := c.insertStatement(in, values, ""); err != nil {
		return err
	}
	return b.rowStatement(in)
}

// types are those of all items.
func (o *output) types() []sqltype.Type {
	if o == nil {
		return nil
	}
	list := make([]sqltype.Type, len(o.columns))
	for i, c := range o.columns {
		list[i] = c.expr.Type
	}
	return list
}

// returning gives the RETURNING clause of an INSERT.
func (b *binder) returning(o *output, t *target) (string, error) {
	if o == nil {
		return "", nil
	}
	s := b.outputScope(t.Table, func(c *rel.Column) sqlfn.Expr {
		return sqlfn.Expr{SQL: columnName(c), Type: c.Type, Nullable: c.Nullable}
	}, nil)
	if err := b.bindOutput(o, s); err != nil {
		return "", err
	}
	items := make([]string, len(o.columns))
	for i, c := range o.columns {
		items[i] = c.expr.SQL + " AS k_" + strconv.Itoa(i+1)
	}
	return " RETURNING " + strings.Join(items, ", "), nil
}

// outputScope has the sources inserted and deleted, either of which may be missing.
func (b *binder) outputScope(t *rel.Table, inserted, deleted func(*rel.Column) sqlfn.Expr) *scope {
	s := &scope{clause: inSelect}
	var read *need // what OUTPUT tells of the table has to be readable
	if o := b.env.Snapshot.ObjectByID(t.ID); o != nil && o.Table == t {
		if read = b.asks("SELECT", o, b.env.Snapshot); read != nil {
			read.lazy = true
		}
	}
	for i, f := range []func(*rel.Column) sqlfn.Expr{inserted, deleted} {
		if f == nil {
			continue
		}
		name := [...]string{"inserted", "deleted"}[i]
		row := b.rowScope(t, func(c *rel.Column) (sqlfn.Expr, error) { return f(c), nil })
		src := row.sources[0]
		src.name, src.shown, src.schema, src.database, src.need = b.fold(name), name, "", "", read
		for i := range src.columns {
			src.columns[i].col = t.Columns[i]
		}
		s.sources = append(s.sources, src)
	}
	return s
}
