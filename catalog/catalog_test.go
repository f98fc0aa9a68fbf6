package catalog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

type conn struct {
	*sqlite3.Conn
	cache map[string]*sqlite3.Stmt
}

func (c *conn) Stmt(sql string) (*sqlite3.Stmt, error) {
	if s := c.cache[sql]; s != nil {
		return s, nil
	}
	s, _, err := c.Prepare(sql)
	if err == nil {
		c.cache[sql] = s
	}
	return s, err
}

func open(t *testing.T, collation string) *conn {
	t.Helper()
	raw, err := sqlite3.Open(":memory:")
	must(t, err)
	t.Cleanup(func() { raw.Close() })
	must(t, sqlfn.Register(raw, &sqlfn.Env{}))
	c := &conn{raw, map[string]*sqlite3.Stmt{}}
	must(t, catalog.Init(c, catalog.InitOptions{Collation: collation, Now: now}))
	return c
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, c *conn) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(c, "")
	must(t, err)
	return s
}

func definer(t *testing.T, c *conn) *catalog.Definer {
	return catalog.NewDefiner(c, load(t, c), now)
}

var intType = sqltype.Type{Kind: sqltype.Int}

func people() *rel.Table {
	return &rel.Table{Schema: "dbo", Name: "people", Identity: 0, Columns: []*rel.Column{
		{Name: "id", Type: intType, Identity: true, Seed: 5, Increment: 2},
		{Name: "name", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 20, Collation: "Latin1_General_CS_AS"}, Nullable: true, Default: "('x')"},
		{Name: "twice", Type: intType, Computed: "([id]*2)", Nullable: true},
	}, Indexes: []*rel.Index{
		{Primary: true, Unique: true, Constraint: true, Clustered: true, Columns: []rel.IndexColumn{{ColumnID: 1}}},
		{Name: "ix", Columns: []rel.IndexColumn{{ColumnID: 2, Desc: true}}, Include: []int32{1}},
	}, Checks: []*rel.Check{{Name: "CK", Expr: "([id]>(0))", ColumnID: 1}}}
}

// What is defined is what is loaded, from the same database or from a copy of it.
func TestTableComesBack(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	made, err := definer(t, c).CreateTable(people())
	must(t, err)
	got := load(t, c).Table("DBO", "People")
	if diff := cmp.Diff(made, got); diff != "" {
		t.Fatal(diff)
	}
	if got.RowKey != 1 || got.Identity != 0 || got.Columns[1].Type.Collation != "Latin1_General_CS_AS" || got.Columns[2].Computed != "([id]*2)" {
		t.Errorf("%+v", got)
	}
	if ix := got.Indexes[1]; ix.Name != "ix" || !ix.Columns[0].Desc || len(ix.Include) != 1 || ix.Number != 2 {
		t.Errorf("index %+v", ix)
	}
	if pk := got.Indexes[0]; !strings.HasPrefix(pk.Name, "PK__people__") || !pk.Generated || pk.Number != 1 {
		t.Errorf("key %+v", pk)
	}
	if o := load(t, c).Object("dbo", got.Indexes[0].Name); o == nil || o.Kind != catalog.PrimaryKey || o.Parent != got.ID || !o.Created.Equal(now) {
		t.Errorf("object of the key: %+v", o)
	}
}

