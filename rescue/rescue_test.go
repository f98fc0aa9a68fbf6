package rescue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/rescue"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an instance with two databases of one past: base stayed at the fork, lost went on.
type rig struct {
	t  *testing.T
	in *instance.Instance
	s  sqlapi.Session
}

const password = "Tests-only-1"

func newRig(t *testing.T) *rig {
	t.Helper()
	in, err := instance.Open(context.Background(), instance.Options{Name: "sqlserver1", Kind: instance.SQLServer, FS: fsx.NewMem(), Dir: "/srv", Clock: clock.System,
		Password: password, Addresses: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := in.Login(context.Background(), sqlapi.Login{User: "sa", Password: password}, new(answer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &rig{t, in, s}
}

// answer is a sink that writes rows down, and keeps the first error.
type answer struct {
	strings.Builder
	cols []sqlapi.Column
	err  error
}

func (a *answer) Columns(cols []sqlapi.Column) error { a.cols = cols; return nil }
func (a *answer) Row(row []sqltype.Value) error {
	for _, v := range row {
		fmt.Fprintf(a, "%v %q %d %d %v|", v.Valid, v.S, v.N, v.Hi, v.Scale)
	}
	a.WriteByte('\n')
	return nil
}
func (a *answer) Message(e *sqlerr.Error) error {
	if e.IsError() && a.err == nil {
		a.err = e
	}
	return nil
}
func (a *answer) Done(sqlapi.Done) error         { return nil }
func (a *answer) ReturnStatus(int32) error       { return nil }
func (a *answer) ReturnValue(sqlapi.Param) error { return nil }
func (a *answer) Env(sqlapi.EnvChange) error     { return nil }

// run runs one batch in a database and gives its rows.
func (r *rig) run(db, batch string) string {
	r.t.Helper()
	a := new(answer)
	if err := r.s.Batch(r.t.Context(), "USE "+db, a); err != nil {
		r.t.Fatal(err)
	}
	if err := r.s.Batch(r.t.Context(), batch, a); err != nil || a.err != nil {
		r.t.Fatalf("%s\n%v %v", batch, err, a.err)
	}
	return a.String()
}

var goLine = regexp.MustCompile(`(?im)^\s*GO\s*$`)

// script runs batches as sqlcmd -b would.
func (r *rig) script(db, text string) {
	r.t.Helper()
	for _, batch := range goLine.Split(text, -1) {
		if strings.TrimSpace(batch) != "" {
			r.run(db, batch)
		}
	}
}

// fork makes both databases alike by setup, and lets one go on.
func (r *rig) fork(setup, tail string) {
	r.t.Helper()
	for _, db := range []string{"base", "lost"} {
		r.run("master", "CREATE DATABASE "+db)
		r.script(db, setup)
	}
	r.script("lost", tail)
}

func (r *rig) storage(db string) *storage.DB {
	r.t.Helper()
	d, err := r.in.Find(db)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := d.Storage()
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// versions gives base as the fork of lost.
type versions struct{ fork, tail *storage.DB }

func (v versions) ReaderAt(ctx context.Context, at lsn.LSN) (*storage.Conn, error) {
	if at == header.Fork {
		return v.fork.Reader(ctx)
	}
	return v.tail.Reader(ctx)
}

var header = rescue.Header{Server: "sqlserver1", Database: "sales/eu", Link: "DAG_sales", Fork: lsn.LSN{VLF: 1, Block: 2, Slot: 3}, Tail: lsn.LSN{VLF: 1, Block: 9, Slot: 1},
	ForkEpoch: 1, TailEpoch: 1, OpenedEpoch: 2, Written: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Loss: "everything after 1:2:3"}

// save writes the difference to a disk in memory and reads the file back.
func (r *rig) save() (rescue.Summary, []byte) {
	r.t.Helper()
	disk := fsx.NewMem()
	path, s, err := rescue.Keeper{FS: disk, Dir: "/srv/rescue"}.Save(r.t.Context(), versions{r.storage("base"), r.storage("lost")}, header)
	if err != nil {
		r.t.Fatal(err)
	}
	if path != "/srv/rescue/sales_eu-00000001-00000002-0003-20260102T030405.rescue" {
		r.t.Errorf("path %s", path)
	}
	return s, r.read(disk.CrashClone(1, 0), path) // what a power cut now would leave
}

// read gives a file's bytes.
func (r *rig) read(disk *fsx.Mem, path string) []byte {
	r.t.Helper()
	f, err := disk.Open(path)
	if err != nil {
		r.t.Fatalf("the file is not durable: %v", err)
	}
	size, err := f.Size()
	if err != nil {
		r.t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil {
		r.t.Fatal(err)
	}
	return data
}

func (r *rig) sql(data []byte, f rescue.Filter) string {
	r.t.Helper()
	var b strings.Builder
	if err := rescue.WriteScript(&b, bytes.NewReader(data), f); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// same compares tables of both databases by their rows, exactly.
func (r *rig) same(tables map[string]string) {
	r.t.Helper()
	for table, order := range tables {
		q := "SELECT * FROM " + table + " ORDER BY " + order
		if got, want := r.run("base", q), r.run("lost", q); got != want || want == "" {
			r.t.Errorf("%s after the script:\n%s\nwant\n%s", table, got, want)
		}
	}
}

const setup = `CREATE TABLE keyed (id int NOT NULL PRIMARY KEY, name nvarchar(100) NULL, amount decimal(30,5) NULL)
CREATE TABLE ident (id bigint IDENTITY(10,5) PRIMARY KEY, v varchar(max) NULL)
CREATE TABLE heap (a int NULL, b varchar(20) NULL)
CREATE TABLE texts (k nvarchar(40) COLLATE Latin1_General_CI_AS NOT NULL, n int NOT NULL, x int, CONSTRAINT pk PRIMARY KEY (k, n DESC))
CREATE TABLE pairs (id int PRIMARY KEY, u int NOT NULL UNIQUE)
CREATE TABLE parent (id int PRIMARY KEY)
CREATE TABLE child (id int PRIMARY KEY, p int NOT NULL REFERENCES parent(id) ON DELETE CASCADE)
CREATE TABLE same (id int PRIMARY KEY)
INSERT keyed VALUES (1, N'one', 1.5), (2, N'two', NULL), (3, N'three', 3)
INSERT ident (v) VALUES ('a'), ('b')
INSERT heap VALUES (1, 'x'), (1, 'x'), (2, 'X'), (NULL, 'x '), (7, NULL)
INSERT texts VALUES (N'a', 1, 1), (N'a', 2, 2), (N'b', 1, 3), (N'é', 1, 4)
INSERT pairs VALUES (1, 10), (2, 20)
INSERT parent VALUES (1), (2)
INSERT child VALUES (1, 1), (2, 2)
INSERT same VALUES (1), (2)`

const tail = `UPDATE keyed SET name = N'it''s' + NCHAR(10) + N'GO' + NCHAR(10) + N'$(PATH) 長崎' WHERE id = 2
DELETE keyed WHERE id = 3
INSERT keyed VALUES (4, NULL, -12345678901234567890.12345), (-5, N'', 0)
INSERT ident (v) VALUES (REPLICATE(CONVERT(varchar(max), 'long'), 100000)), ('gone')
DELETE ident WHERE v = 'gone'
UPDATE TOP (1) heap SET b = 'y' WHERE a = 1
DELETE heap WHERE a = 2
UPDATE heap SET a = 3 WHERE a IS NULL
INSERT heap VALUES (1, 'x'), (1, 'X')
UPDATE texts SET k = N'A' WHERE n = 2
UPDATE texts SET x = NULL WHERE k = N'é'
INSERT texts VALUES (N'Z', 0, 0)
DELETE texts WHERE k = N'b'
UPDATE pairs SET u = 30 - u
DELETE child WHERE id = 2
DELETE parent WHERE id = 2
INSERT parent VALUES (3)
INSERT child VALUES (3, 3)`

// The script, run on the fork, gives the tail: rows, identity values and keys.
func TestScriptGivesTheTail(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork(setup, tail)
	s, data := r.save()
	if s.Inserted != 8 || s.Deleted != 5 || s.Updated != 7 || len(s.Tables) != 7 || s.Changes != 0 {
		t.Errorf("summary %+v", s)
	}
	r.script("base", r.sql(data, rescue.Filter{}))
	r.same(map[string]string{"keyed": "id", "ident": "id", "texts": "k, n", "pairs": "id", "parent": "id", "child": "id", "same": "id",
		"heap": "a, CONVERT(varbinary(20), b)"})
	q := "SELECT IDENT_CURRENT('ident')"
	if got, want := r.run("base", q), r.run("lost", q); got != want {
		t.Errorf("identity %s, want %s", got, want)
	}
	r.run("base", "BEGIN TRY INSERT child VALUES (9, 99) END TRY BEGIN CATCH IF ERROR_NUMBER() <> 547 THROW END CATCH")
	if again, _ := r.save(); !again.Empty() {
		t.Errorf("after the script there is still %s", again)
	}
}

// Every type that a column can have comes through.
func TestTypes(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"bit": "1", "tinyint": "255", "smallint": "-32768", "int": "-2147483648", "bigint": "-9223372036854775808", "decimal(38,10)": "-1234567890123456789012345678.0123456789",
		"decimal(9,2)": "-1.25", "money": "-922337203685477.5808", "smallmoney": "214748.3647", "real": "1.1e-30", "float": "0.1e0", "date": "'0001-01-01'", "time(3)": "'23:59:59.999'",
		"smalldatetime": "'2079-06-06T23:59:00'", "datetime": "'1753-01-01T00:00:00.003'", "datetime2(7)": "'9999-12-31T23:59:59.9999999'",
		"datetimeoffset(2)": "'2026-03-04T05:06:07.89-11:30'", "char(5)": "'a'", "varchar(9)": "'a''é  '", "nchar(4)": "N'長'", "nvarchar(max)": "N'x' + NCHAR(13) + NCHAR(10) + N'GO'",
		"text": "'t'", "ntext": "N'n'", "binary(4)": "0x01", "varbinary(max)": "0x00FF", "image": "0x", "uniqueidentifier": "'6F9619FF-8B86-D011-B42D-00C04FC964FF'",
		"xml": "N'<a b=\"1\"/>'",
	}
	r := newRig(t)
	var setup, tail strings.Builder
	tables := map[string]string{}
	for name, value := range types {
		n := len(tables)
		fmt.Fprintf(&setup, "CREATE TABLE t%d (id int PRIMARY KEY, v %s NULL); CREATE TABLE h%[1]d (v %[2]s NULL); INSERT t%[1]d VALUES (1, NULL), (2, %[3]s), (3, %[3]s); INSERT h%[1]d VALUES (%[3]s)\n", n, name, value)
		fmt.Fprintf(&tail, "UPDATE t%d SET v = %s WHERE id = 1; UPDATE t%[1]d SET v = NULL WHERE id = 2; DELETE t%[1]d WHERE id = 3; INSERT t%[1]d VALUES (4, %[2]s); DELETE h%[1]d; INSERT h%[1]d VALUES (NULL), (%[2]s), (%[2]s)\n", n, value)
		tables[fmt.Sprintf("t%d", n)] = "id"
	}
	r.fork(setup.String(), tail.String())
	_, data := r.save()
	r.script("base", r.sql(data, rescue.Filter{}))
	r.same(tables)
	if s, _ := r.save(); len(s.Tables) > 0 {
		t.Errorf("after the script there is still %s: %+v", s, s.Tables)
	}
}

// Definitions that the tail changed come through as well.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork(`CREATE TABLE old (id int PRIMARY KEY, a int NULL, b varchar(10) NOT NULL CONSTRAINT df_b DEFAULT 'x', c int)
CREATE INDEX ix_a ON old (a)
CREATE TABLE gone (id int PRIMARY KEY REFERENCES old (id))
INSERT old VALUES (1, 1, 'one', 1), (2, 2, 'two', 2)
GO
CREATE VIEW v AS SELECT id FROM old
GO
CREATE PROCEDURE p AS SELECT 1`,
		`DROP TABLE gone
GO
CREATE SCHEMA extra
GO
DROP VIEW v
DROP PROCEDURE p
DROP INDEX ix_a ON old
ALTER TABLE old DROP COLUMN c
ALTER TABLE old ADD d int NOT NULL CONSTRAINT df_d DEFAULT 7
ALTER TABLE old ALTER COLUMN a bigint NULL
EXEC sp_rename 'old', 'renamed'
EXEC sp_rename 'renamed.b', 'bb', 'COLUMN'
CREATE UNIQUE INDEX ux_a ON renamed (a)
ALTER TABLE renamed ADD CONSTRAINT ck CHECK (d > 0)
CREATE TABLE extra.fresh (id int IDENTITY PRIMARY KEY, o int REFERENCES renamed (id), n nvarchar(10) DEFAULT N'q', twice AS (id * 2))
GO
CREATE VIEW extra.w AS SELECT id,
-- a line
d FROM renamed
GO
UPDATE renamed SET a = 5000000000 WHERE id = 1
INSERT renamed (id, a, bb) VALUES (3, 3, 'three')
INSERT extra.fresh (o) VALUES (3), (NULL)`)
	s, data := r.save()
	if s.Changes < 8 {
		t.Errorf("summary %+v", s)
	}
	r.script("base", r.sql(data, rescue.Filter{}))
	r.same(map[string]string{"renamed": "id", "extra.fresh": "id", "extra.w": "id",
		"(SELECT t.name AS t, c.name AS c, c.system_type_id, c.is_nullable, c.is_identity, c.is_computed FROM sys.tables t JOIN sys.columns c ON c.object_id = t.object_id) x": "t, c",
		"(SELECT name, type, is_ms_shipped FROM sys.objects WHERE type IN ('U', 'V', 'P', 'D', 'C') AND name NOT LIKE '%[_][_]%') x":                                           "name",
		"(SELECT name, is_unique, type FROM sys.indexes WHERE name NOT LIKE '%[_][_]%') x":                                                                                     "name"})
}

func TestShow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork("CREATE TABLE t (id int PRIMARY KEY, n nvarchar(9)); CREATE TABLE u (id bigint PRIMARY KEY); INSERT t VALUES (1, N'a'), (2, N'b')",
		"UPDATE t SET n = N'it''s' WHERE id = 1; DELETE t WHERE id = 2; INSERT t VALUES (3, NULL); INSERT u VALUES (9)")
	_, data := r.save()
	var text, lines strings.Builder
	if err := rescue.WriteText(&text, bytes.NewReader(data), rescue.Filter{Table: "dbo.T"}); err != nil {
		t.Fatal(err)
	}
	want := `What only sqlserver1 had of database sales/eu
  after LSN 00000001:00000002:0003 up to 00000001:00000009:0001
  link: DAG_sales
  loss: everything after 1:2:3
table dbo.t
  ~ id=1 n: N'a' → N'it''s'
  - id=2 n=N'b'
  + id=3 n=NULL
4 rows of 2 tables (2 inserted, 1 updated, 1 deleted) after LSN 00000001:00000002:0003 up to 00000001:00000009:0001
`
	if text.String() != want {
		t.Errorf("text:\n%s\nwant\n%s", text.String(), want)
	}
	if err := rescue.WriteJSON(&lines, bytes.NewReader(data), rescue.Filter{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"table":"dbo.t","op":"update","old":{"id":1,"n":"a"},"new":{"id":1,"n":"it's"}}`, `{"table":"dbo.u","op":"insert","new":{"id":9}}`,
		`"fork":"00000001:00000002:0003"`, `{"summary":{"fork":`,
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("JSON lacks %s:\n%s", want, lines.String())
		}
	}
	if got := r.sql(data, rescue.Filter{Table: "u"}); strings.Contains(got, "[t]") || !strings.Contains(got, "INSERT INTO [dbo].[u] ([id]) VALUES (9)") {
		t.Errorf("script of one table:\n%s", got)
	}
}

// Whatever is changed in a file, or cut off it, is found.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork(setup, tail)
	_, data := r.save()
	read := func(b []byte) error {
		return rescue.WriteJSON(new(strings.Builder), bytes.NewReader(b), rescue.Filter{})
	}
	if err := read(data); err != nil {
		t.Fatal(err)
	}
	step := max(1, len(data)/500)
	for i := 0; i < len(data); i += step {
		if err := read(data[:i]); !errors.Is(err, rescue.ErrTruncated) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		b := bytes.Clone(data)
		b[i] ^= 1
		if err := read(b); err == nil {
			t.Fatalf("a flipped bit at %d was not found", i)
		}
	}
}
