package servers

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/migrate/flow"
	"linkspan/sqlclient"
)

// moved makes a database with every type, moves it by its backups, and leaves the source closed by our tail.
func moved(t testing.TB, src, dst *Server, folder string) {
	t.Helper()
	shop(t, src, "db1")
	must(t, src, `USE db1;
CREATE TABLE dbo.kinds(id int PRIMARY KEY, a bit, b tinyint, c smallint, d bigint, e real, f float, g money, h smallmoney, i decimal(38,10), j date, k time(7), l datetime,
	m smalldatetime, n datetimeoffset(7), o uniqueidentifier, p varbinary(max), q binary(4), r char(5), s nchar(5), u varchar(max), v nvarchar(max), w xml, x AS id * 2);
INSERT INTO dbo.kinds(id, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, u, v, w) VALUES
	(1, 1, 255, -1, 9223372036854775807, 1.5, -0.1, 922337203685477.5807, -1.5, 1234567890123456789012345678.0123456789, '2026-02-03', '23:59:59.9999999', '2026-01-01T00:00:00.003',
	'2026-01-01T00:01', '2026-01-01T12:00:00+05:30', '00112233-4455-6677-8899-AABBCCDDEEFF', 0x0001, 0xFF, 'ä', N'Ω', 'text', N'日本', '<a b="1">x</a>');
INSERT INTO dbo.kinds(id) VALUES (2), (3);
CREATE TABLE dbo.[empty table](a int);
CREATE TABLE dbo.twice(a int); INSERT INTO dbo.twice VALUES (1), (1), (2);`)
	if _, err := src.TakeTail(t.Context(), Tail{Database: "db1", Activity: "a", Number: 1, File: filepath.Join(folder, "tail.trn")}); err != nil {
		t.Fatal(err)
	}
	must(t, dst, "RESTORE DATABASE db2 FROM DISK = 'db1.bak' WITH NORECOVERY")
	must(t, dst, "RESTORE LOG db2 FROM DISK = 'tail.trn' WITH RECOVERY")
}

