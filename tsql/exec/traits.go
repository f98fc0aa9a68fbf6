package exec

import (
	"reflect"
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// traits are what is known of a statement over tables from its text alone.
type traits struct {
	// writes tells that it takes the writing connection.
	writes bool
	// tables tells that it names a table at all.
	tables bool
	// locks tells of a hint that keeps others from changing what is read.
	locks bool
	// databases are those that its tables name, in lower case; bare tells that one names none.
	databases []string
	bare      bool
}

// traitsOf looks once per text.
func (c *compiled) traitsOf(st ast.Statement) traits {
	c.mu.Lock()
	t, ok := c.traits[st]
	c.mu.Unlock()
	if ok {
		return t
	}
	t = look(st)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traits[st] = t
	return t
}

func look(st ast.Statement) traits {
	var t traits
	switch st := st.(type) {
	case *ast.Select:
		t.writes = into(st.Body)
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge, *ast.TruncateTable:
		t.writes = true
	}
	t.walk(reflect.ValueOf(st), 0)
	return t
}

// into reports SELECT … INTO.
func into(q ast.Query) bool {
	switch q := q.(type) {
	case *ast.SelectSpec:
		return q.Into != nil
	case *ast.SetOp:
		return into(q.Left)
	}
	return false
}

// lockHints are the table hints that keep what was read as it is.
var lockHints = map[string]bool{"UPDLOCK": true, "XLOCK": true, "HOLDLOCK": true, "SERIALIZABLE": true, "REPEATABLEREAD": true, "TABLOCKX": true}

// maxWalk bounds the walk over a tree; the parser bounds the tree.
const maxWalk = 4000

// walk finds the names of tables in a tree.
func (t *traits) walk(v reflect.Value, depth int) {
	if depth > maxWalk {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(*ast.TableName); ok {
			t.name(n.Name)
			for _, h := range n.Hints {
				t.locks = t.locks || lockHints[h.Name]
			}
			return
		}
		t.walk(v.Elem(), depth+1)
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.String || k == reflect.Uint8 || k == reflect.Int {
			return
		}
		for i := range v.Len() {
			t.walk(v.Index(i), depth+1)
		}
	case reflect.Struct:
		switch n := v.Interface().(type) {
		case ast.ObjectName, ast.Pos, ast.TypeName, ast.Ident:
			return
		case ast.TruncateTable:
			t.name(n.Name)
		case ast.CreateTable:
			t.name(n.Name)
		case ast.AlterTable:
			t.name(n.Name)
		case ast.CreateIndex:
			t.name(n.Table)
		case ast.AlterIndex:
			t.name(n.Table)
		case ast.Drop:
			for _, o := range n.Names {
				t.name(o)
			}
		case ast.IndexOnTable:
			t.name(n.Table)
		case ast.SelectSpec:
			if n.Into != nil {
				t.name(*n.Into)
			}
		}
		for i := range v.NumField() {
			t.walk(v.Field(i), depth+1)
		}
	}
}

func (t *traits) name(n ast.ObjectName) {
	if n.Name == "" {
		return
	}
	t.tables = true
	if n.Database == "" {
		t.bare = true
		return
	}
	d := strings.ToLower(n.Database)
	for _, have := range t.databases {
		if have == d {
			return
		}
	}
	t.databases = append(t.databases, d)
}

// home is the database a statement runs in: the current one, or the only one that all its tables name.
func (f *frame) home(t traits) (Database, error) {
	if len(t.databases) != 1 || t.bare || strings.EqualFold(t.databases[0], f.s.db.Name()) {
		return f.s.db, nil
	}
	d, err := f.s.e.o.Databases.Find(t.databases[0])
	if err != nil {
		return nil, sqlerr.From(err)
	}
	return d, nil
}
