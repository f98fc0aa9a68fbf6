package bind

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// inserter inserts into one table.
type inserter struct {
	*target
	// cols are the columns that the statement gives values for.
	cols []*rel.Column
	// explicit is true when the identity column is among them; counts when it is not and has to be made.
	explicit, counts bool
	// statements insert, each once; probes select what they would insert, for the error that names a duplicate key.
	statements, probes []statement
	// row inserts one row of values for all stored columns.
	row    statement
	verify []verification
	output *output
	// feed holds the types of the rows fed by Run.Input, for the verbs that have one; nil otherwise.
	feed []sqltype.Type
	// many is true when one of the statements inserts more than one row.
	many bool
}

// insert binds INSERT; input describes the rows that Run.Input feeds, nil for statements that bring their own.
func (b *binder) insert(s *ast.Insert, input []sqlapi.Column) (*Plan, error) {
	if s.Exec != nil && input == nil {
		return nil, fmt.Errorf("bind: the rows of INSERT … EXEC come from InsertRows")
	}
	with, err := b.with(s.With, s.Hints)
	if err != nil {
		return nil, err
	}
	t, err := b.insertTarget(s.Target)
	if err != nil {
		return nil, err
	}
	in := &inserter{target: t}
	if err := b.insertColumns(s, in); err != nil {
		return nil, err
	}
	if in.output, err = b.outputTarget(s.Output); err != nil {
		return nil, err
	}
	switch {
	case input != nil:
		err = b.insertInput(s, in, input)
	case s.Query != nil:
		err = b.insertQuery(s, in, with)
	default:
		err = b.insertValues(s, in)
	}
	if err != nil {
		return nil, err
	}
	p := &Plan{Verb: Insert, Table: t.Table, SQL: in.statements[0].sql, Args: in.statements[0].args, Columns: in.output.client()}
	b.writes(p, t.snap)
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) { return runInsert(ctx, p, r, in) }
	return p, nil
}

// insertColumns finds the columns that get values.
func (b *binder) insertColumns(s *ast.Insert, in *inserter) error {
	identityOn := b.env.IdentityInsert == in.ID && !in.temp
	if len(s.Columns) == 0 {
		for _, c := range in.Columns {
			if c.Computed == "" && !(c.Identity && !identityOn) && c.Type.Kind != sqltype.RowVersion {
				in.cols = append(in.cols, c)
			}
		}
		if s.DefaultValues {
			in.cols = nil
		}
		if in.Identity >= 0 && identityOn && !s.DefaultValues {
			return b.fail(s, 8101, in.Name)
		}
		in.counts = in.Identity >= 0
		return nil
	}
	seen := map[int32]bool{}
	for i := range s.Columns {
		c, err := b.targetColumn(in.target, &s.Columns[i], s.Columns[i].Name)
		if err != nil {
			return err
		}
		switch {
		case seen[c.ID]:
			return b.fail(s.Columns[i], 264, c.Name)
		case c.Computed != "":
			return b.fail(s.Columns[i], 271, c.Name)
		case c.Type.Kind == sqltype.RowVersion:
			return b.fail(s.Columns[i], 273)
		case c.Identity && !identityOn:
			return b.fail(s, 544, in.Name)
		}
		seen[c.ID] = true
		in.explicit = in.explicit || c.Identity
		in.cols = append(in.cols, c)
	}
	if in.Identity >= 0 && identityOn && !in.explicit {
		return b.fail(s, 545, in.Name)
	}
	in.counts = in.Identity >= 0 && !in.explicit
	return nil
}

// targetColumn finds a column of the target by name.
func (b *binder) targetColumn(t *target, at ast.Node, name string) (*rel.Column, error) {
	f := b.fold(name)
	for _, c := range t.Columns {
		if b.fold(c.Name) == f || strings.EqualFold(name, "$identity") && c.Identity {
			return c, nil
		}
	}
	return nil, b.fail(at, 207, name)
}

// insertValues binds VALUES and DEFAULT VALUES: one statement for each row, so that rows of one shape share it.
func (b *binder) insertValues(s *ast.Insert, in *inserter) error {
	rows := s.Rows
	if s.DefaultValues {
		rows = [][]ast.Expr{nil}
	}
	for _, row := range rows {
		if len(row) != len(in.cols) && !s.DefaultValues {
			switch {
			case len(s.Columns) == 0:
				return b.fail(s, 213)
			case len(row) < len(in.cols):
				return b.fail(s, 109)
			}
			return b.fail(s, 110)
		}
		c := b.fork()
		given := make([]sqlfn.Expr, len(row))
		for i, e := range row {
			x, err := c.insertValue(in, i, e)
			if err != nil {
				return err
			}
			given[i] = x
		}
		values, err := c.insertRow(in, given)
		if err != nil {
			return c.place(s, err)
		}
		if err := c.insertStatement(in, values, ""); err != nil {
			return err
		}
	}
	return b.rowStatement(in)
}

