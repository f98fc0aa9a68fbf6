package bind

import (
	"fmt"
	"strconv"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// createTable binds CREATE TABLE.
func (b *binder) createTable(s *ast.CreateTable) (*Change, error) {
	snap, schema, err := b.home(s, s.Name)
	if err != nil {
		return nil, err
	}
	if snap.Object(schema, s.Name.Name) != nil {
		return nil, b.fail(s, 2714, s.Name.Name)
	}
	def, err := b.tableDef(s, snap, schema, s.Name.Name, s.Columns, s.Constraints, s.Indexes)
	if err != nil {
		return nil, err
	}
	return b.changeIn(snap, "CREATE TABLE", func(d *definition) error { _, err := d.CreateTable(def); return err }), nil
}

// DeclareTable binds the definition of a table variable; Apply creates it in Env.Temp under the name (with its @).
func DeclareTable(env *Env, name string, def *ast.TableDef) (*Change, error) {
	b := newBinder(env)
	if env.Temp == nil {
		return nil, b.refuse(def, "a table variable here")
	}
	t, err := b.tableDef(def, env.Temp, "dbo", name, def.Columns, def.Constraints, def.Indexes)
	if err != nil {
		return b.finishChange(nil, err, def)
	}
	return b.finishChange(b.changeIn(env.Temp, "DECLARE", func(d *definition) error {
		if old := d.Snapshot().Table("dbo", name); old != nil { // the batch runs the DECLARE again: an empty table
			if err := d.DropTable(old); err != nil {
				return err
			}
		}
		_, err := d.CreateTable(t)
		return err
	}), nil, def)
}

// tableDef makes the description of a new table; columns are numbered by their position.
func (b *binder) tableDef(at ast.Node, snap *catalog.Snapshot, schema, name string, cols []*ast.ColumnDef, cons []*ast.Constraint, indexes []*ast.CreateIndex) (*rel.Table, error) {
	t := &rel.Table{Schema: schema, Name: name, Identity: -1}
	if len(name) > 128 || strings.HasPrefix(name, "#") && len([]rune(name)) > 116 {
		return nil, b.fail(at, 103, "identifier", name[:20], 128)
	}
	seen := map[string]bool{}
	for i, c := range cols {
		if seen[b.fold(c.Name)] {
			return nil, b.fail(c, 2705, c.Name, name)
		}
		seen[b.fold(c.Name)] = true
		col, err := b.columnDef(c, name)
		if err != nil {
			return nil, err
		}
		col.ID = int32(i + 1)
		if col.Identity {
			if t.Identity >= 0 {
				return nil, b.fail(c, 2744, name)
			}
			t.Identity = i
		}
		t.Columns = append(t.Columns, col)
	}
	if len(t.Columns) > 1024 {
		return nil, b.fail(at, 1702, name)
	}
	if err := b.computedTypes(cols, t); err != nil {
		return nil, err
	}
	add := &constraintAdder{binder: b, t: t, snap: snap, fresh: true}
	for i, c := range cols {
		for _, k := range c.Constraints {
			if err := add.constraint(k, t.Columns[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range cons {
		if err := add.constraint(k, nil); err != nil {
			return nil, err
		}
	}
	for _, ix := range indexes {
		made, err := b.indexDef(t, ix)
		if err != nil {
			return nil, err
		}
		t.Indexes = append(t.Indexes, made)
	}
	add.clusterPrimary()
	return t, nil
}

// columnDef makes the description of a column, without its constraints and, for a computed one, its type.
func (b *binder) columnDef(c *ast.ColumnDef, table string) (*rel.Column, error) {
	col := &rel.Column{Name: c.Name, Nullable: true, RowGUID: c.RowGUIDCol}
	if c.Computed != nil {
		col.Computed, col.Persisted = "("+c.Computed.Text+")", c.Persisted
		return col, nil
	}
	t, err := b.typeOf(c.Type, 1)
	if err != nil {
		return nil, err
	}
	switch t.Kind {
	case sqltype.RowVersion, sqltype.Variant:
		return nil, b.refuse(c, "a column of type "+t.Kind.String())
	}
	col.Type = t
	if c.Null != nil {
		col.Nullable = *c.Null
	}
	for _, k := range c.Constraints {
		if k.Kind == ast.PrimaryKey {
			if c.Null != nil && *c.Null {
				return nil, b.fail(c, 8147, c.Name, table)
			}
			col.Nullable = false
		}
	}
	if c.Identity == nil {
		return col, nil
	}
	if !t.Kind.IsInteger() && !(t.Kind == sqltype.Decimal && t.Scale == 0) || t.Kind == sqltype.Bit {
		return nil, b.fail(c, 2749, c.Name)
	}
	if c.Null != nil && *c.Null {
		return nil, b.fail(c, 8147, c.Name, table)
	}
	col.Identity, col.Nullable = true, false
	var e1, e2 error
	col.Seed, e1 = strconv.ParseInt(c.Identity.Seed, 10, 64)
	col.Increment, e2 = strconv.ParseInt(c.Identity.Increment, 10, 64)
	if e1 != nil || e2 != nil || col.Increment == 0 {
		return nil, b.fail(c, 2752, c.Name)
	}
	return col, nil
}

// computedTypes binds the expressions of computed columns over the others.
func (b *binder) computedTypes(cols []*ast.ColumnDef, t *rel.Table) error {
	for i, c := range cols {
		if c.Computed == nil {
			continue
		}
		col := t.Columns[i]
		s := b.newRowScope(t)
		x, err := b.fork().definition(s, col.Computed, sqltype.Type{})
		if err != nil {
			return b.place(c, err)
		}
		col.Type, col.Nullable = x.Type, x.Nullable
		if c.Null != nil && !*c.Null {
			col.Nullable = false
		}
	}
	return nil
}

// newRowScope is a scope over a row of a table that is being defined.
func (b *binder) newRowScope(t *rel.Table) *scope {
	return b.rowScope(t, func(c *rel.Column) (sqlfn.Expr, error) {
		if c.Computed != "" {
			return sqlfn.Expr{}, fmt.Errorf("computed column %s", c.Name)
		}
		return sqlfn.Expr{SQL: "v." + columnName(c), Type: c.Type, Nullable: c.Nullable}, nil
	})
}

// constraintAdder binds constraints into a table's description.
type constraintAdder struct {
	*binder
	t    *rel.Table
	snap *catalog.Snapshot
	// fresh is true for CREATE TABLE, whose columns become NOT NULL under a table-level primary key.
	fresh bool
	// primaryClustered is what the primary key said, nil when it said nothing.
	primaryClustered *bool
}

func (a *constraintAdder) constraint(k *ast.Constraint, on *rel.Column) error {
	switch k.Kind {
	case ast.PrimaryKey, ast.Unique:
		ix, err := a.key(k, on)
		if err == nil {
			a.t.Indexes = append(a.t.Indexes, ix)
		}
		return err
	case ast.Check:
		c, err := a.checkDef(k, on)
		if err == nil {
			a.t.Checks = append(a.t.Checks, c)
		}
		return err
	case ast.DefaultValue:
		return a.defaultDef(k, on)
	case ast.ForeignKey:
		f, err := a.foreign(k, on)
		if err == nil {
			a.t.Foreign = append(a.t.Foreign, f)
		}
		return err
	}
	return a.refuse(k, "this constraint")
}

// key binds PRIMARY KEY and UNIQUE.
func (a *constraintAdder) key(k *ast.Constraint, on *rel.Column) (*rel.Index, error) {
	ix := &rel.Index{Name: k.Name, Unique: true, Constraint: true, Primary: k.Kind == ast.PrimaryKey}
	if ix.Primary {
		for _, other := range a.t.Indexes {
			if other.Primary {
				return nil, a.fail(k, 8110, a.t.Name)
			}
		}
		a.primaryClustered = k.Clustered
	}
	ix.Clustered = k.Clustered != nil && *k.Clustered
	if o := ast.FindOption(k.Options, "IGNORE_DUP_KEY"); o != nil && isOn(o) {
		return nil, a.refuse(k, "IGNORE_DUP_KEY = ON")
	}
	if on != nil && len(k.Columns) == 0 {
		ix.Columns = []rel.IndexColumn{{ColumnID: on.ID}}
	}
	for _, c := range k.Columns {
		col := a.find(c.Name)
		if col == nil {
			return nil, a.fail(c, 1911, c.Name)
		}
		ix.Columns = append(ix.Columns, rel.IndexColumn{ColumnID: col.ID, Desc: c.Desc})
	}
	for _, c := range ix.Columns {
		col := a.t.Column(c.ColumnID)
		if ix.Primary && col.Nullable {
			if !a.fresh {
				return nil, a.fail(k, 8111, a.t.Name)
			}
			col.Nullable = false
		}
		if err := a.indexable(k, col); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

func isOn(o *ast.Option) bool {
	w, ok := o.Value.(*ast.Keyword)
	return ok && w.Word == "ON"
}

func (a *constraintAdder) find(name string) *rel.Column {
	for _, c := range a.t.Columns {
		if a.fold(c.Name) == a.fold(name) {
			return c
		}
	}
	return nil
}

// indexable refuses columns that cannot be in a key (1919), and computed ones that are not stored.
func (b *binder) indexable(at ast.Node, c *rel.Column) error {
	switch {
	case c.Type.Len == sqltype.MaxLen || c.Type.Kind == sqltype.Text || c.Type.Kind == sqltype.NText || c.Type.Kind == sqltype.Image || c.Type.Kind == sqltype.XML:
		return b.fail(at, 1919, c.Name)
	case !catalog.Stored(c):
		return b.refuse(at, "an index on the computed column "+c.Name+", which is not PERSISTED")
	}
	return nil
}

// clusterPrimary makes the primary key the clustered index unless something else is.
func (a *constraintAdder) clusterPrimary() {
	for _, ix := range a.t.Indexes {
		if ix.Clustered {
			return
		}
	}
	for _, ix := range a.t.Indexes {
		if ix.Primary && (a.primaryClustered == nil || *a.primaryClustered) {
			ix.Clustered = true
		}
	}
}

func (a *constraintAdder) checkDef(k *ast.Constraint, on *rel.Column) (*rel.Check, error) {
	c := &rel.Check{Name: k.Name, Expr: "(" + k.Expr.Text + ")", NotTrusted: k.NoCheck}
	if on != nil {
		c.ColumnID = on.ID
	}
	_, err := a.fork().cond(a.checkScope(), k.Expr.Expr)
	return c, a.place(k, err)
}

// checkScope has the row's columns; those of other tables are not in sight.
func (a *constraintAdder) checkScope() *scope { return a.newRowScope(a.t) }

func (a *constraintAdder) defaultDef(k *ast.Constraint, on *rel.Column) error {
	if on == nil {
		if on = a.find(k.For); on == nil {
			return a.fail(k, 1752, k.For, a.t.Name)
		}
	}
	switch {
	case on.Default != "":
		return a.fail(k, 1781)
	case on.Identity:
		return a.fail(k, 1754, on.Name, a.t.Name)
	case on.Computed != "":
		return a.fail(k, 1789, on.Name, a.t.Name)
	}
	on.Default, on.DefaultName = definitionText(k.Expr), k.Name
	c := a.fork()
	x, err := c.expr(&scope{clause: inDefault}, k.Expr.Expr)
	if err == nil {
		_, err = sqlfn.Assign(x, on.Type, 0)
	}
	return a.place(k, err)
}

// definitionText is an expression as sys.default_constraints shows it: in parentheses, numbers in two pairs.
func definitionText(x ast.ExprText) string {
	text := strings.TrimSpace(x.Text)
	for len(text) > 1 && text[0] == '(' && closes(text) {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	number := x.Expr
	if u, ok := number.(*ast.Unary); ok {
		number = u.X
	}
	if lit, ok := number.(*ast.Literal); ok && (lit.Kind == ast.LitInteger || lit.Kind == ast.LitDecimal || lit.Kind == ast.LitFloat) {
		return "((" + text + "))"
	}
	return "(" + text + ")"
}

// closes reports whether the parenthesis that opens text is closed by its last byte.
func closes(text string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i == len(text)-1
			}
		}
	}
	return false
}

// foreign binds FOREIGN KEY. The referenced columns must be a key (1776) and of the same types (1778).
func (a *constraintAdder) foreign(k *ast.Constraint, on *rel.Column) (*rel.Foreign, error) {
	f := &rel.Foreign{Name: k.Name, OnDelete: action(k.Ref.OnDelete), OnUpdate: action(k.Ref.OnUpdate), NotTrusted: k.NoCheck}
	shown := k.Name
	if on != nil && len(k.Columns) == 0 {
		f.Columns = []int32{on.ID}
	}
	for _, c := range k.Columns {
		col := a.find(c.Name)
		if col == nil {
			return nil, a.fail(c, 1769, shown, c.Name, a.t.Name)
		}
		f.Columns = append(f.Columns, col.ID)
	}
	if f.OnDelete == "SET DEFAULT" || f.OnUpdate == "SET DEFAULT" {
		return nil, a.refuse(k, "a foreign key with SET DEFAULT")
	}
	target := a.t
	if self := k.Ref.Table; !a.isSelf(self) {
		_, o := a.existing(self)
		if o == nil || o.Table == nil {
			return nil, a.fail(k, 1767, shown, self.String())
		}
		target = o.Table
		f.Target = target.ID
	} else {
		f.Target, f.SelfRefs = a.t.ID, true
	}
	return f, a.foreignTarget(k, f, target)
}

func (a *constraintAdder) isSelf(n ast.ObjectName) bool {
	schema := n.Schema
	if schema == "" {
		schema = a.env.schema()
	}
	return a.fold(n.Name) == a.fold(a.t.Name) && a.fold(schema) == a.fold(a.t.Schema)
}

func action(s string) string {
	if s == "" {
		return "NO ACTION"
	}
	return s
}

// foreignTarget finds the key of the target that a foreign key refers to.
func (a *constraintAdder) foreignTarget(k *ast.Constraint, f *rel.Foreign, target *rel.Table) error {
	if len(k.Ref.Columns) == 0 {
		for _, ix := range target.Indexes {
			if ix.Primary {
				for _, c := range ix.Columns {
					f.TargetColumns = append(f.TargetColumns, c.ColumnID)
				}
				f.TargetKey = ix.ID
			}
		}
		if f.TargetColumns == nil {
			return a.fail(k, 1773, k.Name, target.Name)
		}
	}
	for _, n := range k.Ref.Columns {
		found := false
		for _, c := range target.Columns {
			if a.fold(c.Name) == a.fold(n.Name) {
				f.TargetColumns, found = append(f.TargetColumns, c.ID), true
			}
		}
		if !found {
			return a.fail(k, 1770, k.Name, n.Name, target.Name)
		}
	}
	if len(f.TargetColumns) != len(f.Columns) {
		return a.fail(k, 8139, target.Name)
	}
	key := false
	for _, ix := range target.Indexes {
		if ix.Unique && ix.Filter == "" && sameColumns(ix, f.TargetColumns) {
			key, f.TargetKey = true, ix.ID
		}
	}
	if !key {
		return a.fail(k, 1776, target.Schema+"."+target.Name, k.Name)
	}
	for i, id := range f.Columns {
		from, to := a.t.Column(id), target.Column(f.TargetColumns[i])
		if from.Type.Kind != to.Type.Kind || from.Type.Prec != to.Type.Prec || from.Type.Scale != to.Type.Scale {
			return a.fail(k, 1778, target.Name+"."+to.Name, a.t.Name+"."+from.Name, k.Name)
		}
	}
	return nil
}

// sameColumns reports whether an index's key is a set of columns, in any order.
func sameColumns(ix *rel.Index, ids []int32) bool {
	if len(ix.Columns) != len(ids) {
		return false
	}
	for _, k := range ix.Columns {
		if !contains(ids, k.ColumnID) {
			return false
		}
	}
	return true
}
