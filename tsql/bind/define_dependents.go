package bind

import (
	"strings"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// dependents refuses a change of a column that others depend on (5074 and 4922). A column of an index may grow.
func (a *alteration) dependents(col *rel.Column, verb string, to sqltype.Type, nullable bool) error {
	grows := to.Kind == col.Type.Kind && to.Scale == col.Type.Scale && to.Prec >= col.Type.Prec &&
		(to.Len >= col.Type.Len && col.Type.Len != sqltype.MaxLen) && nullable == col.Nullable && to.Kind.IsString() ||
		to == col.Type
	for _, ix := range a.t.Indexes {
		for _, k := range ix.Columns {
			if k.ColumnID != col.ID {
				continue
			}
			what := "index"
			if ix.Constraint {
				what = "object"
			}
			if verb == "ALTER TABLE DROP COLUMN" || !grows && (ix.Constraint || to != col.Type) || ix.Primary && nullable {
				return a.depends(what, ix.Name, col, verb)
			}
		}
	}
	for _, c := range a.t.Checks {
		if c.ColumnID == col.ID || strings.Contains(a.fold(c.Expr), a.fold(col.Name)) && a.mentions(c.Expr, col) {
			if verb == "ALTER TABLE DROP COLUMN" || to != col.Type {
				return a.depends("object", c.Name, col, verb)
			}
		}
	}
	for _, f := range append(append([]*rel.Foreign{}, a.t.Foreign...), a.t.Referenced...) {
		ids := f.Columns
		if f.Table != a.t.ID {
			ids = f.TargetColumns
		}
		if contains(ids, col.ID) && (verb == "ALTER TABLE DROP COLUMN" || to != col.Type) {
			return a.depends("object", f.Name, col, verb)
		}
	}
	for _, c := range a.t.Columns {
		if c.Computed != "" && a.mentions(c.Computed, col) {
			return a.depends("column", c.Name, col, verb)
		}
	}
	if col.Default != "" && (verb == "ALTER TABLE DROP COLUMN" || to.Kind != col.Type.Kind) {
		return a.depends("object", col.DefaultName, col, verb)
	}
	return nil
}

func (a *alteration) depends(what, name string, col *rel.Column, verb string) error {
	return a.fail(a.s, 5074, what, name, "column", col.Name)
}

// mentions reports whether the text of an expression refers to a column.
func (a *alteration) mentions(text string, col *rel.Column) bool {
	used := false
	s := a.rowScope(a.t, func(c *rel.Column) (sqlfn.Expr, error) {
		used = used || c.ID == col.ID
		return sqlfn.Expr{SQL: "v." + columnName(c), Type: c.Type, Nullable: c.Nullable}, nil
	})
	b := a.fork()
	if _, err := b.check(s, text); err != nil {
		b.definition(s, text, sqltype.Type{})
	}
	return used
}

// drop drops columns and constraints one after the other.
func (a *alteration) drop(d *definition) error {
	t := a.t
	for _, item := range a.s.Drop {
		var err error
		step := &alteration{binder: a.binder, s: a.s, t: t, snap: d.Snapshot()}
		if item.Column {
			t, err = step.dropColumn(d, item)
		} else {
			t, err = step.dropConstraint(d, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *alteration) dropColumn(d *definition, item ast.DropItem) (*rel.Table, error) {
	for _, c := range a.t.Columns {
		if a.fold(c.Name) != a.fold(item.Name) {
			continue
		}
		if err := a.dependents(c, "ALTER TABLE DROP COLUMN", c.Type, c.Nullable); err != nil {
			return nil, err
		}
		if len(a.t.Columns) == 1 {
			return nil, a.fail(item, 4923, c.Name, a.t.Name)
		}
		return d.DropColumn(a.t, c)
	}
	if item.IfExists {
		return a.t, nil
	}
	return nil, a.fail(item, 4924, "ALTER TABLE DROP COLUMN", item.Name, a.t.Name)
}

func (a *alteration) dropConstraint(d *definition, item ast.DropItem) (*rel.Table, error) {
	o := a.snap.Object(a.t.Schema, item.Name)
	if o == nil || o.Parent != a.t.ID {
		if item.IfExists {
			return a.t, nil
		}
		return nil, a.fail(item, 3728, item.Name)
	}
	return d.DropConstraint(a.t, o.ID)
}

// check is CHECK and NOCHECK CONSTRAINT.
func (a *alteration) check(d *definition) error {
	off := a.s.Check == "NOCHECK"
	t := a.t
	wanted := func(name string) bool {
		for _, n := range a.s.CheckConstraints {
			if a.fold(n.Name) == a.fold(name) {
				return true
			}
		}
		return len(a.s.CheckConstraints) == 0
	}
	for _, n := range a.s.CheckConstraints {
		if o := a.snap.Object(a.t.Schema, n.Name); o == nil || o.Parent != a.t.ID {
			return a.fail(n, 4917, n.Name)
		}
	}
	verify := a.s.WithCheck == "CHECK"
	for _, c := range a.t.Checks {
		if !wanted(c.Name) {
			continue
		}
		if !off && verify {
			if err := a.checkRows(d, t, c); err != nil {
				return err
			}
		}
		if _, err := d.SetConstraintState(t, c.ID, off, off || !verify); err != nil {
			return err
		}
	}
	for _, f := range a.t.Foreign {
		if !wanted(f.Name) {
			continue
		}
		if !off && verify {
			if err := a.foreignRows(d, t, f); err != nil {
				return err
			}
		}
		if _, err := d.SetConstraintState(t, f.ID, off, off || !verify); err != nil {
			return err
		}
	}
	return nil
}
