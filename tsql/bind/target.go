package bind

import (
	"fmt"
	"strconv"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// TargetDatabase gives the database that a statement names as the place of what it writes or defines, "" for the current
// one: the caller binds such a statement against that database.
func TargetDatabase(s ast.Statement) string {
	name := func(src ast.Source) string {
		if t, ok := src.(*ast.TableName); ok && !strings.HasPrefix(t.Name.Name, "#") {
			return t.Name.Database
		}
		return ""
	}
	switch s := s.(type) {
	case *ast.Insert:
		return name(s.Target)
	case *ast.Update:
		return name(s.Target)
	case *ast.Delete:
		return name(s.Target)
	case *ast.Merge:
		return name(s.Target)
	case *ast.TruncateTable:
		return s.Name.Database
	case *ast.CreateTable:
		return s.Name.Database
	case *ast.AlterTable:
		return s.Name.Database
	case *ast.CreateIndex:
		return s.Table.Database
	case *ast.Drop:
		if len(s.Names) > 0 && s.Kind != "SCHEMA" {
			return s.Names[0].Database
		}
	case *ast.Select:
		if into := intoOf(s.Body); into != nil {
			return into.Database
		}
	}
	return ""
}

// violation is a constraint that a row may break, and how the error names it.
type violation struct {
	table *rel.Table
	verb  string
	// kind is "CHECK", "FOREIGN KEY", "REFERENCE" or, for a column that must not be NULL, "".
	kind, name, column string
	temp               bool
}

func (v *violation) error(r *Run) error {
	db := r.Database
	if v.temp {
		db = "tempdb"
	}
	full := v.table.Schema + "." + v.table.Name
	if v.kind == "" {
		return sqlerr.New(515, v.column, db+"."+full, v.verb)
	}
	column := ""
	if v.column != "" {
		column = fmt.Sprintf(", column '%s'", v.column)
	}
	return sqlerr.New(547, v.verb, v.kind, v.name, db, full, column)
}

// guard numbers a violation for ls_check and ls_notnull.
func (b *binder) guard(v *violation) string {
	b.shared.checks = append(b.shared.checks, v)
	return strconv.Itoa(len(b.shared.checks) - 1)
}

// target is the table that a statement writes.
type target struct {
	*rel.Table
	snap *catalog.Snapshot
	temp bool
	// alias is the row's alias in SQLite and rowid what finds the row again; for UPDATE, DELETE and MERGE.
	alias, rowid string
}

func (t *target) name() string  { return catalog.TableName(t.snap.SQLSchema, t.ID) }
func (t *target) shown() string { return t.Schema + "." + t.Name }

// site is the place of a column for error 2628.
func (b *binder) siteOf(t *target, c *rel.Column) int {
	db := b.env.Database
	if t.temp {
		db = "tempdb"
	}
	return b.site(db+"."+t.shown(), c.Name)
}

// targetTable finds a table by name to write to.
func (b *binder) targetTable(at ast.Node, n ast.ObjectName) (*rel.Table, *catalog.Snapshot, error) {
	r, err := b.resolve(n)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.table == nil && r.view != nil:
		return nil, nil, b.fail(at, 4405, n.String())
	case r.table == nil:
		return nil, nil, b.refuse(at, "a change through the view "+n.String())
	case n.Database != "" && r.snapshot != b.env.Snapshot && r.snapshot != b.env.Temp:
		return nil, nil, b.refuse(at, "a write to another database ("+n.Database+")")
	}
	return r.table, r.snapshot, nil
}

// insertTarget resolves the target of INSERT and of OUTPUT … INTO.
func (b *binder) insertTarget(src ast.Source) (*target, error) {
	switch src := src.(type) {
	case *ast.TableName:
		t, snap, err := b.targetTable(src, src.Name)
		if err == nil {
			b.asks("INSERT", snap.ObjectByID(t.ID), snap)
		}
		return &target{Table: t, snap: snap, temp: snap == b.env.Temp}, err
	case *ast.TableVariable:
		if b.env.Temp != nil {
			if t := b.env.Temp.Table("dbo", src.Name); t != nil {
				return &target{Table: t, snap: b.env.Temp, temp: true}, nil
			}
		}
		return nil, b.fail(src, 1087, src.Name)
	}
	return nil, b.refuse(src, "this target of a data change")
}

// writes marks a plan as writing into the database of snap.
func (b *binder) writes(p *Plan, snap *catalog.Snapshot) {
	if snap == b.env.Temp {
		p.WritesTemp = true
	} else {
		p.Writes = true
	}
}

// identities are the counters of the database that t is in.
func (x *execution) identities(t *target) *catalog.Identities {
	if t.temp {
		return x.TempIdentities
	}
	return x.Identities
}

// rowScope is a scope over one row of a table, whose columns have the given texts.
func (b *binder) rowScope(t *rel.Table, value func(c *rel.Column) (sqlfn.Expr, error)) *scope {
	src := &source{name: b.fold(t.Name), shown: t.Name, schema: b.fold(t.Schema), database: b.fold(b.env.Database), table: t}
	s := &scope{sources: []*source{src}, clause: inCheck}
	for _, c := range t.Columns {
		col := column{name: c.Name, fold: b.fold(c.Name), col: c, compute: func() (sqlfn.Expr, error) { return value(c) }}
		if !catalog.Stored(c) {
			col.compute = func() (sqlfn.Expr, error) { return b.definition(s, c.Computed, c.Type) }
		}
		src.columns = append(src.columns, col)
	}
	return s
}

