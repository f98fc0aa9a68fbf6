package bind

import (
	"fmt"
	"strconv"
	"strings"

	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// query is a bound query expression: a block (SELECT …) or two queries under a set operator.
type query struct {
	block       *block
	op          string // "UNION", "UNION ALL", "EXCEPT", "INTERSECT" when block is nil
	left, right *query
	cols        []outColumn // of a set operation

	with   []string // CTE definitions that stand before it
	order  []string
	limit  string
	offset string
	// percent and ties are the counts of TOP n PERCENT and TOP n WITH TIES.
	percent, ties string
	// stable keeps the order and the rows of a subquery from being taken apart by SQLite.
	stable bool
}

// block is a bound SELECT … FROM … WHERE … GROUP BY … HAVING ….
type block struct {
	scope    *scope
	items    []outColumn
	distinct bool
	from     string
	where    string
	group    []string
	having   string
	grouped  bool
	one      bool // TOP (1) or less
}

// outColumn is one column that a query gives. expr's SQL means something inside the block only.
type outColumn struct {
	name               string
	expr               sqlfn.Expr
	identity, computed bool
	variable           string // of SELECT @v = …
}

func (q *query) columns() []outColumn {
	if q.block != nil {
		return q.block.items
	}
	return q.cols
}

// single reports whether the query gives at most one row whatever the data.
func (q *query) single() bool {
	if q.block == nil {
		return false
	}
	return q.block.one || q.block.from == "" || q.block.grouped && len(q.block.group) == 0
}

// convert makes column i one of type t.
func (q *query) convert(i int, t sqltype.Type) error {
	if q.block == nil {
		if err := q.left.convert(i, t); err != nil {
			return err
		}
		q.cols[i].expr.Type = t
		return q.right.convert(i, t)
	}
	x, err := sqlfn.Convert(q.block.items[i].expr, t, sqlfn.Options{Implicit: true})
	q.block.items[i].expr = x
	return err
}

// text gives the SQLite text, with columns k_1, k_2, ….
func (q *query) text(b *binder) (string, error) {
	body, err := q.body(b)
	if err != nil {
		return "", err
	}
	var t strings.Builder
	if len(q.with) > 0 {
		t.WriteString("WITH RECURSIVE " + strings.Join(q.with, ", ") + " ")
	}
	switch {
	case q.ties != "":
		// Rows that tie with the last one share its rank.
		a := b.alias()
		names := make([]string, len(q.columns()))
		for i := range names {
			names[i] = a + ".k_" + strconv.Itoa(i+1)
		}
		fmt.Fprintf(&t, "SELECT %s FROM (%s) AS %s WHERE %s.r <= %s ORDER BY %s.r", strings.Join(names, ", "), body, a, a, q.ties, a)
		return t.String(), nil
	case q.percent != "":
		fmt.Fprintf(&t, "%s%s LIMIT (SELECT ls_percent(count(*), %s) FROM (%s))", body, q.orderText(), q.percent, body)
		return t.String(), nil
	}
	t.WriteString(body + q.orderText())
	if q.limit != "" || q.stable {
		limit := q.limit
		if limit == "" {
			limit = "-1"
		}
		t.WriteString(" LIMIT " + limit)
		if q.offset != "" {
			t.WriteString(" OFFSET " + q.offset)
		} else if q.stable {
			t.WriteString(" OFFSET 0")
		}
	}
	return t.String(), nil
}

func (q *query) orderText() string {
	if len(q.order) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(q.order, ", ")
}

func (q *query) body(b *binder) (string, error) {
	if q.block != nil {
		return q.block.text(q), nil
	}
	l, err := q.left.text(b)
	if err != nil {
		return "", err
	}
	r, err := q.right.text(b)
	if err != nil {
		return "", err
	}
	// SQLite reads a chain of operators from the left and has no parentheses for it.
	if q.right.block == nil {
		a := b.alias()
		r = "SELECT " + numbered(a, len(q.cols)) + " FROM (" + r + ") AS " + a
	}
	return l + " " + q.op + " " + r, nil
}

func numbered(alias string, n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = alias + ".k_" + strconv.Itoa(i+1) + " AS k_" + strconv.Itoa(i+1)
	}
	return strings.Join(names, ", ")
}

func (k *block) text(q *query) string {
	var t strings.Builder
	t.WriteString("SELECT ")
	if k.distinct {
		t.WriteString("DISTINCT ")
	}
	for i, c := range k.items {
		if i > 0 {
			t.WriteString(", ")
		}
		fmt.Fprintf(&t, "%s AS k_%d", sqlfn.OrderKey(c.expr), i+1)
	}
	if q.ties != "" {
		fmt.Fprintf(&t, ", rank() OVER (ORDER BY %s) AS r", strings.Join(q.order, ", "))
	}
	if k.from != "" {
		t.WriteString(" FROM " + k.from)
	}
	if k.where != "" {
		t.WriteString(" WHERE " + k.where)
	}
	if len(k.group) > 0 {
		t.WriteString(" GROUP BY " + strings.Join(k.group, ", "))
	}
	if k.having != "" {
		t.WriteString(" HAVING " + k.having)
	}
	return t.String()
}

