package bind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// Define binds a statement that defines, alters or drops an object of a database.
func Define(env *Env, s ast.Statement) (*Change, error) {
	b := newBinder(env)
	c, err := b.define(s)
	return b.finishChange(c, err, s)
}

func (b *binder) finishChange(c *Change, err error, at ast.Node) (*Change, error) {
	if err != nil {
		return nil, place(err, at.Position().Line)
	}
	c.Line, c.Sites = at.Position().Line, b.shared.sites
	return c, nil
}

func (b *binder) define(s ast.Statement) (*Change, error) {
	switch s := s.(type) {
	case *ast.CreateTable:
		return b.createTable(s)
	case *ast.AlterTable:
		return b.alterTable(s)
	case *ast.CreateIndex:
		return b.createIndex(s)
	case *ast.AlterIndex:
		return b.alterIndex(s)
	case *ast.DropIndex:
		return b.dropIndex(s)
	case *ast.Drop:
		return b.drop(s)
	case *ast.CreateSchema:
		return b.change("CREATE SCHEMA", func(d *definition) error { return d.CreateSchema(s.Name, s.Owner) }), nil
	case *ast.AlterSchema:
		return b.alterSchema(s)
	case *ast.CreateStatistics:
		return b.statistics(s)
	case *ast.CreateView:
		return b.createView(s)
	case *ast.CreateProcedure:
		return b.createModule("PROCEDURE", catalog.Procedure, s.Name, s.Alter, s.OrAlter, s.Text)
	case *ast.CreateFunction:
		return b.createModule("FUNCTION", functionKind(s), s.Name, s.Alter, s.OrAlter, s.Text)
	}
	return nil, fmt.Errorf("bind: %T defines nothing", s)
}

// definition is a change while it is made: the catalog's definer, with the means to run statements over the tables.
type definition struct {
	*catalog.Definer
	*execution
	b *binder
}

// change makes a Change of the current database.
func (b *binder) change(verb string, f func(*definition) error) *Change {
	return b.changeIn(b.env.Snapshot, verb, f)
}

func (b *binder) changeIn(snap *catalog.Snapshot, verb string, f func(*definition) error) *Change {
	return &Change{Verb: verb, Temp: snap == b.env.Temp, apply: func(ctx context.Context, r *Run) error {
		p := &Plan{Line: 0, checks: b.shared.checks}
		x := &execution{ctx: ctx, plan: p, Run: r}
		d := &definition{Definer: catalog.NewDefiner(r.Conn, snap, r.Now), execution: x, b: b}
		return x.atomically(func() error { return d.explain(f(d)) })
	}}
}

// explain turns the catalog's report of a duplicate key into message 1505, which quotes the key.
func (d *definition) explain(err error) error {
	var dup *catalog.DuplicateKeyError
	if !errors.As(err, &dup) {
		return err
	}
	var names, types = []string{}, []sqltype.Type{}
	for _, k := range dup.Index.Columns {
		c := dup.Table.Column(k.ColumnID)
		names, types = append(names, columnName(c)), append(types, c.Type)
	}
	key := ""
	text := fmt.Sprintf("SELECT %[1]s FROM %[2]s GROUP BY %[1]s HAVING count(*) > 1 LIMIT 1", strings.Join(names, ", "),
		catalog.TableName(d.Definer.Snapshot().SQLSchema, dup.Table.ID))
	d.each(statement{sql: text}, nil, func(st *sqlite3.Stmt) error {
		values := map[int32]sqltype.Value{}
		for i, v := range d.decode(st, 0, types) {
			values[dup.Index.Columns[i].ColumnID] = v
		}
		key = keyText(dup.Index, values)
		return nil
	})
	return sqlerr.New(1505, dup.Table.Schema+"."+dup.Table.Name, dup.Index.Name, key)
}

// tempName reports whether a name is that of a temporary table.
func tempName(n ast.ObjectName) bool { return strings.HasPrefix(n.Name, "#") }

// place of a new object: the snapshot and schema that a name asks for.
func (b *binder) home(at ast.Node, n ast.ObjectName) (*catalog.Snapshot, string, error) {
	if n.Server != "" {
		return nil, "", b.fail(at, 117, n.String(), 3)
	}
	if tempName(n) {
		if b.env.Temp == nil {
			return nil, "", b.refuse(at, "a temporary table here")
		}
		return b.env.Temp, "dbo", nil
	}
	if n.Database != "" && b.fold(n.Database) != b.fold(b.env.Database) {
		return nil, "", b.refuse(at, "a definition in another database ("+n.Database+")")
	}
	schema := n.Schema
	if schema == "" {
		schema = b.env.schema()
	}
	if b.env.Snapshot.Schema(schema) == nil {
		return nil, "", b.fail(at, 2760, schema)
	}
	return b.env.Snapshot, schema, nil
}

// existing finds an object by name; nil when there is none.
func (b *binder) existing(n ast.ObjectName) (*catalog.Snapshot, *catalog.Object) {
	if tempName(n) {
		if b.env.Temp == nil {
			return nil, nil
		}
		return b.env.Temp, b.env.Temp.Object("dbo", n.Name)
	}
	if n.Database != "" && b.fold(n.Database) != b.fold(b.env.Database) {
		return nil, nil
	}
	schema := n.Schema
	if schema == "" {
		schema = b.env.schema()
	}
	o := b.env.Snapshot.Object(schema, n.Name)
	if o == nil && n.Schema == "" {
		o = b.env.Snapshot.Object("dbo", n.Name)
	}
	return b.env.Snapshot, o
}

// dropKinds are the objects that DROP names, with the kind they must be of.
var dropKinds = map[string]string{"TABLE": "U", "VIEW": "V", "PROCEDURE": "P", "FUNCTION": "FN IF TF", "SYNONYM": "SN", "TRIGGER": "TR"}