// guards gives the conditions that a new row must meet: CHECK constraints and foreign keys of which a column is among
// those changed. verify are queries that find a row only when a foreign key of the table to itself is broken after all.
func (b *binder) guards(t *target, s *scope, verb string, changed func(id int32) bool) (conds []string, verify []verification, err error) {
	for _, c := range t.Checks {
		if c.Disabled {
			continue
		}
		text, err := b.check(s, c.Expr)
		if err != nil {
			return nil, nil, err
		}
		v := &violation{table: t.Table, verb: verb, kind: "CHECK", name: c.Name, temp: t.temp}
		if col := t.Column(c.ColumnID); col != nil {
			v.column = col.Name
		}
		conds = append(conds, "ls_check("+text+", "+b.guard(v)+")")
	}
	for _, f := range t.Foreign {
		if f.Disabled || !anyOf(f.Columns, changed) {
			continue
		}
		parent := b.snapOf(t).ObjectByID(f.Target).Table
		v := &violation{table: parent, verb: verb, kind: "FOREIGN KEY", name: f.Name, temp: t.temp}
		if len(f.TargetColumns) == 1 {
			v.column = parent.Column(f.TargetColumns[0]).Name
		}
		if f.SelfRefs {
			v.kind = "FOREIGN KEY SAME TABLE"
			verify = append(verify, verification{sql: b.orphans(t, f), violation: v})
			continue
		}
		text, err := b.hasParent(t, s, f)
		if err != nil {
			return nil, nil, err
		}
		conds = append(conds, "ls_check("+text+", "+b.guard(v)+")")
	}
	return conds, verify, nil
}

func anyOf(ids []int32, f func(int32) bool) bool {
	for _, id := range ids {
		if f(id) {
			return true
		}
	}
	return false
}

func (b *binder) snapOf(t *target) *catalog.Snapshot { return t.snap }

// hasParent is the condition that a row's foreign key is NULL or found.
func (b *binder) hasParent(t *target, s *scope, f *rel.Foreign) (string, error) {
	p := b.alias()
	var nulls, equal []string
	for i, id := range f.Columns {
		x, err := s.column(id)
		if err != nil {
			return "", err
		}
		nulls = append(nulls, x.SQL+" IS NULL")
		equal = append(equal, p+"."+catalog.ColumnName(f.TargetColumns[i])+" = "+x.SQL)
	}
	return "(" + strings.Join(nulls, " OR ") + " OR EXISTS (SELECT 1 FROM " + catalog.TableName(t.snap.SQLSchema, f.Target) + " AS " + p +
		" WHERE " + strings.Join(equal, " AND ") + "))", nil
}

// column gives the expression of a column of a rowScope.
func (s *scope) column(id int32) (sqlfn.Expr, error) {
	for i := range s.sources[0].columns {
		if c := &s.sources[0].columns[i]; c.col.ID == id {
			return c.value()
		}
	}
	return sqlfn.Expr{}, fmt.Errorf("the table has no column %d", id)
}

// orphans finds a row whose foreign key to its own table has no parent.
func (b *binder) orphans(t *target, f *rel.Foreign) string {
	var given, equal []string
	for i, id := range f.Columns {
		given = append(given, "c."+catalog.ColumnName(id)+" IS NOT NULL")
		equal = append(equal, "p."+catalog.ColumnName(f.TargetColumns[i])+" = c."+catalog.ColumnName(id))
	}
	return fmt.Sprintf("SELECT 1 FROM %s AS c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS p WHERE %s) LIMIT 1", t.name(),
		strings.Join(given, " AND "), catalog.TableName(t.snap.SQLSchema, f.Target), strings.Join(equal, " AND "))
}

// verification is a query that finds a row only when a constraint is broken.
type verification struct {
	sql       string
	violation *violation
}

// stored lists the columns that have a place in the row.
func stored(t *rel.Table) []*rel.Column {
	var list []*rel.Column
	for _, c := range t.Columns {
		if catalog.Stored(c) {
			list = append(list, c)
		}
	}
	return list
}

// assign converts a value for a column, and watches the row key, for which SQLite would make up a value instead of NULL.
func (b *binder) assign(t *target, c *rel.Column, x sqlfn.Expr, verb string) (sqlfn.Expr, error) {
	x, err := sqlfn.Assign(x, c.Type, b.siteOf(t, c))
	if err != nil {
		return x, err
	}
	if c.ID == t.RowKey && x.Nullable {
		n := b.guard(&violation{table: t.Table, verb: verb, column: c.Name, temp: t.temp})
		x = sqlfn.Expr{SQL: "ls_notnull(" + x.SQL + ", " + n + ")", Type: x.Type}
	}
	return x, nil
}

// defaultOf is the value that DEFAULT gives a column: its default, or NULL.
func (b *binder) defaultOf(c *rel.Column) (sqlfn.Expr, error) {
	if c.Default == "" {
		return sqlfn.Expr{SQL: "NULL", Nullable: true, Const: &sqltype.Value{}}, nil
	}
	return b.definition(&scope{clause: inDefault}, c.Default, sqltype.Type{})
}
