package bind

import (
	"context"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/tsql/ast"
)

// selectInto makes SELECT … INTO: the table comes first, then its rows.
func (b *binder) selectInto(p *Plan, n *ast.ObjectName, cols []outColumn) (*Plan, error) {
	snap, schema, err := b.home(n, *n)
	if err != nil {
		return nil, err
	}
	if snap.Object(schema, n.Name) != nil {
		return nil, b.fail(n, 2714, n.Name)
	}
	def := &rel.Table{Schema: schema, Name: n.Name, Identity: -1}
	seen := map[string]bool{}
	for i, c := range cols {
		if c.name == "" {
			return nil, b.fail(n, 1038)
		}
		if seen[b.fold(c.name)] {
			return nil, b.fail(n, 2705, c.name, n.Name)
		}
		seen[b.fold(c.name)] = true
		col := &rel.Column{ID: int32(i + 1), Name: c.name, Type: c.expr.Type, Nullable: c.expr.Nullable}
		if c.identity && def.Identity < 0 {
			def.Identity, col.Identity, col.Seed, col.Increment = i, true, 1, 1
		}
		def.Columns = append(def.Columns, col)
	}
	query := statement{p.SQL, p.Args}
	p.Verb, p.Columns, p.Defines = SelectInto, nil, true
	b.writes(p, snap)
	if snap != b.env.Temp {
		p.Into = schema
	}
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) {
		return runInto(ctx, p, r, snap, def, query)
	}
	return p, nil
}

func runInto(ctx context.Context, p *Plan, r *Run, snap *catalog.Snapshot, def *rel.Table, query statement) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r}
	err := x.atomically(func() error {
		t, err := catalog.NewDefiner(r.Conn, snap, r.Now).CreateTable(def)
		if err != nil {
			return err
		}
		var names, from []string
		for i, c := range t.Columns {
			names, from = append(names, columnName(c)), append(from, "s.k_"+strconv.Itoa(i+1))
		}
		text := "INSERT INTO " + catalog.TableName(snap.SQLSchema, t.ID) + "(" + strings.Join(names, ", ") + ") SELECT " +
			strings.Join(from, ", ") + " FROM (" + query.sql + ") AS s"
		return x.eachThen(statement{text, query.args}, nil, nil, func(c *sqlite3.Conn) { x.out.Rows = c.Changes() })
	})
	return x.out, err
}
