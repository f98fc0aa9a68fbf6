package exec_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/exec"
)

var (
	tInt  = sqltype.Type{Kind: sqltype.Int}
	tText = sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}
)

func text(s string) sqlapi.Param { return sqlapi.Param{Type: tText, Value: sqltype.NVarCharOf(s)} }

func number(name string, n int64) sqlapi.Param {
	return sqlapi.Param{Name: name, Type: tInt, Value: sqltype.IntOf(sqltype.Int, n)}
}

func call(t testing.TB, s *exec.Session, c sqlapi.Call) string {
	t.Helper()
	var out script
	must(t, s.Call(context.Background(), c, &out))
	return out.String()
}

func want(t testing.TB, got, wanted string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(wanted) {
		t.Errorf("got\n%s\nwant\n%s", got, wanted)
	}
}

// What drivers call: statements with parameters by number, prepared ones, procedures by name, output parameters.
func TestCalls(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	s := srv.session(t, 51)
	run(t, s, "CREATE TABLE t (id int PRIMARY KEY, v nvarchar(10))")
	insert := sqlapi.Call{ID: sqlapi.ProcExecuteSQL, Params: []sqlapi.Param{
		text("INSERT t VALUES (@p1, @p2)"), text("@p1 bigint, @p2 nvarchar(10)"), number("@p1", 1), {Name: "@p2", Type: tText, Value: sqltype.NVarCharOf("x")}}}
	want(t, call(t, s, insert), "done in procedure rows=1\nstatus 0")
	want(t, call(t, s, insert), `Msg 2627, Level 14, State 1, Line 1: Violation of PRIMARY KEY constraint 'PK__t__3213E83F' …`[:0]+
		firstLine(call(t, s, insert))+"\nMsg 3621, Level 0, State 1, Line 1: The statement has been terminated.\ndone in procedure failed\nstatus 0")

	out := sqlapi.Call{ID: sqlapi.ProcExecuteSQL, Params: []sqlapi.Param{
		{Name: "@stmt", Type: tText, Value: sqltype.NVarCharOf("SELECT @n = COUNT(*) FROM t")}, {Name: "@params", Type: tText, Value: sqltype.NVarCharOf("@n int OUTPUT")},
		{Name: "@n", Type: tInt, Value: sqltype.NullOf(sqltype.Int), Output: true}}}
	want(t, call(t, s, out), "done in procedure\nstatus 0\nreturned @n int = 1")

	prep := sqlapi.Call{ID: sqlapi.ProcPrepExec, Params: []sqlapi.Param{
		{Type: tInt, Value: sqltype.NullOf(sqltype.Int), Output: true}, text("@a int"), text("SELECT @a AS a"), number("", 5)}}
	want(t, call(t, s, prep), "a int\n  5\ndone in procedure rows=1\nstatus 0\nreturned  int = 1")
	want(t, call(t, s, sqlapi.Call{ID: sqlapi.ProcExecute, Params: []sqlapi.Param{number("", 1), number("", 6)}}), "a int\n  6\ndone in procedure rows=1\nstatus 0")
	want(t, call(t, s, sqlapi.Call{ID: sqlapi.ProcUnprepare, Params: []sqlapi.Param{number("", 1)}}), "status 0")
	want(t, call(t, s, sqlapi.Call{ID: sqlapi.ProcExecute, Params: []sqlapi.Param{number("", 1), number("", 6)}}),
		"Msg 8179, Level 16, State 1, Line 1: Could not find prepared statement with handle 1.")

	want(t, call(t, s, sqlapi.Call{Name: "dbo.[sp_double]", Params: []sqlapi.Param{number("@in", 4), {Name: "@out", Type: tInt, Value: sqltype.NullOf(sqltype.Int), Output: true}}}),
		"status 7\nreturned @out int = 8")
	want(t, call(t, s, sqlapi.Call{Name: "nosuch"}), "Msg 2812, Level 16, State 62, Line 1: Could not find stored procedure 'nosuch'.")
	want(t, call(t, s, sqlapi.Call{ID: sqlapi.ProcCursorOpen}),
		"Msg 40510, Level 16, State 1, Line 1: Statement 'sp_cursoropen' is not supported in this version of SQL Server.")
}

