package bind

import (
	"strconv"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// createIndex binds CREATE INDEX.
func (b *binder) createIndex(s *ast.CreateIndex) (*Change, error) {
	snap, o := b.existing(s.Table)
	if o == nil || o.Table == nil {
		return nil, b.fail(s, 1088, s.Table.String())
	}
	for _, ix := range o.Table.Indexes {
		if b.fold(ix.Name) == b.fold(s.Name) {
			return nil, b.fail(s, 1913, s.Name, o.Schema+"."+o.Name)
		}
	}
	ix, err := b.indexDef(o.Table, s)
	if err != nil {
		return nil, err
	}
	if ix.Clustered {
		for _, other := range o.Table.Indexes {
			if other.Clustered {
				return nil, b.fail(s, 1902, o.Table.Name, other.Name)
			}
		}
	}
	return b.changeIn(snap, "CREATE INDEX", func(d *definition) error { _, err := d.AddIndex(o.Table, ix); return err }), nil
}

// indexDef makes the description of an index.
func (b *binder) indexDef(t *rel.Table, s *ast.CreateIndex) (*rel.Index, error) {
	if s.Columnstore {
		return nil, b.refuse(s, "a columnstore index")
	}
	if o := ast.FindOption(s.Options, "IGNORE_DUP_KEY"); o != nil && isOn(o) {
		return nil, b.refuse(s, "IGNORE_DUP_KEY = ON")
	}
	ix := &rel.Index{Name: s.Name, Unique: s.Unique, Clustered: s.Clustered != nil && *s.Clustered}
	find := func(at ast.Node, name string) (*rel.Column, error) {
		for _, c := range t.Columns {
			if b.fold(c.Name) == b.fold(name) {
				return c, nil
			}
		}
		return nil, b.fail(at, 1911, name)
	}
	seen := map[int32]bool{}
	for _, k := range s.Columns {
		c, err := find(k, k.Name)
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			return nil, b.fail(k, 1909, c.Name)
		}
		seen[c.ID] = true
		if err := b.indexable(k, c); err != nil {
			return nil, err
		}
		ix.Columns = append(ix.Columns, rel.IndexColumn{ColumnID: c.ID, Desc: k.Desc})
	}
	for _, k := range s.Include {
		c, err := find(k, k.Name)
		if err != nil {
			return nil, err
		}
		ix.Include = append(ix.Include, c.ID)
	}
	if s.Where != nil {
		text, err := b.filter(t, s.Where.Expr)
		if err != nil {
			return nil, err
		}
		ix.Filter, ix.FilterSQL = "("+s.Where.Text+")", text
	}
	return ix, nil
}

// filter turns the condition of a filtered index into SQLite text. Literals cannot be parameters there, so only numbers,
// which are spelled anew, and tests for NULL are served.
func (b *binder) filter(t *rel.Table, e ast.Expr) (string, error) {
	column := func(e ast.Expr) *rel.Column {
		if c, ok := e.(*ast.Column); ok {
			for _, col := range t.Columns {
				if b.fold(col.Name) == b.fold(c.Name) {
					return col
				}
			}
		}
		return nil
	}
	switch e := e.(type) {
	case *ast.Logic:
		if e.Or {
			break
		}
		text := ""
		for _, x := range e.Terms {
			part, err := b.filter(t, x)
			if err != nil {
				return "", err
			}
			text = and(text, part)
		}
		return text, nil
	case *ast.IsNull:
		if c := column(e.X); c != nil {
			if e.Not {
				return columnName(c) + " IS NOT NULL", nil
			}
			return columnName(c) + " IS NULL", nil
		}
	case *ast.Compare:
		c := column(e.L)
		lit, ok := e.R.(*ast.Literal)
		if c != nil && ok && lit.Kind == ast.LitInteger && c.Type.Kind.IsInteger() && c.Type.Kind != sqltype.Bit || c != nil && ok && c.Type.Kind == sqltype.Bit {
			n, err := strconv.ParseInt(lit.Text, 10, 64)
			if err == nil {
				return columnName(c) + " " + e.Op + " " + strconv.FormatInt(n, 10), nil
			}
		}
	}
	return "", b.refuse(e, "a filtered index with this condition (served are IS [NOT] NULL and comparisons of integers)")
}

// index finds an index of a table by name.
func (b *binder) index(t *rel.Table, name string) *rel.Index {
	for _, ix := range t.Indexes {
		if b.fold(ix.Name) == b.fold(name) {
			return ix
		}
	}
	return nil
}

func (b *binder) dropIndex(s *ast.DropIndex) (*Change, error) {
	snap := b.env.Snapshot
	if len(s.Items) > 0 && tempName(s.Items[0].Table) && b.env.Temp != nil {
		snap = b.env.Temp
	}
	return b.changeIn(snap, "DROP INDEX", func(d *definition) error {
		for _, item := range s.Items {
			_, o := b.existing(item.Table)
			var ix *rel.Index
			var t *rel.Table
			if o != nil && o.Table != nil {
				if t = d.Snapshot().ObjectByID(o.ID).Table; t != nil {
					ix = b.index(t, item.Name)
				}
			}
			switch {
			case ix == nil && s.IfExists:
				continue
			case ix == nil:
				return b.fail(item, 3701, "drop", "index", item.Table.Name+"."+item.Name)
			case ix.Constraint:
				return b.fail(item, 3723, o.Schema+"."+o.Name+"."+ix.Name, constraintWord(ix))
			}
			if _, err := d.DropIndex(t, ix); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

func constraintWord(ix *rel.Index) string {
	if ix.Primary {
		return "PRIMARY KEY"
	}
	return "UNIQUE KEY"
}

// alterIndex binds ALTER INDEX; but for DISABLE and REBUILD there is nothing to do.
func (b *binder) alterIndex(s *ast.AlterIndex) (*Change, error) {
	t, snap, err := b.alterable(s, s.Table)
	if err != nil {
		return nil, err
	}
	var list []*rel.Index
	if s.Name == "" {
		list = t.Indexes
	} else if ix := b.index(t, s.Name); ix != nil {
		list = []*rel.Index{ix}
	} else {
		return nil, b.fail(s, 2727, s.Name)
	}
	return b.changeIn(snap, "ALTER INDEX", func(d *definition) error {
		for _, ix := range list {
			if s.Action == "DISABLE" && (ix.Primary || ix.Constraint) {
				return b.refuse(s, "ALTER INDEX … DISABLE of a key")
			}
			if s.Action != "DISABLE" && !(s.Action == "REBUILD" && ix.Disabled) {
				continue
			}
			if err := d.SetIndexDisabled(t, ix, s.Action == "DISABLE"); err != nil {
				return err
			}
		}
		return nil
	}), nil
}
