package exec

import (
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// permit gives the error of a plan that the session must not run (229, 230, 262, 916, …).
func (f *frame) permit(d Database, snap *catalog.Snapshot, p *bind.Plan) error {
	if p.Into != "" {
		if err := f.permitCreate(d, snap, "CREATE TABLE", p.Into); err != nil {
			return err
		}
	}
	return f.permitNeeds(d, snap, p.Needs)
}

// permitNeeds gives the error of the first need that is not met. Within a procedure, what its owner owns needs nothing.
func (f *frame) permitNeeds(d Database, snap *catalog.Snapshot, needs []catalog.Need) error {
	if len(needs) == 0 {
		return nil
	}
	r, err := f.rights(d, snap)
	if r == nil || err != nil {
		return err
	}
	for i := range needs {
		n := &needs[i]
		if n.View != "" {
			err = f.permitView(r, n)
		} else if f.owner == 0 || f.owner != n.Owner || f.ownerDB != d.ID() {
			err = r.permitObject(n, d.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// permitObject gives the error of a need on an object; TRUNCATE TABLE's has a number of its own.
func (r *Rights) permitObject(n *catalog.Need, database string) error {
	err := r.Check(*n, database)
	if err != nil && n.Permission == "ALTER" {
		return sqlerr.New(1088, n.Object.Name).WithState(7)
	}
	return err
}

func (f *frame) permitView(r *Rights, n *catalog.Need) error {
	if n.Database != "" {
		d, err := f.s.e.o.Databases.Find(n.Database)
		if err != nil {
			return err
		}
		if err := f.s.e.o.Security.Enter(f.r.ctx, f.s.caller(), d); err != nil {
			return err
		}
	}
	return r.View(n.View)
}

// permitCreate gives the error of an object that must not be made in a schema: 262 for the kind, 2760 for the schema.
func (f *frame) permitCreate(d Database, snap *catalog.Snapshot, permission, schema string) error {
	r, err := f.rights(d, snap)
	if r == nil || err != nil {
		return err
	}
	if !r.HasDatabase(permission) {
		return sqlerr.New(262, permission, d.Name())
	}
	if s := snap.Schema(schema); s == nil || !r.HasSchema("ALTER", s) {
		return sqlerr.New(2760, schema)
	}
	return nil
}

// defaultSchema is the schema in which names without one are looked for before dbo; "" is dbo.
func (f *frame) defaultSchema(d Database, snap *catalog.Snapshot) string {
	if f.schema != "" && f.ownerDB == d.ID() {
		if strings.EqualFold(f.schema, "dbo") {
			return ""
		}
		return f.schema
	}
	r, err := f.rights(d, snap)
	if err != nil {
		return ""
	}
	return r.defaultSchema()
}

// homeSchema is defaultSchema with its name spelled out.
func (f *frame) homeSchema(d Database, snap *catalog.Snapshot) string {
	if s := f.defaultSchema(d, snap); s != "" {
		return s
	}
	return "dbo"
}

// object finds an object by a name of up to two parts: without a schema in the user's own, then in dbo.
func (f *frame) object(d Database, snap *catalog.Snapshot, n ast.ObjectName) *catalog.Object {
	if n.Schema != "" {
		return snap.Object(n.Schema, n.Name)
	}
	if o := snap.Object(f.homeSchema(d, snap), n.Name); o != nil {
		return o
	}
	return snap.Object("dbo", n.Name)
}

// permitDefine gives the error of a definition that the session must not make, and the statement as it is to be run: a
// schema without AUTHORIZATION belongs to who makes it.
func (f *frame) permitDefine(d Database, snap *catalog.Snapshot, st ast.Statement) (ast.Statement, error) {
	r, err := f.rights(d, snap)
	if r == nil || err != nil {
		return st, err
	}
	create := func(permission string, n ast.ObjectName) error {
		schema := n.Schema
		if schema == "" {
			schema = f.homeSchema(d, snap)
		}
		return f.permitCreate(d, snap, permission, schema)
	}
	module := func(kind string, n ast.ObjectName, alter, orAlter bool) error {
		o := f.object(d, snap, n)
		if alter || orAlter && o != nil {
			if o != nil && !r.HasObject("ALTER", o) {
				return sqlerr.New(15151, "alter", strings.ToLower(kind), n.Name)
			}
			return nil
		}
		return create("CREATE "+kind, n)
	}
	alterTable := func(n ast.ObjectName) error {
		if o := f.object(d, snap, n); o != nil && !r.HasObject("ALTER", o) {
			return sqlerr.New(1088, n.String())
		}
		return nil
	}
	switch st := st.(type) {
	case *ast.CreateTable:
		return st, create("CREATE TABLE", st.Name)
	case *ast.AlterTable:
		return st, alterTable(st.Name)
	case *ast.CreateIndex:
		return st, alterTable(st.Table)
	case *ast.AlterIndex:
		return st, alterTable(st.Table)
	case *ast.CreateStatistics:
		return st, alterTable(st.Table)
	case *ast.DropIndex:
		return st, f.permitDropIndex(r, d, snap, st)
	case *ast.CreateView:
		return st, module("VIEW", st.Name, st.Alter, st.OrAlter)
	case *ast.CreateProcedure:
		return st, module("PROCEDURE", st.Name, st.Alter, st.OrAlter)
	case *ast.CreateFunction:
		return st, module("FUNCTION", st.Name, st.Alter, st.OrAlter)
	case *ast.CreateSchema:
		return f.permitSchema(r, d, snap, st)
	case *ast.AlterSchema:
		return st, f.permitTransfer(r, d, snap, st)
	case *ast.Drop:
		return st, f.permitDrop(r, d, snap, st)
	}
	return st, nil
}

func (f *frame) permitDropIndex(r *Rights, d Database, snap *catalog.Snapshot, st *ast.DropIndex) error {
	for _, it := range st.Items {
		if o := f.object(d, snap, it.Table); o != nil && !r.HasObject("ALTER", o) {
			return sqlerr.New(3701, "drop", "index", it.Table.Name+"."+it.Name)
		}
	}
	return nil
}

func (f *frame) permitSchema(r *Rights, d Database, snap *catalog.Snapshot, st *ast.CreateSchema) (ast.Statement, error) {
	if !r.HasDatabase("CREATE SCHEMA") {
		return st, sqlerr.New(262, "CREATE SCHEMA", d.Name())
	}
	c := *st
	if c.Owner == "" {
		c.Owner = r.User.Name
		return &c, nil
	}
	o := snap.Principal(c.Owner)
	if o != nil && !r.Is(o.ID) && !r.HasDatabase("CONTROL") && !r.HasPrincipal("IMPERSONATE", o) {
		return st, sqlerr.New(15151, "find", "user", c.Owner)
	}
	return st, nil
}

func (f *frame) permitTransfer(r *Rights, d Database, snap *catalog.Snapshot, st *ast.AlterSchema) error {
	o, to := f.object(d, snap, st.Object), snap.Schema(st.Name)
	switch {
	case o != nil && !r.HasObject("CONTROL", o):
		return sqlerr.New(15151, "find", "object", st.Object.Name)
	case to != nil && !r.HasSchema("ALTER", to):
		return sqlerr.New(15151, "alter", "schema", st.Name)
	}
	return nil
}

// permitDrop asks for CONTROL of what is dropped, or ALTER on its schema.
func (f *frame) permitDrop(r *Rights, d Database, snap *catalog.Snapshot, st *ast.Drop) error {
	kind := strings.ToLower(st.Kind)
	for _, n := range st.Names {
		if st.Kind == "SCHEMA" {
			if s := snap.Schema(n.Name); s != nil && !r.HasSchema("CONTROL", s) && !r.HasDatabase("ALTER ANY SCHEMA") {
				return sqlerr.New(15151, "drop", kind, n.Name)
			}
			continue
		}
		o := f.object(d, snap, n)
		if o == nil || r.HasObject("CONTROL", o) {
			continue
		}
		if s := snap.SchemaByID(o.SchemaID); s == nil || !r.HasSchema("ALTER", s) {
			return sqlerr.New(3701, "drop", kind, n.Name)
		}
	}
	return nil
}

// permitted gives an error when the session does not have a permission on an object.
func (f *frame) permitted(d Database, snap *catalog.Snapshot, permission string, o *catalog.Object) error {
	return f.permitNeeds(d, snap, []catalog.Need{{Permission: permission, Object: o, Owner: snap.OwnerOf(o)}})
}
