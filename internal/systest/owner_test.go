package systest_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linkspan/storage"
	"linkspan/storage/btree"
)

// A byte of the copy is not what the primary has: in a table's leaf, above the leaves of an index, in an overflow page, in a
// free page. The copy is suspended when that comes up, and link status, doctor, the API and both sides' views name the page
// and the table or index; RESUME fetches what differs.
func TestDivergenceNamesTheTable(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	p.fill(1 << 20)
	p.source.exec(pairDatabase, "CREATE TABLE dbo.named (id int PRIMARY KEY, n varchar(300) NOT NULL)", "CREATE INDEX ix_named ON dbo.named (n)",
		"CREATE TABLE dbo.d (v int)", "INSERT INTO dbo.d VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
		"INSERT INTO dbo.named SELECT w.i, CONCAT(REPLICATE('x', 200), w.i * 7919 % 10000) FROM (SELECT a.v * 1000 + b.v * 100 + c.v * 10 + e.v AS i FROM dbo.d a CROSS JOIN dbo.d b CROSS JOIN dbo.d c CROSS JOIN dbo.d e) w",
		"CREATE TABLE dbo.gone (b varbinary(max))", "INSERT INTO dbo.gone SELECT b FROM dbo.blobs", "DROP TABLE dbo.gone")
	p.createLink()
	p.waitHealthy()
	for _, c := range []struct {
		part btree.Part
		// index tells an index from its table, of the number that object has on the source; want is how it is named.
		index            bool
		object, want     string
		work, afterwards string
	}{
		{btree.Leaf, false, "dbo.named", "(table dbo.named)", "UPDATE dbo.named SET n = CONCAT(n, '!') WHERE id % 2 = 0", ""},
		{btree.Interior, true, "dbo.named", "(index ix_named of table dbo.named, page above the leaves)", "UPDATE dbo.named SET n = CONCAT(REPLICATE('y', 220), id * 7907 % 10000)", ""},
		{btree.Overflow, false, "dbo.blobs", "(table dbo.blobs, overflow page)", "UPDATE dbo.blobs SET b = CAST(REPLICATE(CAST('z' AS varchar(max)), 1000000) AS varbinary(max))", ""},
		{btree.Free, false, "", "(a free page, which no table uses)", "CREATE TABLE dbo.taken (b varbinary(max))", "INSERT INTO dbo.taken SELECT b FROM dbo.blobs"},
	} {
		object := "t_0"
		if c.object != "" {
			object = "t_" + p.source.in(pairDatabase, "SELECT CAST(OBJECT_ID('"+c.object+"') AS varchar(20))")
		}
		p.waitSameDigest()
		p.target.kill()
		falsify(t, copyFolder(p), c.part, c.index, object)
		p.target.start()
		p.waitConnected(true)
		p.source.exec(pairDatabase, c.work)
		if c.afterwards != "" {
			p.source.exec(pairDatabase, c.afterwards)
		}
		p.waitTold(p.source, "reason", c.want)
		p.waitTold(p.target, "divergence", c.want)
		if status := p.linkStatus(); !strings.Contains(status, c.want) {
			t.Errorf("link status does not name %s:\n%s", c.want, status)
		}
		p.doctor(3, "LS-LNK-005")
		p.armTells(c.want)
		if got := p.target.ask("SELECT CAST(COUNT(*) AS varchar(10)) FROM sys.dm_linkspan_errorlog WHERE number = 35264 AND text LIKE '%" + c.want[1:len(c.want)-1] + "%'"); got == "0" {
			t.Errorf("the copy's error log does not name %s", c.want)
		}
		p.target.exec("master", "ALTER DATABASE "+pairDatabase+" SET HADR RESUME")
		p.waitHealthy()
		p.waitSameDigest()
	}
}