func (b *binder) drop(s *ast.Drop) (*Change, error) {
	verb := "DROP " + s.Kind
	if s.Kind == "SCHEMA" {
		return b.change(verb, func(d *definition) error {
			for _, n := range s.Names {
				if s.IfExists && d.Snapshot().Schema(n.Name) == nil {
					continue
				}
				if err := d.DropSchema(n.Name); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	if s.Kind == "STATISTICS" {
		return b.change(verb, func(*definition) error { return nil }), nil
	}
	kinds, ok := dropKinds[s.Kind]
	if !ok {
		return nil, b.refuse(s, verb)
	}
	snap := b.env.Snapshot
	if len(s.Names) > 0 && tempName(s.Names[0]) && b.env.Temp != nil {
		snap = b.env.Temp
	}
	return b.changeIn(snap, verb, func(d *definition) error {
		for _, n := range s.Names {
			if err := b.dropOne(d, s, n, kinds); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// dropOne drops one object; the definer's snapshot moves on from one to the next.
func (b *binder) dropOne(d *definition, s *ast.Drop, n ast.ObjectName, kinds string) error {
	env := *b.env
	if tempName(n) {
		env.Temp = d.Snapshot()
	} else {
		env.Snapshot = d.Snapshot()
	}
	c := *b
	c.env = &env
	_, o := c.existing(n)
	what := strings.ToLower(s.Kind)
	if o == nil || !strings.Contains(kinds, string(o.Kind)) {
		if o != nil && !s.IfExists {
			return b.fail(s, 3705, "DROP "+s.Kind, n.String(), strings.ToLower(kindWord(o.Kind)), kindWord(o.Kind))
		}
		if s.IfExists {
			return nil
		}
		return b.fail(s, 3701, "drop", what, n.String())
	}
	if o.Table != nil {
		return d.DropTable(o.Table)
	}
	return d.DropModule(o)
}

func kindWord(k catalog.Kind) string {
	switch k {
	case catalog.Table:
		return "TABLE"
	case catalog.View:
		return "VIEW"
	case catalog.Procedure:
		return "PROCEDURE"
	}
	return "FUNCTION"
}

func (b *binder) alterSchema(s *ast.AlterSchema) (*Change, error) {
	_, o := b.existing(s.Object)
	if o == nil {
		return nil, b.fail(s, 15151, "find", "object", s.Object.Name)
	}
	return b.change("ALTER SCHEMA", func(d *definition) error { return d.TransferObject(o, s.Name) }), nil
}

// statistics checks the table and changes nothing: the query planner keeps its own.
func (b *binder) statistics(s *ast.CreateStatistics) (*Change, error) {
	if _, _, err := b.alterable(s, s.Table); err != nil {
		return nil, err
	}
	return b.change("CREATE STATISTICS", func(*definition) error { return nil }), nil
}

// alterable finds a table to be altered.
func (b *binder) alterable(at ast.Node, n ast.ObjectName) (*rel.Table, *catalog.Snapshot, error) {
	snap, o := b.existing(n)
	if o == nil || o.Table == nil {
		return nil, nil, b.fail(at, 4902, n.String())
	}
	return o.Table, snap, nil
}

func functionKind(s *ast.CreateFunction) catalog.Kind {
	switch {
	case s.Query != nil:
		return catalog.InlineTable
	case s.ReturnsTable || s.TableVariable != "":
		return "TF"
	}
	return catalog.Scalar
}

// createView binds the query, so that a view over nothing is refused at once.
func (b *binder) createView(s *ast.CreateView) (*Change, error) {
	c := *b
	env := *b.env
	env.Variable = nil
	c.env = &env
	c.shared = &shared{siteOf: b.shared.siteOf}
	q, err := c.fork().subquery(nil, s.Query)
	if err != nil {
		return nil, err
	}
	if err := b.derivedOrder(s.Query); err != nil {
		return nil, err
	}
	src := &source{shown: s.Name.Name}
	for i, col := range q.columns() {
		if col.name == "" && len(s.Columns) == 0 {
			return nil, b.fail(s, 4511, i+1)
		}
		src.columns = append(src.columns, column{name: col.name, fold: b.fold(col.name)})
	}
	if err := b.renameColumns(s, src, s.Columns); err != nil {
		return nil, err
	}
	return b.createModule("VIEW", catalog.View, s.Name, s.Alter, s.OrAlter, s.Text)
}

// createModule stores the text of a view, procedure or function.
func (b *binder) createModule(word string, kind catalog.Kind, n ast.ObjectName, alter, orAlter bool, text string) (*Change, error) {
	if tempName(n) {
		return nil, b.refuse(n, "a temporary "+strings.ToLower(word))
	}
	snap, schema, err := b.home(n, n)
	if err != nil {
		return nil, err
	}
	m := catalog.Module{Kind: kind, Schema: schema, Name: n.Name, Text: text, QuotedIdentifier: true, AnsiNulls: !b.env.AnsiNullsOff}
	_, o := b.existing(n)
	verb := "CREATE " + word
	switch {
	case alter || orAlter && o != nil:
		verb = "ALTER " + word
		if o == nil || o.Table != nil || (o.Kind != kind && word != "FUNCTION") {
			return nil, b.fail(n, 208, n.String())
		}
		return b.changeIn(snap, verb, func(d *definition) error { return d.AlterModule(o, m) }), nil
	case o != nil:
		return nil, b.fail(n, 2714, n.Name)
	}
	return b.changeIn(snap, verb, func(d *definition) error { _, err := d.CreateModule(m); return err }), nil
}