func (b *binder) insertValue(in *inserter, i int, e ast.Expr) (sqlfn.Expr, error) {
	if _, dflt := e.(*ast.Default); dflt {
		return b.defaultOf(in.cols[i])
	}
	return b.expr(&scope{clause: inSet}, e)
}

// insertQuery binds INSERT … SELECT.
func (b *binder) insertQuery(s *ast.Insert, in *inserter, with []string) error {
	q, err := b.subquery(nil, s.Query)
	if err != nil {
		return err
	}
	cols := q.columns()
	switch {
	case len(cols) < len(in.cols) && len(s.Columns) > 0:
		return b.fail(s, 120)
	case len(cols) > len(in.cols) && len(s.Columns) > 0:
		return b.fail(s, 121)
	case len(cols) != len(in.cols):
		return b.fail(s, 213)
	}
	q.with = append(with, q.with...)
	if s.Top != nil {
		if q.limit != "" || s.Top.Percent || s.Top.WithTies {
			return b.refuse(s, "this TOP of an INSERT")
		}
		if q.limit, err = b.count(nil, s.Top.Count); err != nil {
			return err
		}
	}
	q.stable = true
	text, err := q.text(b)
	if err != nil {
		return err
	}
	given := make([]sqlfn.Expr, len(cols))
	for i, c := range cols {
		given[i] = sqlfn.Expr{SQL: "s.k_" + strconv.Itoa(i+1), Type: c.expr.Type, Nullable: c.expr.Nullable}
	}
	values, err := b.insertRow(in, given)
	if err != nil {
		return b.place(s, err)
	}
	in.many = true
	if err := b.insertStatement(in, values, "("+text+") AS s"); err != nil {
		return err
	}
	return b.rowStatement(in)
}

// insertInput binds a statement whose rows the executor feeds.
func (b *binder) insertInput(s *ast.Insert, in *inserter, input []sqlapi.Column) error {
	if len(input) != len(in.cols) {
		return b.fail(s, 213)
	}
	given := make([]sqlfn.Expr, len(input))
	for i, c := range input {
		given[i] = b.input(i, b.collated(c.Type))
		in.feed = append(in.feed, given[i].Type)
	}
	values, err := b.insertRow(in, given)
	if err != nil {
		return b.place(s, err)
	}
	if err := b.insertStatement(in, values, ""); err != nil {
		return err
	}
	return b.rowStatement(in)
}

// insertRow gives the values of all stored columns but the computed ones, in order.
func (b *binder) insertRow(in *inserter, given []sqlfn.Expr) ([]sqlfn.Expr, error) {
	var values []sqlfn.Expr
	for _, c := range stored(in.Table) {
		if c.Computed != "" {
			continue
		}
		var x sqlfn.Expr
		var err error
		at := -1
		for i, g := range in.cols {
			if g == c {
				at = i
			}
		}
		switch {
		case at >= 0 && at < len(given):
			x = given[at]
		case c.Identity:
			x = sqlfn.Expr{SQL: "ls_identity(" + b.arg(Arg{Kind: identityArg}) + ")", Type: sqltype.Type{Kind: sqltype.BigInt}}
		default:
			x, err = b.defaultOf(c)
		}
		if err == nil {
			x, err = b.assign(in.target, c, x, "INSERT")
		}
		if err != nil {
			return nil, err
		}
		values = append(values, x)
	}
	return values, nil
}

// insertStatement makes the INSERT for values over from ("" for one row without a source).
func (b *binder) insertStatement(in *inserter, values []sqlfn.Expr, from string) error {
	row, err := b.newRow(in, values)
	if err != nil {
		return err
	}
	selected := row.selected(from)
	in.probes = append(in.probes, b.statement(selected))
	text := "INSERT INTO " + in.name() + "(" + strings.Join(row.names, ", ") + ") "
	switch {
	case len(row.names) == 0:
		text = "INSERT INTO " + in.name() + " DEFAULT VALUES"
	case from == "" && row.plain():
		text += "VALUES(" + strings.Join(row.values, ", ") + ")"
	default:
		text += selected
	}
	returning, err := b.returning(in.output, in.target)
	if err != nil {
		return err
	}
	in.statements = append(in.statements, b.statement(text+returning))
	return nil
}

