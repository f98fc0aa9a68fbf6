package exec

import (
	"reflect"
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// traits are what is known of a statement over tables, or of an expression with subqueries, from its text alone.
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
	// temps are the temporary tables and table variables it names, tempTarget tells that it writes one of them, base that
	// it names other tables too.
	temps      []string
	tempTarget bool
	base       bool
	// tempOutput tells that OUTPUT … INTO goes to a temporary one, baseOutput that it goes to another table.
	tempOutput, baseOutput bool

	// names are those without a database; ctes and aliases are names that the statement itself gives.
	names         []string
	ctes, aliases map[string]bool
	tempAliases   map[string]bool
}

// traitsOf looks once per text.
func (c *compiled) traitsOf(st ast.Node) traits {
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

func look(st ast.Node) traits {
	t := traits{ctes: map[string]bool{}, aliases: map[string]bool{}, tempAliases: map[string]bool{}}
	switch st := st.(type) {
	case *ast.Select:
		t.writes = into(st.Body)
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge, *ast.TruncateTable:
		t.writes = true
	case *ast.CreateView, *ast.CreateProcedure, *ast.CreateFunction: // what is inside counts when it runs
		return traits{base: true, bare: true}
	}
	t.walk(reflect.ValueOf(st), 0)
	t.base = t.base || len(t.databases) > 0
	for _, n := range t.names {
		t.base = t.base || !t.ctes[n] && !t.aliases[n]
	}
	t.tempTarget = t.isTemp(st)
	if o := outputOf(st); o != nil && o.Into != nil {
		t.tempOutput = t.tempSource(o.Into)
		t.baseOutput = !t.tempOutput
	}
	t.names, t.ctes, t.aliases = nil, nil, nil
	return t
}

// isTemp reports whether the target of a data change is a temporary table or a table variable.
func (t *traits) isTemp(st ast.Node) bool {
	switch st := st.(type) {
	case *ast.Select:
		if n := intoName(st.Body); n != nil {
			return strings.HasPrefix(n.Name, "#")
		}
	case *ast.TruncateTable:
		return strings.HasPrefix(st.Name.Name, "#")
	case *ast.Insert:
		return t.tempSource(st.Target)
	case *ast.Update:
		return t.tempSource(st.Target)
	case *ast.Delete:
		return t.tempSource(st.Target)
	case *ast.Merge:
		return t.tempSource(st.Target)
	}
	return false
}

func outputOf(st ast.Node) *ast.Output {
	switch st := st.(type) {
	case *ast.Insert:
		return st.Output
	case *ast.Update:
		return st.Output
	case *ast.Delete:
		return st.Output
	case *ast.Merge:
		return st.Output
	}
	return nil
}

func (t *traits) tempSource(s ast.Source) bool {
	switch s := s.(type) {
	case *ast.TableVariable:
		return true
	case *ast.TableName:
		return strings.HasPrefix(s.Name.Name, "#") || t.tempAliases[strings.ToLower(s.Name.Name)]
	}
	return false
}

func intoName(q ast.Query) *ast.ObjectName {
	switch q := q.(type) {
	case *ast.SelectSpec:
		return q.Into
	case *ast.SetOp:
		return intoName(q.Left)
	}
	return nil
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
		if !v.IsNil() && !t.source(v.Interface()) {
			t.walk(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.String || k == reflect.Uint8 || k == reflect.Int {
			return
		}
		for i := range v.Len() {
			t.walk(v.Index(i), depth+1)
		}
	case reflect.Struct:
		if t.leaf(v.Interface()) {
			return
		}
		for i := range v.NumField() {
			t.walk(v.Field(i), depth+1)
		}
	}
}

// source takes a source of FROM or a target, and reports whether n was one.
func (t *traits) source(n any) bool {
	switch n := n.(type) {
	case *ast.TableName:
		t.name(n.Name)
		t.alias(n.Alias, strings.HasPrefix(n.Name.Name, "#"))
		for _, h := range n.Hints {
			t.locks = t.locks || lockHints[h.Name]
		}
		return true
	case *ast.TableVariable:
		t.temps = append(t.temps, n.Name)
		t.alias(n.Alias, true)
		return true
	case *ast.CTE:
		t.ctes[strings.ToLower(n.Name)] = true
	}
	return false
}

func (t *traits) alias(name string, temp bool) {
	if name == "" {
		return
	}
	t.aliases[strings.ToLower(name)] = true
	if temp {
		t.tempAliases[strings.ToLower(name)] = true
	}
}

// leaf takes the names that stand in statements outside sources, and reports whether there is nothing below.
func (t *traits) leaf(n any) bool {
	switch n := n.(type) {
	case ast.ObjectName, ast.Pos, ast.TypeName, ast.Ident:
		return true
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
	return false
}

func (t *traits) name(n ast.ObjectName) {
	if n.Name == "" {
		return
	}
	t.tables = true
	if strings.HasPrefix(n.Name, "#") {
		t.temps = append(t.temps, n.Name)
		return
	}
	if n.Schema == "" && n.Database == "" {
		t.names = append(t.names, strings.ToLower(n.Name))
	} else {
		t.base = true
	}
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