func compare(t testing.TB, src, dst *Server) Comparison {
	t.Helper()
	c, err := Compare(t.Context(), src, "db1", dst, "db2")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBothSidesAreCompared(t *testing.T) {
	t.Parallel()
	src, dst, folder := pair(t)
	moved(t, src, dst, folder)
	c := compare(t, src, dst)
	if !c.Equal() || c.String() != "4 tables with 9 rows are the same on both sides, and so is every page at LSN "+c.Source.LSN {
		t.Errorf("after a move: %s\n%+v", c, c)
	}
	if c.Source.LSN == "" || c.Source.LSN != c.Target.LSN || c.Source.State != "STANDBY" || c.Target.State != "ONLINE" || c.Source.Pages == "" {
		t.Errorf("the sides are %+v, %+v", c.Source, c.Target)
	}
	if _, err := src.rows(t.Context(), "INSERT INTO db1.dbo.orders(what) VALUES (N'no')"); err == nil || !strings.Contains(err.Error(), "Msg 3906") {
		t.Errorf("the compared source takes writers: %v", err)
	}
	must(t, dst, "UPDATE db2.dbo.orders SET price = 2.51 WHERE id = 1; DELETE FROM db2.dbo.twice WHERE a = 2; INSERT INTO db2.dbo.twice VALUES (3)")
	must(t, dst, "USE db2; DROP TABLE dbo.kinds; CREATE TABLE dbo.kinds(id bigint); CREATE TABLE dbo.more(a int)")
	c = compare(t, src, dst)
	for _, says := range []string{"4 of 5 tables differ", "dbo.orders has 3 rows on both sides, and they differ", "dbo.twice has 3 rows on both sides, and they differ",
		"dbo.more is only on the target", "dbo.kinds: its columns are (a bit,", "on the source and (id bigint) on the target"} {
		if !strings.Contains(c.String(), says) {
			t.Errorf("%q is not said in: %s", says, c)
		}
	}
	must(t, dst, "USE db2; DELETE FROM dbo.orders WHERE id = 2")
	if c = compare(t, src, dst); c.Equal() || !strings.Contains(c.String(), "dbo.orders has 3 rows on the source and 2 on the target") {
		t.Errorf("a row less: %s", c)
	}
	if err := src.Reopen(t.Context(), "db1"); err != nil { // also from STANDBY
		t.Fatal(err)
	}
	if got := state(t, src, "db1"); got != "ONLINE MULTI_USER" {
		t.Errorf("given back after it was compared it is %s", got)
	}
	must(t, src, "INSERT INTO db1.dbo.orders(what) VALUES (N'yes')")
}

// A source that somebody restores is not touched, and the result says so.
func TestComparingLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	src, dst, _ := pair(t)
	shop(t, src, "db0")
	must(t, src, "RESTORE DATABASE db1 FROM DISK = 'db0.bak' WITH NORECOVERY")
	must(t, dst, "RESTORE DATABASE db2 FROM DISK = 'db0.bak'")
	c := compare(t, src, dst)
	if c.Equal() || !strings.Contains(c.Incomplete, "is RESTORING") || !strings.Contains(c.String(), "not touched") {
		t.Errorf("it says %q", c)
	}
	if len(c.Tables) != 1 || c.Tables[0].Target.Rows != 3 || c.Tables[0].Source.Present {
		t.Errorf("of the target it tells %+v", c.Tables)
	}
	if got := state(t, src, "db1"); !strings.HasPrefix(got, "RESTORING") {
		t.Errorf("the source's is %s", got)
	}
	_, err := Compare(t.Context(), src, "db0", dst, "nowhere")
	hindrance(t, err, "nowhere is not on")
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 5*3600+1800)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	seen := map[string]int{}
	for i, values := range [][]any{
		{nil}, {nil, nil}, {""}, {[]byte{}}, {false}, {true}, {int64(0)}, {int64(-1)}, {0.0}, {1.0}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {[]byte("ab"), ""},
		{at}, {at.In(zone)}, {at.Add(1)}, {"1"}, {int64(1)},
	} {
		d := new(digest)
		if err := d.add(values); err != nil {
			t.Fatal(err)
		}
		if j, twice := seen[d.String()]; twice {
			t.Errorf("rows %d and %d have one digest", i, j)
		}
		seen[d.String()] = i
	}
	if err := new(digest).add([]any{struct{}{}}); err == nil {
		t.Error("a value of no known type was taken")
	}
	a, b, once := new(digest), new(digest), new(digest)
	for _, n := range []int64{1, 2, 2} {
		_ = a.add([]any{n})
	}
	for _, n := range []int64{2, 1, 2} {
		_ = b.add([]any{n})
	}
	_ = once.add([]any{int64(1)})
	_ = once.add([]any{int64(2)})
	if a.String() != b.String() || a.rows != 3 || a.String() == once.String() {
		t.Errorf("%s %s %s", a, b, once)
	}
	// The form is part of reports that are kept: it MUST NOT change.
	if got := a.String(); got != "f4ee60dd15c8f480b736b86c555a08d1" {
		t.Errorf("the digest of 1, 2, 2 is %s", got)
	}
}

// busy is a target that an application writes to while it is read.
type busy struct {
	speaker
	write func()
}

func (b busy) Each(ctx context.Context, text string, row func([]any) error, args ...any) error {
	if strings.Contains(text, "FROM [dbo].[orders]") {
		b.write()
	}
	return b.speaker.Each(ctx, text, row, args...)
}

// A target that has writers already differs, and it is said why that may be.
func TestTargetThatHasWritersAlready(t *testing.T) {
	t.Parallel()
	src, dst, folder := pair(t)
	moved(t, src, dst, folder)
	reading := open(t, Options{Target: dst.o.Target, At: flow.AtTarget})
	reading.dial = func(ctx context.Context, target sqlclient.Target) (speaker, error) {
		c, err := dial(ctx, target)
		return busy{c, func() { must(t, dst, "INSERT INTO db2.dbo.orders(what) VALUES (N'new')") }}, err
	}
	c := compare(t, src, reading)
	if c.Equal() || c.Source.WentOn || !c.Target.WentOn || !strings.Contains(c.String(), "has 3 rows on the source and 4 on the target; the log of the target went on meanwhile") {
		t.Errorf("it says %s", c)
	}
}