// newRow is a row to be inserted: columns, values, and what has to be worked out over them.
type newRow struct {
	names, values []string
	// computed are the stored computed columns, conds the constraints, both over v.c_<id>.
	computedNames, computed, conds []string
}

func (b *binder) newRow(in *inserter, values []sqlfn.Expr) (*newRow, error) {
	row, exprs := &newRow{}, map[int32]sqlfn.Expr{}
	var computed []*rel.Column
	for _, c := range stored(in.Table) {
		if c.Computed != "" {
			computed = append(computed, c)
			continue
		}
		x := values[len(row.names)]
		row.names, row.values = append(row.names, columnName(c)), append(row.values, x.SQL)
		exprs[c.ID] = sqlfn.Expr{SQL: "v." + columnName(c), Type: c.Type, Nullable: x.Nullable}
	}
	for _, c := range computed {
		x, err := b.persisted(in.target, exprs, c)
		if err != nil {
			return nil, err
		}
		exprs[c.ID] = x
		row.computedNames, row.computed = append(row.computedNames, columnName(c)), append(row.computed, x.SQL)
	}
	scope := b.rowScope(in.Table, func(c *rel.Column) (sqlfn.Expr, error) { return exprs[c.ID], nil })
	var err error
	row.conds, in.verify, err = b.guards(in.target, scope, "INSERT", func(int32) bool { return true })
	return row, err
}

func (r *newRow) plain() bool { return len(r.conds) == 0 && len(r.computed) == 0 }

// selected is the query for the row's columns, and completes names by the computed ones. An inner query keeps SQLite from
// evaluating a value twice.
func (r *newRow) selected(from string) string {
	source := " FROM " + from
	if from == "" {
		source = ""
	}
	if r.plain() {
		return "SELECT " + strings.Join(r.values, ", ") + source
	}
	var inner, outer []string
	for i, n := range r.names {
		inner, outer = append(inner, r.values[i]+" AS "+n), append(outer, "v."+n)
	}
	if from != "" {
		source += everyRow
	}
	r.names = append(r.names, r.computedNames...)
	text := "SELECT " + strings.Join(append(outer, r.computed...), ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + source + ") AS v"
	if len(r.conds) > 0 {
		text += " WHERE " + strings.Join(r.conds, " AND ")
	}
	return text
}

func columnName(c *rel.Column) string { return "c_" + strconv.Itoa(int(c.ID)) }
func tableName(t *rel.Table) string   { return "t_" + strconv.Itoa(int(t.ID)) }
func indexName(i *rel.Index) string   { return "i_" + strconv.Itoa(int(i.ID)) }

// persisted is the value of a stored computed column over the row's other values.
func (b *binder) persisted(t *target, exprs map[int32]sqlfn.Expr, c *rel.Column) (sqlfn.Expr, error) {
	s := b.rowScope(t.Table, func(o *rel.Column) (sqlfn.Expr, error) {
		if o.Computed != "" { // computed columns do not refer to computed columns
			return sqlfn.Expr{}, fmt.Errorf("computed column %s refers to computed column %s", c.Name, o.Name)
		}
		return exprs[o.ID], nil
	})
	x, err := b.definition(s, c.Computed, sqltype.Type{})
	if err != nil {
		return x, err
	}
	return sqlfn.Assign(x, c.Type, b.siteOf(t, c))
}

// rowStatement makes the statement that inserts one row of plain values, in the order of the probes' columns.
func (b *binder) rowStatement(in *inserter) error {
	c := b.fork()
	var names, params []string
	cols := insertOrder(in.Table)
	for i, col := range cols {
		names = append(names, columnName(col))
		params = append(params, c.input(i, col.Type).SQL)
	}
	if len(cols) > 0 {
		in.row = c.statement("INSERT INTO " + in.name() + "(" + strings.Join(names, ", ") + ") VALUES(" + strings.Join(params, ", ") + ")")
	}
	return nil
}

// insertOrder lists the stored columns as probes give them: those computed at the end.
func insertOrder(t *rel.Table) []*rel.Column {
	var plain, computed []*rel.Column
	for _, c := range stored(t) {
		if c.Computed != "" {
			computed = append(computed, c)
		} else {
			plain = append(plain, c)
		}
	}
	return append(plain, computed...)
}