// subquery binds a query inside a statement; outer is what it may refer to.
func (b *binder) subquery(outer *scope, e *ast.Select) (*query, error) {
	if b.depth++; b.depth > 2000 {
		return nil, b.fail(e, 191)
	}
	defer func() { b.depth-- }()
	q, err := b.selectQuery(outer, e)
	if err != nil {
		return nil, err
	}
	for _, c := range q.columns() {
		if c.variable != "" {
			return nil, b.fail(e, 102, "=")
		}
	}
	return q, nil
}

// selectQuery binds a query expression with its CTEs, ORDER BY and TOP.
func (b *binder) selectQuery(outer *scope, e *ast.Select) (*query, error) {
	with, err := b.with(e.With, e.Hints)
	if err != nil {
		return nil, err
	}
	defer func() { b.ctes = b.ctes[:len(b.ctes)-len(e.With)] }()
	q, err := b.queryBody(outer, e.Body, e.OrderBy)
	if err != nil {
		return nil, err
	}
	q.with = with
	if err := b.orderBy(q, e); err != nil {
		return nil, err
	}
	if err := b.limits(q, outer, e); err != nil || e.For == "" {
		return q, err
	}
	return b.forXML(q, e)
}

func (b *binder) queryBody(outer *scope, e ast.Query, order []ast.OrderItem) (*query, error) {
	switch e := e.(type) {
	case *ast.SelectSpec:
		k, err := b.block(outer, e, order)
		return &query{block: k}, err
	case *ast.SetOp:
		return b.setOp(outer, e)
	}
	return nil, fmt.Errorf("unknown query %T", e)
}

func (b *binder) setOp(outer *scope, e *ast.SetOp) (*query, error) {
	l, err := b.queryBody(outer, e.Left, nil)
	if err != nil {
		return nil, err
	}
	r, err := b.queryBody(outer, e.Right, nil)
	if err != nil {
		return nil, err
	}
	if len(l.columns()) != len(r.columns()) {
		return nil, b.fail(e, 205)
	}
	q := &query{op: e.Op, left: l, right: r}
	if e.All {
		q.op += " ALL"
	}
	for i, c := range l.columns() {
		other := r.columns()[i]
		// The columns' own texts do not matter here, their types do.
		list, t, err := sqlfn.Unify([]sqlfn.Expr{c.expr, other.expr})
		if err != nil {
			return nil, b.place(e, err)
		}
		if err := l.convert(i, t); err != nil {
			return nil, b.place(e, err)
		}
		if err := r.convert(i, t); err != nil {
			return nil, b.place(e, err)
		}
		q.cols = append(q.cols, outColumn{name: c.name, expr: sqlfn.Expr{Type: t, Nullable: list[0].Nullable || list[1].Nullable}})
	}
	return q, nil
}

// block binds one SELECT; order is the ORDER BY after it, whose aggregates make it group too.
func (b *binder) block(outer *scope, e *ast.SelectSpec, order []ast.OrderItem) (*block, error) {
	if e.GroupKind != "" {
		return nil, b.refuse(e, "GROUP BY "+e.GroupKind)
	}
	if err := b.windows(e); err != nil {
		return nil, err
	}
	s := &scope{parent: outer, agg: &aggregation{keys: map[string]bool{}}}
	k := &block{scope: s, distinct: e.Distinct}
	var err error
	s.clause = inFrom
	if k.from, err = b.from(s, e.From); err != nil {
		return nil, err
	}
	if e.Where != nil {
		s.clause = inWhere
		if k.where, err = b.cond(s, e.Where); err != nil {
			return nil, err
		}
	}
	if err := b.groupBy(k, e); err != nil {
		return nil, err
	}
	k.grouped = len(e.GroupBy) > 0 || e.Having != nil || hasAggregate(e.Items) || ordersByAggregate(order)
	s.agg.active = k.grouped
	s.clause = inSelect
	if err := b.items(k, e); err != nil {
		return nil, err
	}
	if e.Having != nil {
		s.clause = inHaving
		if k.having, err = b.cond(s, e.Having); err != nil {
			return nil, err
		}
	}
	if k.grouped && len(k.group) == 0 && !hasAggregate(e.Items) { // SQLite wants to see an aggregate in the select list
		x := &k.items[0].expr
		x.SQL, x.Nullable = "iif(count(*) >= 0, "+x.SQL+", NULL)", true
	}
	return k, nil
}

func (b *binder) groupBy(k *block, e *ast.SelectSpec) error {
	k.scope.clause = inGroup
	for _, g := range e.GroupBy {
		if lit, ok := g.(*ast.Literal); ok {
			return b.fail(lit, 164)
		}
		x, err := b.expr(k.scope, g)
		if err != nil {
			return err
		}
		if k.scope.agg.seen {
			return b.fail(g, 144)
		}
		k.scope.agg.keys[x.SQL] = true
		if _, plain := g.(*ast.Column); !plain {
			k.scope.agg.complex = true
		}
		k.group = append(k.group, sqlfn.OrderKey(x))
	}
	return nil
}

