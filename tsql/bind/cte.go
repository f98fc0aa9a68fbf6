package bind

import (
	"strconv"
	"strings"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
	"linkspan/tsql/sqlfn"
)

// cte is a common table expression in sight.
type cte struct {
	fold, shown string
	sql         string // its name in SQLite
	columns     []outColumn
	names       []ast.Ident
	// depthOf is set while the recursive part is bound: references also pass on the depth of recursion.
	recursive bool
	// base is the table whose rows it stands for, rowid the column that tells which; only for the target of a change.
	base  *source
	rowid int
}

// defaultRecursion is MAXRECURSION when the statement does not say it.
const defaultRecursion = 100

// with binds CTEs, puts them in sight and gives their definitions in SQLite.
func (b *binder) with(list []*ast.CTE, hints []ast.Option) ([]string, error) {
	max := int64(defaultRecursion)
	for _, h := range hints {
		if n, ok := strings.CutPrefix(h.Name, "MAXRECURSION "); ok {
			max, _ = strconv.ParseInt(n, 10, 64)
		}
	}
	var defs []string
	base := len(b.ctes)
	for _, e := range list {
		for _, other := range b.ctes[base:] {
			if other.fold == b.fold(e.Name) {
				return nil, b.fail(e, 239, e.Name)
			}
		}
		c := &cte{fold: b.fold(e.Name), shown: e.Name, sql: "w" + b.alias()[1:], names: e.Columns}
		text, err := b.cteText(c, e, max)
		if err != nil {
			b.ctes = b.ctes[:base]
			return nil, err
		}
		b.ctes = append(b.ctes, c)
		defs = append(defs, text)
	}
	return defs, nil
}

func (b *binder) cteText(c *cte, e *ast.CTE, max int64) (string, error) {
	if op, ok := e.Query.Body.(*ast.SetOp); ok && mentions(op.Right, b.fold, c.fold) {
		return b.recursive(c, e, op, max)
	}
	if err := b.derivedOrder(e.Query); err != nil {
		return "", err
	}
	q, err := b.subquery(nil, e.Query)
	if err != nil {
		return "", err
	}
	if err := b.cteColumns(c, e, q.columns()); err != nil {
		return "", err
	}
	if b.rowsOf == c.fold {
		c.passRows(q)
	}
	text, err := q.text(b)
	return c.sql + " AS (" + text + ")", err
}

// passRows adds the rowid of the one table that the CTE reads, so that the rows can be changed through it.
func (c *cte) passRows(q *query) {
	k := q.block
	if k == nil || k.grouped || k.distinct || len(k.scope.sources) != 1 || k.scope.sources[0].table == nil {
		return
	}
	c.base = k.scope.sources[0]
	k.items = append(k.items, outColumn{expr: sqlfn.Expr{SQL: c.base.sql + ".rowid", Type: sqltype.Type{Kind: sqltype.BigInt}}})
	c.rowid = len(k.items)
}

// cteColumns names the columns of a CTE.
func (b *binder) cteColumns(c *cte, e *ast.CTE, cols []outColumn) error {
	c.columns = append([]outColumn(nil), cols...)
	if len(e.Columns) > 0 && len(e.Columns) != len(cols) {
		if len(e.Columns) > len(cols) {
			return b.fail(e, 8159, e.Name)
		}
		return b.fail(e, 8158, e.Name)
	}
	for i := range c.columns {
		if len(e.Columns) > 0 {
			c.columns[i].name = e.Columns[i].Name
		}
		if c.columns[i].name == "" {
			return b.fail(e, 8155, i+1, e.Name)
		}
	}
	return nil
}