// copyFolder is where the copy's files are.
func copyFolder(p *pair) string {
	p.t.Helper()
	var found string
	err := filepath.WalkDir(filepath.Join(p.dir, "sqlmi1"), func(path string, _ os.DirEntry, err error) error {
		if filepath.Base(path) == storage.PagesFile {
			if i, err := os.Stat(path); err == nil && (found == "" || i.Size() > size(p, found)) {
				found = path
			}
		}
		return err
	})
	if err != nil || found == "" {
		p.t.Fatalf("the copy's files: %q, %v", found, err)
	}
	return filepath.Dir(found)
}

func size(p *pair, name string) int64 {
	i, err := os.Stat(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return i.Size()
}

// falsify changes a byte in every page of a part of a table or index, and the page table so that it fits: as if something
// else had been written there.
func falsify(t *testing.T, dir string, part btree.Part, index bool, table string) {
	t.Helper()
	db, err := storage.Open(t.Context(), storage.Options{Dir: dir, Name: "copy"})
	if err != nil {
		t.Fatal(err)
	}
	var pages []uint32
	for no := range db.Stats().Pages {
		pages = append(pages, no+1)
	}
	found, err := db.PageOwners(t.Context(), pages)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	pages = slices.DeleteFunc(pages, func(no uint32) bool {
		o := found[no]
		return o.Part != part || part != btree.Free && (o.Table != table || index != (o.Kind == "index"))
	})
	if len(pages) == 0 {
		t.Fatalf("no page is %s of %s", part, table)
	}
	data, err := os.OpenFile(filepath.Join(dir, storage.PagesFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.OpenFile(filepath.Join(dir, "pages.table"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range pages {
		err = errors.Join(err, falsifyPage(data, entries, no))
	}
	if err := errors.Join(err, data.Close(), entries.Close()); err != nil {
		t.Fatal(err)
	}
}

func falsifyPage(data, entries *os.File, no uint32) error {
	const entrySize = 32
	page, row := make([]byte, storage.PageSize), make([]byte, entrySize)
	at := int64(no - 1)
	_, derr := data.ReadAt(page, at*storage.PageSize)
	_, eerr := entries.ReadAt(row, at*entrySize)
	if err := errors.Join(derr, eerr); err != nil {
		return err
	}
	page[len(page)-100] ^= 0x20
	hash := storage.HashPage(no, page)
	copy(row, hash[:])
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(binary.LittleEndian.AppendUint32(nil, no), castagnoli), castagnoli, row[:entrySize-4])
	binary.LittleEndian.PutUint32(row[entrySize-4:], sum)
	_, derr = data.WriteAt(page, at*storage.PageSize)
	_, eerr = entries.WriteAt(row, at*entrySize)
	return errors.Join(derr, eerr)
}

// in is ask in a database.
func (s *side) in(database, query string) (v string) {
	s.p.t.Helper()
	db := s.open(database)
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(s.p.t.Context(), query).Scan(&v); err != nil {
		s.p.t.Fatalf("%s: %s: %v", s.name, query, err)
	}
	return v
}

// waitTold waits until a side's view of the link says it.
func (p *pair) waitTold(s *side, column, want string) {
	p.t.Helper()
	query := "SELECT COALESCE(MAX(" + column + "), '') FROM sys.dm_linkspan_links WHERE link_name = N'" + pairGroup + "'"
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		got := s.ask(query)
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %s is %q, want %s in it\n%s", s.name, column, got, want, p.states())
		}
	}
}

// linkStatus is what "linkspan link status" prints, whatever it thinks of the link.
func (p *pair) linkStatus() string {
	p.t.Helper()
	r := p.link("status", "-f", "link.yaml")
	if err := r.cmd.Run(); err != nil && r.cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return r.out.String()
}

// armTells sees that the management API's link names it.
func (p *pair) armTells(want string) {
	p.t.Helper()
	c, id := p.arm()
	l, err := c.Link(p.t.Context(), id, pairGroup)
	if err != nil || len(l.DatabaseStates) != 1 || !strings.Contains(l.DatabaseStates[0].MostRecentError, want) {
		p.t.Errorf("the API's link has %+v, %v; want %s", l.DatabaseStates, err, want)
	}
}