// groupKey gives the expression when it is, as a whole, one of the grouping expressions.
func (b *binder) groupKey(s *scope, e ast.Expr) (sqlfn.Expr, bool) {
	if s == nil || s.agg == nil || !s.agg.active || !s.agg.complex || s.inAggregate > 0 {
		return sqlfn.Expr{}, false
	}
	switch e.(type) {
	case *ast.Literal, *ast.Variable, *ast.Column, *ast.Subquery:
		return sqlfn.Expr{}, false
	}
	s.agg.active = false
	aliases, seen, n := b.shared.aliases, s.agg.seen, len(b.param.args)
	x, err := b.exprOf(s, e)
	s.agg.active, s.agg.seen = true, seen
	if err == nil && s.agg.keys[x.SQL] {
		return x, true
	}
	b.shared.aliases = aliases
	b.forgetArgs(n)
	return sqlfn.Expr{}, false
}

// forgetArgs drops the parameters from the n-th on.
func (b *binder) forgetArgs(n int) {
	for k, i := range b.param.index {
		if i > n {
			delete(b.param.index, k)
		}
	}
	b.param.args = b.param.args[:n]
}

// items binds the select list.
func (b *binder) items(k *block, e *ast.SelectSpec) error {
	assigns := 0
	for _, item := range e.Items {
		if star, ok := item.Expr.(*ast.Star); ok {
			if err := b.star(k, star); err != nil {
				return err
			}
			continue
		}
		if item.Variable != "" {
			assigns++
			c, err := b.assignItem(k.scope, item)
			if err != nil {
				return err
			}
			k.items = append(k.items, c)
			continue
		}
		c, err := b.item(k.scope, item)
		if err != nil {
			return err
		}
		k.items = append(k.items, c)
	}
	if assigns > 0 && assigns < len(e.Items) {
		return b.fail(e, 141)
	}
	return nil
}

func (b *binder) item(s *scope, item ast.SelectItem) (outColumn, error) {
	x, err := b.expr(s, item.Expr)
	if err != nil {
		return outColumn{}, err
	}
	if x.Word != "" || x.Cond {
		return outColumn{}, b.fail(item.Expr, 102, x.Word)
	}
	c := outColumn{name: item.Alias, expr: x}
	if col, ok := item.Expr.(*ast.Column); ok {
		if c.name == "" {
			c.name = col.Name
		}
		if found, _, _, err := b.find(s, col); err == nil && found.col != nil {
			c.identity, c.computed = found.col.Identity, found.col.Computed != ""
			if item.Alias == "" {
				c.name = found.name
			}
		}
	}
	if x.Const != nil && x.Type.Kind == sqltype.Null { // a bare NULL is an int to clients
		c.expr.Type = sqltype.Type{Kind: sqltype.Int}
	}
	return c, nil
}

// assignItem binds @v = expr and @v += expr.
func (b *binder) assignItem(s *scope, item ast.SelectItem) (outColumn, error) {
	t, ok := b.env.variable(item.Variable)
	if !ok {
		return outColumn{}, b.fail(item, 137, item.Variable)
	}
	x, err := b.expr(s, item.Expr)
	if err != nil {
		return outColumn{}, err
	}
	if len(item.Op) > 1 {
		v, err := b.variable(&ast.Variable{Pos: item.Pos, Name: item.Variable})
		if err != nil {
			return outColumn{}, err
		}
		if x, err = sqlfn.Binary(item.Op[:len(item.Op)-1], v, x); err != nil {
			return outColumn{}, b.place(item, err)
		}
	}
	x, err = sqlfn.Convert(x, b.collated(t), sqlfn.Options{Implicit: true})
	return outColumn{variable: item.Variable, expr: x}, b.place(item, err)
}

// star expands * and t.*.
func (b *binder) star(k *block, star *ast.Star) error {
	matched := false
	for _, src := range k.scope.sources {
		if star.Table.Name != "" && !b.matches(src, star.Table) {
			continue
		}
		matched = true
		for i := range src.columns {
			c := &src.columns[i]
			x, err := b.columnOf(k.scope, star, c, src, k.scope)
			if err != nil {
				return err
			}
			out := outColumn{name: c.name, expr: x}
			if c.col != nil {
				out.identity, out.computed = c.col.Identity, c.col.Computed != ""
			}
			k.items = append(k.items, out)
		}
	}
	switch {
	case star.Table.Name != "" && !matched:
		return b.fail(star, 107, star.Table.String())
	case len(k.scope.sources) == 0:
		return b.fail(star, 263)
	}
	return nil
}

// describe gives the result columns of a query.
func describe(cols []outColumn) []sqlapi.Column {
	out := make([]sqlapi.Column, len(cols))
	for i, c := range cols {
		out[i] = sqlapi.Column{Name: c.name, Type: c.expr.Type, Nullable: c.expr.Nullable, Identity: c.identity, Computed: c.computed}
	}
	return out
}
