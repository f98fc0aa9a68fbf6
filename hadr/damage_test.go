package hadr_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/hadr/agcore"
	"linkspan/storage"
)

// A copy whose pages are not what was written stops, says so on both sides, and shows only what was right. Other links go
// on.
func TestADamagedCopyIsSuspended(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	for _, name := range []string{"sales", "hr"} {
		s.create(name, 2000)
		group(t, s, name)
		if err := m.JoinLink(t.Context(), spec(name, s.url())); err != nil {
			t.Fatal(err)
		}
		eventually(t, "streaming", inPhase(m, "DAG_"+name, agcore.PhaseSynchronizing))
		caughtUp(t, s, m, name)
	}
	m.stop()
	flip(t, m, "/sales")
	m.start()
	eventually(t, "streaming", inPhase(m, "DAG_hr", agcore.PhaseSynchronizing))
	seen := m.count("hr")
	s.exec("sales", "UPDATE t_1 SET v = v || 'x'")
	for _, n := range []*node{m, s} {
		eventually(t, "suspended on "+n.name, inPhase(n, "DAG_sales", agcore.PhaseSuspended))
	}
	if !m.logs("sales") || !m.logs("page") {
		t.Error("the error log does not name the database and the page")
	}
	r := find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"is_suspended": 1, "synchronization_health_desc": "NOT_HEALTHY"})
	if !strings.HasPrefix(r["suspend_reason_desc"].S, "SUSPEND_FROM_") {
		t.Errorf("the reason is %q", r["suspend_reason_desc"].S)
	}
	for _, n := range []*node{m, s} {
		if st, _ := n.Link("DAG_sales"); !strings.Contains(st.Reason, "checksum") {
			t.Errorf("the link on %s does not say why: %q", n.name, st.Reason)
		}
	}
	s.exec("hr", "INSERT INTO t_1(v) VALUES('goes on')")
	caughtUp(t, s, m, "hr")
	if m.count("hr") != seen+1 {
		t.Error("the other link stopped, too")
	}
}

// flip changes one byte in the middle of almost every page on disk.
func flip(t *testing.T, n *node, dir string) {
	t.Helper()
	entries, err := n.disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var size int64
	for _, e := range entries {
		if i, err := e.Info(); err == nil && e.Name() == "pages.data" && i.Size() > size {
			name, size = e.Name(), i.Size()
		}
	}
	f, err := n.disk.OpenRW(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	for at := int64(3*8192 + 100); at < size; at += 8192 {
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0x40
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

// A page of the copy is not what the primary's is: the copy stops, and then the page is told with the table or index that
// it belongs to, in the view on both sides and in the error log.
func TestADifferenceIsNamedWithItsTable(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 3000)
	s.exec("sales", `CREATE INDEX i_2 ON t_1(v); CREATE TABLE t_3(id INTEGER PRIMARY KEY, v BLOB); CREATE TABLE t_4(v BLOB);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 40) INSERT INTO t_3(v) SELECT randomblob(50000) FROM n;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO t_4(v) SELECT randomblob(5000) FROM n;
		UPDATE t_1 SET v = hex(randomblob(300))`)
	s.exec("sales", "DROP TABLE t_4")
	caughtUp(t, s, m, "sales")
	for _, c := range []struct {
		part, of string
		// work changes pages of that part on the primary.
		work string
	}{
		{"leaf", "t_1", "UPDATE t_1 SET v = v || 'x'"},
		{"interior", "i_2", "UPDATE t_1 SET v = hex(randomblob(300))"},
		{"overflow", "t_3", "UPDATE t_3 SET v = randomblob(50000)"},
		{"free", "", "CREATE TABLE t_5(v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 180) INSERT INTO t_5 SELECT randomblob(5000) FROM n"},
	} {
		pages := pagesOf(t, m, c.part, c.of)
		m.stop()
		for _, no := range pages {
			falsify(t, m, "/sales", no)
		}
		m.start()
		eventually(t, "they meet", func() bool { st, _ := m.Link("DAG_sales"); return st.Connected })
		s.exec("sales", c.work)
		eventually(t, c.part+": suspended", inPhase(m, "DAG_sales", agcore.PhaseSuspended))
		want := "(" + c.part + " of " + c.of + ")"
		eventually(t, want+" is told", func() bool {
			a, _ := m.Link("DAG_sales")
			b, _ := s.Link("DAG_sales")
			return strings.Contains(a.Divergence, want) && strings.Contains(b.Reason, want)
		})
		eventually(t, want+" is in the error logs", func() bool { return m.logs(want) && s.logs(want) })
		find(t, rows(t, m, "dm_linkspan_links"), map[string]any{"link_name": "DAG_sales", "phase_desc": "SUSPENDED"})
		if err := m.Resume(t.Context(), "sales"); err != nil {
			t.Fatal(err)
		}
		flows(t, s, m)
		caughtUp(t, s, m, "sales")
	}
}

// pagesOf are the pages of a part of a table or index.
func pagesOf(t *testing.T, n *node, part, of string) (list []uint32) {
	t.Helper()
	db := n.db("sales")
	var all []uint32
	for no := range db.Stats().Pages {
		all = append(all, no+1)
	}
	found, err := db.PageOwners(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range all {
		if o := found[no]; o.Part.String() == part && o.Name == of {
			list = append(list, no)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no page is %s of %q", part, of)
	}
	return list
}

// falsify changes a byte of a page on disk, and the page table so that it fits: as if something else had been written.
func falsify(t *testing.T, n *node, dir string, no uint32) {
	t.Helper()
	data, err := n.disk.OpenRW(filepath.Join(dir, storage.PagesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	table, err := n.disk.OpenRW(filepath.Join(dir, "pages.table"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	page, row := make([]byte, storage.PageSize), make([]byte, 32)
	at := int64(no - 1)
	_, rerr := data.ReadAt(page, at*storage.PageSize)
	_, terr := table.ReadAt(row, at*32)
	page[4000] ^= 0x40
	hash := storage.HashPage(no, page)
	copy(row, hash[:])
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(binary.LittleEndian.AppendUint32(nil, no), castagnoli), castagnoli, row[:28])
	binary.LittleEndian.PutUint32(row[28:], sum)
	_, werr := data.WriteAt(page, at*storage.PageSize)
	_, xerr := table.WriteAt(row, at*32)
	if err := errors.Join(rerr, terr, werr, xerr); err != nil {
		t.Fatal(err)
	}
}