// recursive binds anchor UNION ALL recursion. A last column counts the depth, so that a runaway ends with error 530.
func (b *binder) recursive(c *cte, e *ast.CTE, op *ast.SetOp, max int64) (string, error) {
	if op.Op != "UNION" || !op.All {
		return "", b.fail(e, 252, e.Name)
	}
	if mentions(op.Left, b.fold, c.fold) {
		return "", b.refuse(e, "a recursive CTE with more than one recursive member")
	}
	anchor, err := b.queryBody(nil, op.Left, nil)
	if err != nil {
		return "", err
	}
	if err := b.cteColumns(c, e, anchor.columns()); err != nil {
		return "", err
	}
	for i := range c.columns {
		c.columns[i].expr.Nullable = true
	}
	c.recursive = true
	b.ctes = append(b.ctes, c)
	step, err := b.queryBody(nil, op.Right, nil)
	b.ctes = b.ctes[:len(b.ctes)-1]
	c.recursive = false
	if err != nil {
		return "", err
	}
	if len(step.columns()) != len(c.columns) {
		return "", b.fail(op, 205)
	}
	for i, col := range step.columns() {
		want := c.columns[i].expr.Type
		if col.expr.Type.Kind != sqltype.Null && !sameType(col.expr.Type, want) && col.expr.Const == nil {
			return "", b.fail(op, 240, c.columns[i].name, e.Name)
		}
		if err := step.convert(i, want); err != nil {
			return "", b.place(op, err)
		}
	}
	first, err := anchor.text(b)
	if err != nil {
		return "", err
	}
	next, err := step.text(b)
	if err != nil {
		return "", err
	}
	n := len(c.columns)
	a := b.alias()
	names := make([]string, n)
	for i := range names {
		names[i] = "k_" + strconv.Itoa(i+1)
	}
	depth := "d + 1"
	if max > 0 {
		depth = "ls_depth(d, " + b.constant(sqltype.IntOf(sqltype.BigInt, max), sqltype.Type{Kind: sqltype.BigInt}).SQL + ")"
	}
	// The step reads d through the reference to the CTE, which cteSource spells w.d.
	next = strings.Replace(next, "SELECT ", "SELECT "+depth+" AS d, ", 1)
	return c.sql + "(d, " + strings.Join(names, ", ") + ") AS (SELECT 0 AS d, " + numbered(a, n) + " FROM (" + first + ") AS " + a +
		" UNION ALL " + next + ")", nil
}

// sameType reports whether a recursive column keeps the anchor's type.
func sameType(a, b sqltype.Type) bool {
	if a.Kind.IsString() && b.Kind.IsString() {
		return a.Kind == b.Kind && a.Len == b.Len
	}
	return a.Kind == b.Kind && a.Prec == b.Prec && a.Scale == b.Scale && a.Len == b.Len
}

func (b *binder) cteSource(src *source, c *cte) (string, error) {
	for i, col := range c.columns {
		src.columns = append(src.columns, column{name: col.name, fold: b.fold(col.name),
			expr: sqlfn.Expr{SQL: src.sql + ".k_" + strconv.Itoa(i+1), Type: col.expr.Type, Nullable: col.expr.Nullable}})
	}
	if c.base != nil {
		src.table, src.schemaSQL, src.viaCTE = c.base.table, c.base.schemaSQL, src.sql+".k_"+strconv.Itoa(c.rowid)
	}
	return c.sql + " AS " + src.sql, nil
}

// mentions reports whether a query's FROM names a CTE.
func mentions(q ast.Query, fold func(string) string, name string) bool {
	switch q := q.(type) {
	case *ast.SetOp:
		return mentions(q.Left, fold, name) || mentions(q.Right, fold, name)
	case *ast.SelectSpec:
		for _, src := range q.From {
			if sourceMentions(src, fold, name) {
				return true
			}
		}
	}
	return false
}

func sourceMentions(src ast.Source, fold func(string) string, name string) bool {
	switch src := src.(type) {
	case *ast.TableName:
		return src.Name.Schema == "" && src.Name.Database == "" && fold(src.Name.Name) == name
	case *ast.Join:
		return sourceMentions(src.Left, fold, name) || sourceMentions(src.Right, fold, name)
	case *ast.Derived:
		return mentions(src.Query.Body, fold, name)
	}
	return false
}

// moduleSource expands a view: its text is bound as if it stood in parentheses, in sight of nothing else.
func (b *binder) moduleSource(at *ast.TableName, src *source, r relation) (string, error) {
	list, err := parse.Batch(r.module.Text)
	if err != nil {
		return "", err
	}
	var view *ast.CreateView
	if len(list) == 1 {
		view, _ = list[0].(*ast.CreateView)
	}
	if view == nil {
		return "", b.refuse(at, "the view "+at.Name.String()+", whose text is no CREATE VIEW")
	}
	c := *b
	c.inView, c.ctes, c.within = true, nil, r.snapshot.OwnerOf(r.module)
	env := *b.env
	env.Snapshot, env.DefaultSchema, env.Variable = r.snapshot, r.module.Schema, nil
	c.env = &env
	if c.depth += 60; c.depth > 60*maxDepth {
		return "", b.fail(at, 217, maxDepth)
	}
	q, err := c.subquery(nil, view.Query)
	if err != nil {
		return "", b.broken(at, r, err)
	}
	text, err := c.querySource(at, src, q, view.Columns)
	if err != nil {
		return "", b.broken(at, r, err)
	}
	return text, nil
}

// broken is the error of a view whose text does not bind any more (4413 after the cause).
func (b *binder) broken(at *ast.TableName, r relation, cause error) error { return b.place(at, cause) }