func firstLine(s string) string { l, _, _ := strings.Cut(s, "\n"); return l }

// The transaction manager's requests and a reset.
func TestTransactionRequests(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	s := srv.session(t, 51)
	run(t, s, "CREATE TABLE t (id int PRIMARY KEY)")
	tx := func(r sqlapi.TxRequest) string {
		var out script
		must(t, s.Transaction(context.Background(), r, &out))
		return out.String()
	}
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxBegin, Isolation: 2}), "env begin\ndone")
	run(t, s, "INSERT t VALUES (1)")
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxSave, Name: "s"}), "done")
	run(t, s, "INSERT t VALUES (2)")
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxRollback, Name: "s"}), "done")
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxCommit, BeginNext: true}), "env commit\nenv begin\ndone")
	run(t, s, "INSERT t VALUES (3)")
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxRollback}), "env rollback\ndone")
	want(t, tx(sqlapi.TxRequest{Kind: sqlapi.TxCommit}), "Msg 3902, Level 16, State 1: The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
	want(t, run(t, s, "SELECT id FROM t"), "id int\n  1\ndone rows=1")

	run(t, s, "SET NOCOUNT ON; SET LOCK_TIMEOUT 5; USE db2; BEGIN TRAN")
	var out script
	must(t, s.Reset(context.Background(), false, &out))
	want(t, out.String(), "env rollback\nenv 1 db1")
	want(t, run(t, s, "SELECT @@TRANCOUNT AS t, @@LOCK_TIMEOUT AS l, DB_NAME() AS d"), "t int | l int | d nvarchar(128)\n  0 | -1 | db1\ndone rows=1")
}

// An attention ends what runs, at once, whatever it waits for, and the session goes on.
func TestAttention(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	a, b := srv.session(t, 51), srv.session(t, 52)
	run(t, a, "CREATE TABLE t (id int PRIMARY KEY); INSERT t VALUES (1), (2), (3)")
	run(t, a, "BEGIN TRAN; INSERT t VALUES (4)")
	for name, text := range map[string]string{
		"waiting for the writer": "INSERT t VALUES (5)",
		"a delay":                "WAITFOR DELAY '23:00:00'",
		"a loop":                 "WHILE 1 = 1 DECLARE @a int",
		"a query":                "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT COUNT(*) FROM n OPTION (MAXRECURSION 0)",
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(20*time.Millisecond, func() { cancel(sqlapi.ErrAttention) })
		var out script
		if err := b.Batch(ctx, text, &out); !errors.Is(err, sqlapi.ErrAttention) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	want(t, run(t, a, "COMMIT"), "env commit\ndone")
	want(t, run(t, b, "INSERT t VALUES (5); SELECT COUNT(*) AS c FROM t"), "done rows=1\nc int\n  5\ndone rows=1")
}

// Close waits for what runs and rolls back; a transaction of a client that is gone holds nobody up.
func TestClose(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	a, b := srv.session(t, 51), srv.session(t, 52)
	run(t, a, "CREATE TABLE t (id int PRIMARY KEY); BEGIN TRAN; INSERT t VALUES (1)")
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		var out script
		out.onRow = func() error { close(started); return nil }
		done <- a.Batch(context.Background(), "SELECT 1 AS x; WAITFOR DELAY '23:00:00'", &out)
	}()
	<-started
	must(t, a.Close())
	must(t, a.Close())
	if err := <-done; !errors.Is(err, exec.ErrClosed) {
		t.Errorf("the running batch ended with %v", err)
	}
	if err := a.Batch(context.Background(), "SELECT 1", &script{}); !errors.Is(err, exec.ErrClosed) {
		t.Errorf("a closed session answers %v", err)
	}
	want(t, run(t, b, "SELECT COUNT(*) AS c FROM t"), "c int\n  0\ndone rows=1")
}