func TestNamesFollowTheCollation(t *testing.T) {
	t.Parallel()
	for collation, same := range map[string]bool{"": true, "Latin1_General_CS_AS": false, "Latin1_General_BIN2": false} {
		c := open(t, collation)
		_, err := definer(t, c).CreateTable(people())
		must(t, err)
		other := people()
		other.Name, other.Checks = "PEOPLE", nil
		_, err = definer(t, c).CreateTable(other)
		if want := map[bool]int32{true: 2714}[same]; sqlerr.Number(err) != want {
			t.Errorf("collation %q: %v", collation, err)
		}
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	d := definer(t, c)
	p, err := d.CreateTable(people())
	must(t, err)
	must(t, d.Rename(d.Snapshot().Object("dbo", "people"), "folk"))
	must(t, d.RenameColumn(p, p.Columns[1], "nom"))
	must(t, d.RenameIndex(p.Indexes[1], "iy"))
	must(t, d.Rename(d.Snapshot().Object("dbo", p.Indexes[0].Name), "PK_folk"))
	s := load(t, c)
	if s.Object("dbo", "people") != nil {
		t.Error("the old name is still there")
	}
	f := s.Table("dbo", "folk")
	if f == nil || f.Columns[1].Name != "nom" || f.Indexes[1].Name != "iy" || f.Indexes[0].Name != "PK_folk" || f.Indexes[0].Generated {
		t.Errorf("%+v", f)
	}
	if err := d.Rename(s.Object("dbo", "folk"), "CK"); sqlerr.Number(err) != 15335 {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := d.RenameColumn(f, f.Columns[1], "ID"); sqlerr.Number(err) != 15335 {
		t.Errorf("a column name that is taken: %v", err)
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	d := definer(t, c)
	p, err := d.CreateTable(people())
	must(t, err)
	text := "what people are"
	must(t, d.SetProperty(1, p.ID, 0, "MS_Description", &text))
	must(t, d.SetProperty(1, p.ID, 2, "MS_Description", &text))
	if got := load(t, c).Properties(); len(got) != 2 || got[0].Value != text {
		t.Errorf("%+v", got)
	}
	must(t, d.SetProperty(1, p.ID, 2, "MS_Description", nil))
	must(t, d.DropTable(d.Snapshot().Table("dbo", "people")))
	if got := load(t, c).Properties(); len(got) != 0 {
		t.Errorf("left behind: %+v", got)
	}
	if got := load(t, c).Objects(); len(got) != 0 {
		t.Errorf("left behind: %+v", got)
	}
}

// The cache hands out one snapshot per version, and the right one to a transaction that has gone back.
func TestCache(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	var cache catalog.Cache
	first, err := cache.Get(c)
	must(t, err)
	if again, err := cache.Get(c); err != nil || again != first {
		t.Errorf("loaded twice: %v", err)
	}
	must(t, c.Exec("BEGIN"))
	_, err = catalog.NewDefiner(c, first, now).CreateTable(people())
	must(t, err)
	inside, err := cache.Get(c)
	must(t, err)
	if inside.Table("dbo", "people") == nil || first.Table("dbo", "people") != nil {
		t.Error("the transaction does not see its own table, or the old snapshot changed")
	}
	must(t, c.Exec("ROLLBACK"))
	if after, err := cache.Get(c); err != nil || after != first {
		t.Errorf("after the rollback: %v", err)
	}
	// The same number of changes after it, and yet another version.
	other := people()
	other.Name = "other"
	_, err = catalog.NewDefiner(c, first, now).CreateTable(other)
	must(t, err)
	if s, err := cache.Get(c); err != nil || s.Table("dbo", "people") != nil || s.Table("dbo", "other") == nil {
		t.Errorf("the cache gave the schema that was rolled back: %v", err)
	}
}

// Identity values never come back, whatever is deleted, rolled back or restarted in between.
func TestIdentities(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	p, err := definer(t, c).CreateTable(people())
	must(t, err)
	ids := catalog.NewIdentities()
	next := func() int64 {
		t.Helper()
		n, err := ids.Next(c, "main", p)
		must(t, err)
		return n
	}
	if last, used, err := ids.Current(c, "main", p); last != 5 || used || err != nil {
		t.Errorf("before the first value: %d %t %v", last, used, err)
	}
	if a, b := next(), next(); a != 5 || b != 7 {
		t.Errorf("first values %d, %d", a, b)
	}
	must(t, c.Exec("INSERT INTO t_101(c_1) VALUES(5), (7)"))
	must(t, ids.Save(c, "main", p))
	must(t, c.Exec("DELETE FROM t_101"))
	ids.Reset()
	if n := next(); n != 9 {
		t.Errorf("after everything was deleted and a restart: %d", n)
	}
	must(t, ids.Seen(c, "main", p, 101))
	must(t, ids.Seen(c, "main", p, 50))
	if n := next(); n != 103 {
		t.Errorf("after 101 was inserted explicitly: %d", n)
	}
	d := definer(t, c)
	must(t, d.ResetIdentity(p, 40, true))
	p = d.Snapshot().Table("dbo", "people")
	if n := next(); n != 42 {
		t.Errorf("after a reseed to 40: %d", n)
	}
	must(t, d.Truncate(p))
	p = d.Snapshot().Table("dbo", "people")
	if n := next(); n != 5 {
		t.Errorf("after truncation: %d", n)
	}
	var none *catalog.Identities // on a replica
	if last, _, err := none.Current(c, "main", p); last != 5 || err != nil {
		t.Errorf("a replica says %d, %v", last, err)
	}
}

// System tables that contradict each other are an error that says so, not a crash.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"DELETE FROM sys_object WHERE kind = 'U'",
		"UPDATE sys_column SET kind = 'nothing'",
		"DELETE FROM sys_index WHERE name = 'ix'",
		"UPDATE sys_meta SET value = 99 WHERE key = 'format'",
		"DROP TABLE sys_check",
	} {
		c := open(t, "")
		_, err := definer(t, c).CreateTable(people())
		must(t, err)
		must(t, c.Exec(sql))
		if _, err := catalog.Load(c, ""); err == nil || !strings.HasPrefix(err.Error(), "load schema: ") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	d := definer(t, c)
	id, err := d.CreatePrincipal(catalog.Principal{Name: "bob", Kind: "S", DefaultSchema: "dbo", SID: []byte{1, 2}})
	must(t, err)
	if _, err := d.CreatePrincipal(catalog.Principal{Name: "BOB", Kind: "S"}); sqlerr.Number(err) != 15023 {
		t.Errorf("a second bob: %v", err)
	}
	must(t, d.SetMember("db_datareader", "bob", true))
	s := load(t, c)
	if p := s.Principal("Bob"); p == nil || p.ID != id || string(p.SID) != "\x01\x02" {
		t.Errorf("%+v", p)
	}
	if m := s.Members(); len(m) != 1 || m[0].Member != id || m[0].Role != 16390 {
		t.Errorf("%+v", m)
	}
	must(t, d.SetMember("db_datareader", "bob", false))
	must(t, d.DropPrincipal("bob"))
	if s := load(t, c); s.Principal("bob") != nil || len(s.Members()) != 0 {
		t.Error("bob is still there")
	}
	if err := d.DropPrincipal("dbo"); sqlerr.Number(err) != 15150 {
		t.Errorf("dbo: %v", err)
	}
}
