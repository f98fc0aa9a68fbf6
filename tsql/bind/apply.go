package bind

import (
	"strconv"
	"strings"

	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// apply binds the right side of CROSS or OUTER APPLY, which sees the sources on the left. SQLite has no lateral joins, so a
// query that refers to the left is taken apart into a join: its sources become the right side, its WHERE the join's
// condition and its select list what its columns stand for.
func (b *binder) apply(s *scope, j *ast.Join, left []*source) (text string, added []*source, on string, err error) {
	outer := &scope{parent: s.parent, sources: left, clause: inFrom}
	switch right := j.Right.(type) {
	case *ast.FunctionTable:
		if d := databaseFunction(right); d != nil {
			return b.applyQuery(s, outer, j, d)
		}
		text, src, err := b.functionTable(outer, right)
		return text, []*source{src}, "", err
	case *ast.ValuesTable:
		return b.applyValues(outer, j, right)
	case *ast.Derived:
		return b.applyQuery(s, outer, j, right)
	}
	return b.source(s, j.Right)
}

func (b *binder) applyQuery(s, outer *scope, j *ast.Join, d *ast.Derived) (string, []*source, string, error) {
	mark, aliases := len(b.param.args), b.shared.aliases
	if text, src, err := b.derived(s.parent, d); err == nil { // it does not refer to the left
		return text, []*source{src}, "", nil
	}
	b.forgetArgs(mark)
	b.shared.aliases = aliases
	spec, ok := d.Query.Body.(*ast.SelectSpec)
	if !ok || spec.Distinct || len(spec.GroupBy) > 0 || spec.Having != nil || hasAggregate(spec.Items) || d.Query.Offset != nil ||
		len(d.Query.With) > 0 || spec.Top != nil {
		return b.applyScalar(outer, j, d)
	}
	k, err := b.block(outer, spec, nil)
	if err != nil {
		return "", nil, "", err
	}
	src := b.newSource(ast.ObjectName{}, d.Alias, "")
	for i, c := range k.items {
		if c.name == "" && len(d.Columns) == 0 {
			return "", nil, "", b.fail(d, 8155, i+1, src.shown)
		}
		src.columns = append(src.columns, column{name: c.name, fold: b.fold(c.name), expr: c.expr})
	}
	if err := b.renameColumns(d, src, d.Columns); err != nil {
		return "", nil, "", err
	}
	if k.from == "" {
		a := b.alias()
		k.from = "(SELECT 1) AS " + a
	} else if j.Kind == "OUTER APPLY" && !plainColumns(k.items) {
		return "", nil, "", b.refuse(j, "OUTER APPLY of a query with computed columns that refers to the left side")
	}
	if len(spec.From) > 1 || strings.Contains(k.from, " JOIN ") {
		k.from = "(" + k.from + ")"
	}
	return k.from, []*source{src}, k.where, nil
}

// plainColumns reports whether all items are columns, which an outer join makes NULL where nothing matches.
func plainColumns(items []outColumn) bool {
	for _, c := range items {
		if strings.ContainsAny(c.expr.SQL, "( ?") {
			return false
		}
	}
	return true
}

// applyScalar serves a query that gives one row at most: each of its columns becomes a subquery of its own. CROSS APPLY
// also demands that there is a row.
func (b *binder) applyScalar(outer *scope, j *ast.Join, d *ast.Derived) (string, []*source, string, error) {
	q, err := b.subquery(outer, d.Query)
	if err != nil {
		return "", nil, "", err
	}
	if !q.single() {
		return "", nil, "", b.refuse(j, j.Kind+" of a query with TOP, DISTINCT, GROUP BY or a set operator that refers to the left side")
	}
	text, err := q.text(b)
	if err != nil {
		return "", nil, "", err
	}
	src := b.newSource(ast.ObjectName{}, d.Alias, "")
	for i, c := range q.columns() {
		if c.name == "" && len(d.Columns) == 0 {
			return "", nil, "", b.fail(d, 8155, i+1, src.shown)
		}
		a := b.alias()
		src.columns = append(src.columns, column{name: c.name, fold: b.fold(c.name), expr: sqlfn.Expr{
			SQL: "(SELECT " + a + ".k_" + strconv.Itoa(i+1) + " FROM (" + text + ") AS " + a + ")", Type: c.expr.Type, Nullable: true}})
	}
	if err := b.renameColumns(d, src, d.Columns); err != nil {
		return "", nil, "", err
	}
	on := ""
	if j.Kind == "CROSS APPLY" && !(q.block.grouped && q.block.having == "") {
		on = "EXISTS (" + text + ")"
	}
	return "(SELECT 1) AS " + b.alias(), []*source{src}, on, nil
}

// applyValues is APPLY (VALUES …): a row number picks each column's value.
func (b *binder) applyValues(outer *scope, j *ast.Join, v *ast.ValuesTable) (string, []*source, string, error) {
	a := b.alias()
	numbers := make([]string, len(v.Rows))
	columns := make([][]sqlfn.Expr, len(v.Rows[0]))
	for i, row := range v.Rows {
		numbers[i] = "(" + strconv.Itoa(i+1) + ")"
		if len(row) != len(columns) {
			return "", nil, "", b.fail(v, 10709)
		}
		for c, e := range row {
			x, err := b.expr(outer, e)
			if err != nil {
				return "", nil, "", err
			}
			columns[c] = append(columns[c], x)
		}
	}
	src := b.newSource(ast.ObjectName{}, v.Alias, "")
	for _, list := range columns {
		list, t, err := sqlfn.Unify(list)
		if err != nil {
			return "", nil, "", err
		}
		text := "(CASE " + a + ".column1"
		for i, x := range list {
			text += " WHEN " + strconv.Itoa(i+1) + " THEN " + x.SQL
		}
		src.columns = append(src.columns, column{expr: sqlfn.Expr{SQL: text + " END)", Type: t, Nullable: true}})
	}
	return "(VALUES " + strings.Join(numbers, ", ") + ") AS " + a, []*source{src}, "", b.renameColumns(v, src, v.Columns)
}

// databaseFunctions are the functions of a database's number that are views, filtered by it.
var databaseFunctions = map[string]bool{"DM_DB_LOG_INFO": true, "DM_DB_LOG_STATS": true}

// databaseFunction gives the query that a function of a database's number stands for, or nil. Without a number it is
// about the current database.
func databaseFunction(f *ast.FunctionTable) *ast.Derived {
	name := f.Call.Name
	if !strings.EqualFold(name.Schema, "sys") || !databaseFunctions[strings.ToUpper(name.Name)] || len(f.Call.Args) != 1 {
		return nil
	}
	number := f.Call.Args[0]
	if l, ok := number.(*ast.Literal); ok && l.Kind == ast.LitNull {
		number = &ast.Func{Pos: f.Pos, Name: ast.ObjectName{Pos: f.Pos, Name: "DB_ID"}}
	}
	alias := f.Alias
	if alias == "" {
		alias = name.Name
	}
	return &ast.Derived{Pos: f.Pos, Alias: alias, Columns: f.Columns, Query: &ast.Select{Pos: f.Pos, Body: &ast.SelectSpec{Pos: f.Pos,
		Items: []ast.SelectItem{{Pos: f.Pos, Expr: &ast.Star{Pos: f.Pos}}},
		From:  []ast.Source{&ast.TableName{Pos: f.Pos, Name: ast.ObjectName{Pos: f.Pos, Database: name.Database, Schema: "sys", Name: name.Name}}},
		Where: &ast.Compare{Pos: f.Pos, Op: "=", L: &ast.Column{Pos: f.Pos, Name: "database_id"}, R: number}}}}
}

// functionTable binds a table-valued function.
func (b *binder) functionTable(outer *scope, f *ast.FunctionTable) (string, *source, error) {
	if d := databaseFunction(f); d != nil {
		return b.derived(outer, d)
	}
	if f.Call.Name.Schema != "" && !strings.EqualFold(f.Call.Name.Schema, "sys") {
		return b.inlineTable(outer, f)
	}
	name := strings.ToUpper(f.Call.Name.Name)
	if name != "STRING_SPLIT" && name != "GENERATE_SERIES" {
		return "", nil, b.refuse(f, "the table-valued function "+f.Call.Name.String())
	}
	alias := f.Alias
	if alias == "" {
		alias = f.Call.Name.Name
	}
	src := b.newSource(ast.ObjectName{}, alias, b.alias())
	var args []sqlfn.Expr
	for _, a := range f.Call.Args {
		x, err := b.expr(outer, a)
		if err != nil {
			return "", nil, err
		}
		args = append(args, x)
	}
	text, err := b.tableFunction(f, src, name, args)
	if err != nil {
		return "", nil, err
	}
	return text, src, b.renameColumns(f, src, f.Columns)
}