// Sessions that write the same table get their turns, and each statement sees all that was acknowledged before.
func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	run(t, srv.session(t, 50), "CREATE TABLE t (id int IDENTITY PRIMARY KEY, who int, n int)")
	const sessions, each = 8, 25
	var wg sync.WaitGroup
	for i := range sessions {
		s := srv.session(t, 60+i)
		wg.Go(func() {
			for n := range each {
				got := run(t, s, fmt.Sprintf("SET NOCOUNT ON; INSERT t (who, n) VALUES (%d, %d); SELECT COUNT(*) AS c FROM t WHERE who = %d", i, n, i))
				if !strings.Contains(got, fmt.Sprintf("\n  %d\n", n+1)) {
					t.Errorf("session %d after its insert %d sees %s", i, n, got)
				}
			}
		})
	}
	wg.Wait()
	want(t, run(t, srv.session(t, 51), "SELECT COUNT(*) AS c, MAX(id) AS m FROM t"), "c int | m int\n  200 | 200\ndone rows=1")
}

func BenchmarkInsert(b *testing.B) {
	srv := newServer(b)
	s := srv.session(b, 51)
	run(b, s, "CREATE TABLE t (id int IDENTITY PRIMARY KEY, n int, v nvarchar(60), f float)")
	c := sqlapi.Call{ID: sqlapi.ProcExecuteSQL, Params: []sqlapi.Param{
		text("INSERT t (n, v, f) VALUES (@p1, @p2, @p3)"), text("@p1 int, @p2 nvarchar(60), @p3 float"), number("@p1", 1),
		{Name: "@p2", Type: tText, Value: sqltype.NVarCharOf(strings.Repeat("x", 60))}, {Name: "@p3", Type: sqltype.Type{Kind: sqltype.Float, Prec: 53}, Value: sqltype.FloatOf(sqltype.Float, 1.5)}}}
	b.ReportAllocs()
	for b.Loop() {
		call(b, s, c)
	}
}

func BenchmarkSelect(b *testing.B) {
	srv := newServer(b)
	s := srv.session(b, 51)
	run(b, s, "CREATE TABLE t (id int PRIMARY KEY, v nvarchar(60)); INSERT t VALUES (1, N'x'), (2, N'y')")
	c := sqlapi.Call{ID: sqlapi.ProcExecuteSQL, Params: []sqlapi.Param{text("SELECT v FROM t WHERE id = @p1"), text("@p1 int"), number("@p1", 1)}}
	b.ReportAllocs()
	for b.Loop() {
		call(b, s, c)
	}
}

func BenchmarkLoop(b *testing.B) {
	srv := newServer(b)
	s := srv.session(b, 51)
	for b.Loop() {
		run(b, s, "DECLARE @i int = 0 WHILE @i < 1000 SET @i = @i + 1")
	}
}

func BenchmarkAdHocInsert(b *testing.B) {
	srv := newServer(b)
	s := srv.session(b, 51)
	run(b, s, "CREATE TABLE t (id int IDENTITY PRIMARY KEY, n int, v nvarchar(60), f float)")
	i := 0
	for b.Loop() {
		i++
		run(b, s, fmt.Sprintf("INSERT t (n, v, f) VALUES (%d, N'row %d', 1.5)", i, i))
	}
}

// Views about sessions look while the sessions run.
func TestActivity(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	s := srv.session(t, 51)
	if got := s.Activity(); got != (exec.Activity{Database: "db1"}) {
		t.Errorf("before the first request: %+v", got)
	}
	var during exec.Activity
	out := script{onRow: func() error { during = s.Activity(); return nil }}
	must(t, s.Batch(context.Background(), "USE db2; BEGIN TRAN; SELECT 1 AS x", &out))
	if !during.Running || s.Activity() != (exec.Activity{Database: "db2", Transactions: 1, Requests: 1}) {
		t.Errorf("during %+v, after %+v", during, s.Activity())
	}
}

// A killed session holds nobody up, even one whose client is idle inside a transaction.
func TestKill(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	a, b := srv.session(t, 51), srv.session(t, 52)
	run(t, a, "CREATE TABLE t (id int PRIMARY KEY); BEGIN TRAN; INSERT t VALUES (1)")
	cause := errors.New("killed by an administrator")
	a.Kill(cause)
	want(t, run(t, b, "SET LOCK_TIMEOUT 5000; INSERT t VALUES (2); SELECT id FROM t"), "done rows=1\nid int\n  2\ndone rows=1")
	if err := a.Batch(context.Background(), "SELECT 1", &script{}); !errors.Is(err, cause) {
		t.Errorf("a killed session answers %v", err)
	}
}
