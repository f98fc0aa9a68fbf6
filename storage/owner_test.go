package storage_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/storage"
	"linkspan/storage/btree"
)

// owned makes a database with every kind of page: leaves, pages above them of tables and indexes, chains of overflow pages
// of rows and of keys, and free ones.
func owned(t *testing.T, o storage.Options) *storage.DB {
	t.Helper()
	db := create(t, o)
	const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) "
	exec(t, db, "CREATE TABLE t_1(id INTEGER PRIMARY KEY, v TEXT)", "CREATE INDEX i_2 ON t_1(v)", "CREATE TABLE t_3(id INTEGER PRIMARY KEY, v BLOB)",
		"CREATE TABLE t_4(k TEXT PRIMARY KEY, v) WITHOUT ROWID", "CREATE TABLE t_5(v)", "CREATE INDEX i_6 ON t_5(v)")
	exec(t, db, fmt.Sprintf(many, 40_000)+"INSERT INTO t_1(v) SELECT hex(randomblob(100)) FROM n",
		fmt.Sprintf(many, 50)+"INSERT INTO t_3(v) SELECT randomblob(i*2000) FROM n",
		fmt.Sprintf(many, 5000)+"INSERT INTO t_4 SELECT hex(randomblob(60)), i FROM n",
		fmt.Sprintf(many, 300)+"INSERT INTO t_5 SELECT hex(randomblob(6000)) FROM n")
	exec(t, db, "CREATE TABLE t_7(v)", fmt.Sprintf(many, 100)+"INSERT INTO t_7 SELECT randomblob(20000) FROM n")
	exec(t, db, "DROP TABLE t_7")
	return db
}

func allPages(db *storage.DB) []uint32 {
	var all []uint32
	for no := range db.Stats().Pages {
		all = append(all, no+1)
	}
	return all
}

func owners(t *testing.T, db *storage.DB, pages []uint32) map[uint32]btree.Owner {
	t.Helper()
	got, err := db.PageOwners(t.Context(), pages)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Every page has an owner, and a table's and its indexes' pages are those that are free when it is dropped.
func TestPageOwners(t *testing.T) {
	db := owned(t, options(fsx.NewMem()))
	before := owners(t, db, allPages(db))
	parts := map[string]int{}
	for no, o := range before {
		if o.Part == btree.Unknown {
			t.Errorf("page %d has no owner", no)
		}
		parts[o.Name+" "+o.Part.String()]++
	}
	for _, p := range []string{"t_1 leaf", "t_1 interior", "i_2 leaf", "i_2 interior", "t_3 overflow", "t_4 leaf", "t_5 overflow", "i_6 overflow", " free",
		"sqlite_schema root"} {
		if parts[p] == 0 {
			t.Errorf("no page is %q: %v", p, parts)
		}
	}
	for _, table := range []string{"t_1", "t_3", "t_4", "t_5"} {
		exec(t, db, "DROP TABLE "+table)
		after := owners(t, db, slices.Collect(maps.Keys(before)))
		for no, o := range before {
			if gone := after[no].Part == btree.Free && o.Part != btree.Free; gone != (o.Table == table) {
				t.Errorf("page %d was %s of %s (%s); after DROP TABLE %s it is %s", no, o.Part, o.Name, o.Table, table, after[no].Part)
			}
		}
		before = after
	}
}

// Damaged pages have owners all the same, asked for one by one, and those that lie elsewhere keep theirs.
func TestOwnersOfDamagedPages(t *testing.T) {
	fs := fsx.NewMem()
	o := options(fs)
	db := owned(t, o)
	whole := owners(t, db, allPages(db))
	closeDB(t, db)
	of := map[string][]uint32{}
	for no := range uint32(len(whole)) {
		w := whole[no+1]
		of[w.Name+" "+w.Part.String()] = append(of[w.Name+" "+w.Part.String()], no+1)
	}
	last := func(what string) uint32 { return of[what][len(of[what])-1] } // not below a page that is damaged, too
	bad := []uint32{last("t_1 leaf"), of["t_1 interior"][0], of["i_2 interior"][0], last("t_4 leaf"), last("t_3 overflow"), of["i_6 overflow"][0], of[" free"][0]}
	for _, no := range bad {
		damage(t, fs, "pages.data", int64(no-1)*storage.PageSize+77)
	}
	db = reopen(t, o)
	for _, no := range bad {
		if got := owners(t, db, []uint32{no})[no]; got != whole[no] {
			t.Errorf("page %d, %s of %q, is said to be %s of %q", no, whole[no].Part, whole[no].Name, got.Part, got.Name)
		}
	}
	for no, got := range owners(t, db, bad) {
		if got != whole[no] {
			t.Errorf("asked together, page %d, %s of %q, is said to be %s of %q", no, whole[no].Part, whole[no].Name, got.Part, got.Name)
		}
	}
}
