package bind

import (
	"strconv"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// from binds a FROM clause, puts its sources into s and gives the text after FROM, "" when there is none.
func (b *binder) from(s *scope, list []ast.Source) (string, error) {
	var parts []string
	for _, item := range list {
		text, added, filter, err := b.source(s, item)
		if err != nil {
			return "", err
		}
		if filter != "" {
			return "", b.refuse(item, "a correlated APPLY beside other sources")
		}
		if j, ok := item.(*ast.Join); ok && len(list) > 1 && (j.Kind == "RIGHT" || j.Kind == "FULL") {
			text = "(" + text + ")"
		}
		for _, src := range added {
			if err := b.unique(item, s.sources, src); err != nil {
				return "", err
			}
			s.sources = append(s.sources, src)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), nil
}

// unique refuses two sources of one exposed name (1011, 1013).
func (b *binder) unique(at ast.Node, have []*source, src *source) error {
	for _, h := range have {
		if h.name == src.name && h.schema == src.schema && h.database == src.database {
			if src.schema == "" {
				return b.fail(at, 1011, src.shown)
			}
			return b.fail(at, 1013, src.shown, src.shown)
		}
	}
	return nil
}

// source binds one item. filter is a condition that the item's rows must meet beyond the join's own.
func (b *binder) source(s *scope, item ast.Source) (text string, added []*source, filter string, err error) {
	var src *source
	switch item := item.(type) {
	case *ast.TableName:
		text, src, err = b.tableName(item)
	case *ast.TableVariable:
		text, src, err = b.tableVariable(item)
	case *ast.Derived:
		text, src, err = b.derived(s.parent, item)
	case *ast.ValuesTable:
		text, src, err = b.values(s.parent, item)
	case *ast.FunctionTable:
		text, src, err = b.functionTable(s.parent, item)
	case *ast.Join:
		return b.join(s, item)
	case *ast.Pivot:
		return "", nil, "", b.refuse(item, pivotName(item))
	}
	if err != nil {
		return "", nil, "", b.place(item, err)
	}
	return text, []*source{src}, "", nil
}

func pivotName(p *ast.Pivot) string {
	if p.Unpivot {
		return "UNPIVOT"
	}
	return "PIVOT"
}

var joinText = map[string]string{"INNER": " JOIN ", "LEFT": " LEFT JOIN ", "RIGHT": " RIGHT JOIN ", "FULL": " FULL JOIN ",
	"CROSS": " JOIN ", "CROSS APPLY": " JOIN ", "OUTER APPLY": " LEFT JOIN "}

func (b *binder) join(s *scope, j *ast.Join) (string, []*source, string, error) {
	left, leftSources, filter, err := b.source(s, j.Left)
	if err != nil {
		return "", nil, "", err
	}
	if filter != "" && j.Kind != "INNER" && j.Kind != "CROSS" && j.Kind != "LEFT" {
		return "", nil, "", b.refuse(j, "a correlated APPLY under "+j.Kind)
	}
	var right, on string
	var rightSources []*source
	if strings.HasSuffix(j.Kind, "APPLY") {
		right, rightSources, on, err = b.apply(s, j, leftSources)
	} else {
		right, rightSources, on, err = b.source(s, j.Right)
	}
	if err != nil {
		return "", nil, "", err
	}
	if _, nested := j.Right.(*ast.Join); nested {
		right = "(" + right + ")"
	}
	for _, src := range rightSources {
		if err := b.unique(j.Right, leftSources, src); err != nil {
			return "", nil, "", err
		}
	}
	if j.Kind == "LEFT" || j.Kind == "FULL" || j.Kind == "OUTER APPLY" {
		makeNullable(rightSources)
	}
	if j.Kind == "RIGHT" || j.Kind == "FULL" {
		makeNullable(leftSources)
	}
	all := append(append([]*source{}, leftSources...), rightSources...)
	if j.On != nil {
		c, err := b.cond(&scope{parent: s.parent, sources: all, clause: inFrom}, j.On)
		if err != nil {
			return "", nil, "", err
		}
		on = and(on, c)
	}
	text := left + joinText[j.Kind] + right
	if on != "" {
		text += " ON " + on
	} else if j.Kind == "OUTER APPLY" {
		text += " ON 1"
	}
	return text, all, filter, nil
}

func and(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + " AND " + b
}

func makeNullable(list []*source) {
	for _, src := range list {
		for i := range src.columns {
			src.columns[i].expr.Nullable = true
		}
	}
}

// newSource describes a source under an alias or its own name.
func (b *binder) newSource(name ast.ObjectName, alias, sql string) *source {
	src := &source{sql: sql, shown: alias}
	if alias != "" {
		src.name = b.fold(alias)
		return src
	}
	src.name, src.shown = b.fold(name.Name), name.Name
	src.schema, src.database = b.fold(name.Schema), b.fold(name.Database)
	if src.schema == "" {
		src.schema = b.fold(b.env.schema())
	}
	if src.database == "" {
		src.database = b.fold(b.env.Database)
	}
	return src
}

// relation is what a name in FROM stands for; one of the fields is set.
type relation struct {
	table    *rel.Table
	snapshot *catalog.Snapshot // of table and module
	view     *rel.View
	database string // where view is asked
	module   *catalog.Object
	cte      *cte
}

// resolve finds what a table name means; nothing is 208.
func (b *binder) resolve(n ast.ObjectName) (relation, error) {
	if n.Server != "" {
		return relation{}, b.refuse(n, "a linked server ("+n.Server+")")
	}
	if strings.HasPrefix(n.Name, "#") {
		if b.env.Temp != nil {
			if t := b.env.Temp.Table("dbo", n.Name); t != nil {
				return relation{table: t, snapshot: b.env.Temp}, nil
			}
		}
		return relation{}, b.fail(n, 208, n.Name)
	}
	if n.Database == "" && n.Schema == "" {
		for i := len(b.ctes) - 1; i >= 0; i-- {
			if b.ctes[i].fold == b.fold(n.Name) {
				return relation{cte: b.ctes[i]}, nil
			}
		}
	}
	snap, views, db := b.env.Snapshot, b.env.Views, b.env.Database
	if n.Database != "" && b.fold(n.Database) != b.fold(db) {
		if b.env.Other == nil {
			return relation{}, b.refuse(n, "a table of another database ("+n.Database+")")
		}
		var err error
		if snap, views, err = b.env.Other(n.Database); err != nil {
			return relation{}, b.place(n, err)
		}
		db = n.Database
	}
	if r, ok := lookup(snap, views, db, n, b.env.schema()); ok {
		return r, nil
	}
	return relation{}, b.fail(n, 208, n.String())
}

// lookup finds a table, view or module in one database.
func lookup(snap *catalog.Snapshot, views rel.Views, db string, n ast.ObjectName, dflt string) (relation, bool) {
	schemas := []string{n.Schema}
	if n.Schema == "" {
		schemas = []string{dflt, "dbo"}
	}
	for _, schema := range schemas {
		if snap != nil {
			if o := snap.Object(schema, n.Name); o != nil && o.Table != nil {
				return relation{table: o.Table, snapshot: snap}, true
			} else if o != nil && o.Kind == catalog.View {
				return relation{module: o, snapshot: snap}, true
			}
		}
		if views != nil {
			if v := views.View(schema, n.Name); v != nil {
				return relation{view: v, database: db}, true
			}
		}
	}
	if views != nil && len(n.Name) > 3 && strings.EqualFold(n.Name[:3], "sys") && (n.Schema == "" || strings.EqualFold(n.Schema, "dbo")) {
		if v := views.View("sys", n.Name); v != nil { // sysobjects, sysdatabases: the views of old, known in dbo too
			return relation{view: v, database: db}, true
		}
	}
	return relation{}, false
}

func (b *binder) tableName(item *ast.TableName) (string, *source, error) {
	r, err := b.resolve(item.Name)
	if err != nil {
		return "", nil, err
	}
	alias := b.alias()
	src := b.newSource(item.Name, item.Alias, alias)
	var text string
	switch {
	case r.cte != nil:
		text, err = b.cteSource(src, r.cte)
		if item.Alias == "" {
			src.schema, src.database = "", ""
		}
	case r.view != nil:
		b.asksView(r)
		text = b.viewSource(src, r)
	case r.module != nil:
		b.asks("SELECT", r.module, r.snapshot)
		text, err = b.moduleSource(item, src, r)
	default:
		src.need = b.asks("SELECT", r.snapshot.ObjectByID(r.table.ID), r.snapshot)
		text, err = b.tableSource(src, r.table, r.snapshot)
	}
	if err != nil {
		return "", nil, err
	}
	return text, src, b.renameColumns(item, src, item.Columns)
}

func (b *binder) tableVariable(item *ast.TableVariable) (string, *source, error) {
	var t *rel.Table
	if b.env.Temp != nil {
		t = b.env.Temp.Table("dbo", item.Name)
	}
	if t == nil {
		return "", nil, b.fail(item, 1087, item.Name)
	}
	name := item.Alias
	if name == "" {
		name = item.Name
	}
	src := b.newSource(ast.ObjectName{}, name, b.alias())
	text, err := b.tableSource(src, t, b.env.Temp)
	return text, src, err
}

// tableSource puts a base table in sight. Columns that are computed when read make it a query of its own, so that outer
// joins give NULL for them.
func (b *binder) tableSource(src *source, t *rel.Table, snap *catalog.Snapshot) (string, error) {
	src.table, src.schemaSQL = t, snap.SQLSchema
	virtual := false
	for _, c := range t.Columns {
		virtual = virtual || !catalog.Stored(c)
		src.columns = append(src.columns, column{name: c.Name, fold: b.fold(c.Name), col: c,
			expr: sqlfn.Expr{SQL: src.sql + "." + catalog.ColumnName(c.ID), Type: c.Type, Nullable: c.Nullable}})
	}
	name := catalog.TableName(snap.SQLSchema, t.ID)
	if !virtual {
		return name + " AS " + src.sql, nil
	}
	inner := b.alias()
	items := []string{inner + ".rowid AS rowid"}
	s := b.tableScope(t, inner)
	for i, c := range t.Columns {
		x, err := s.sources[0].columns[i].value()
		if err != nil {
			return "", err
		}
		src.columns[i].expr.Type, src.columns[i].expr.Nullable = x.Type, x.Nullable
		items = append(items, x.SQL+" AS "+catalog.ColumnName(c.ID))
	}
	return "(SELECT " + strings.Join(items, ", ") + " FROM " + name + " AS " + inner + ") AS " + src.sql, nil
}

// tableScope is a scope that holds nothing but a table's row, under a SQLite alias.
func (b *binder) tableScope(t *rel.Table, alias string) *scope {
	src := &source{name: b.fold(t.Name), shown: t.Name, schema: b.fold(t.Schema), sql: alias, table: t}
	s := &scope{sources: []*source{src}, clause: inCheck}
	for _, c := range t.Columns {
		col := column{name: c.Name, fold: b.fold(c.Name), col: c,
			expr: sqlfn.Expr{SQL: alias + "." + catalog.ColumnName(c.ID), Type: c.Type, Nullable: c.Nullable}}
		if !catalog.Stored(c) {
			col.compute = func() (sqlfn.Expr, error) { return b.definition(s, c.Computed, c.Type) }
		}
		src.columns = append(src.columns, col)
	}
	return s
}

func (b *binder) viewSource(src *source, r relation) string {
	for i, c := range r.view.Columns {
		src.columns = append(src.columns, column{name: c.Name, fold: b.fold(c.Name),
			expr: sqlfn.Expr{SQL: src.sql + ".c_" + strconv.Itoa(i+1), Type: b.collated(c.Type), Nullable: c.Nullable}})
	}
	name := strings.ToLower(r.view.Schema + "." + r.view.Name)
	db := "''"
	if b.fold(r.database) != b.fold(b.env.Database) {
		db = b.arg(Arg{Kind: ConstArg, Value: sqltype.NVarCharOf(r.database), Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 128}})
	}
	return "ls_view('" + strings.ReplaceAll(name, "'", "''") + "', " + db + ") AS " + src.sql
}

func (b *binder) derived(outer *scope, item *ast.Derived) (string, *source, error) {
	q, err := b.subquery(outer, item.Query)
	if err != nil {
		return "", nil, err
	}
	if err := b.derivedOrder(item.Query); err != nil {
		return "", nil, err
	}
	src := b.newSource(ast.ObjectName{}, item.Alias, b.alias())
	text, err := b.querySource(item, src, q, item.Columns)
	return text, src, err
}

// derivedOrder refuses ORDER BY where rows have no order (1033).
func (b *binder) derivedOrder(q *ast.Select) error {
	if len(q.OrderBy) == 0 || q.Offset != nil || q.For != "" {
		return nil
	}
	if spec, ok := q.Body.(*ast.SelectSpec); ok && spec.Top != nil {
		return nil
	}
	return b.fail(q.OrderBy[0].Expr, 1033)
}

// querySource puts a query's columns in sight and gives its text in parentheses.
func (b *binder) querySource(at ast.Node, src *source, q *query, names []ast.Ident) (string, error) {
	for i, c := range q.columns() {
		if c.name == "" && len(names) == 0 {
			return "", b.fail(at, 8155, i+1, src.shown)
		}
		src.columns = append(src.columns, column{name: c.name, fold: b.fold(c.name),
			expr: sqlfn.Expr{SQL: src.sql + ".k_" + strconv.Itoa(i+1), Type: c.expr.Type, Nullable: c.expr.Nullable}})
	}
	if err := b.renameColumns(at, src, names); err != nil {
		return "", err
	}
	text, err := q.text(b)
	return "(" + text + ") AS " + src.sql, err
}

// renameColumns applies the column list after an alias.
func (b *binder) renameColumns(at ast.Node, src *source, names []ast.Ident) error {
	if len(names) == 0 {
		return b.distinctNames(at, src)
	}
	if len(names) > len(src.columns) {
		return b.fail(at, 8159, src.shown)
	}
	if len(names) < len(src.columns) {
		return b.fail(at, 8158, src.shown)
	}
	for i, n := range names {
		src.columns[i].name, src.columns[i].fold = n.Name, b.fold(n.Name)
	}
	return b.distinctNames(at, src)
}

// distinctNames refuses a column name that a derived table has twice (8156).
func (b *binder) distinctNames(at ast.Node, src *source) error {
	if src.table != nil {
		return nil
	}
	seen := map[string]bool{}
	for _, c := range src.columns {
		if seen[c.fold] {
			return b.fail(at, 8156, c.name, src.shown)
		}
		seen[c.fold] = true
	}
	return nil
}

// values binds (VALUES …) AS alias (columns).
func (b *binder) values(outer *scope, item *ast.ValuesTable) (string, *source, error) {
	width := len(item.Rows[0])
	rows := make([][]sqlfn.Expr, len(item.Rows))
	for i, r := range item.Rows {
		if len(r) != width {
			return "", nil, b.fail(item, 10709)
		}
		for _, e := range r {
			x, err := b.expr(outer, e)
			if err != nil {
				return "", nil, err
			}
			rows[i] = append(rows[i], x)
		}
	}
	src := b.newSource(ast.ObjectName{}, item.Alias, b.alias())
	types := make([]sqltype.Type, width)
	for c := range width {
		list := make([]sqlfn.Expr, len(rows))
		for i := range rows {
			list[i] = rows[i][c]
		}
		list, t, err := sqlfn.Unify(list)
		if err != nil {
			return "", nil, err
		}
		nullable := false
		for i := range rows {
			rows[i][c] = list[i]
			nullable = nullable || list[i].Nullable
		}
		types[c] = t
		src.columns = append(src.columns, column{expr: sqlfn.Expr{SQL: src.sql + ".column" + strconv.Itoa(c+1), Type: t, Nullable: nullable}})
	}
	texts := make([]string, len(rows))
	for i, r := range rows {
		items := make([]string, len(r))
		for c, x := range r {
			items[c] = x.SQL
		}
		texts[i] = "(" + strings.Join(items, ", ") + ")"
	}
	if err := b.renameColumns(item, src, item.Columns); err != nil {
		return "", nil, err
	}
	return "(VALUES " + strings.Join(texts, ", ") + ") AS " + src.sql, src, nil
}
