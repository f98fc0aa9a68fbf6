package tdsserver_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tdsserver"
)

func TestLoginAndSelect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		encrypt string
		packet  uint16
		want    int
	}{{"true", 4096, 4096}, {"strict", 4096, 4096}, {"true", 32767, 16383}, {"true", 1024, 1024}} {
		t.Run(fmt.Sprint(c.encrypt, c.packet), func(t *testing.T) {
			t.Parallel()
			s := start(t, &backend{})
			db := s.db(t, "encrypt="+c.encrypt+"&database=sales&app+name=tester&ApplicationIntent=ReadOnly", func(m *msdsn.Config) { m.PacketSize = c.packet })
			var n int
			if err := db.QueryRowContext(t.Context(), "select 1").Scan(&n); err != nil || n != 1 {
				t.Fatalf("got %d, %v", n, err)
			}
			l := s.b.last(t)
			if l.User != "sa" || l.Database != "sales" || l.AppName != "tester" || !l.Encrypted || !l.ReadOnlyIntent || l.Library != "go-mssqldb" || l.ClientPID == 0 || l.PacketSize != c.want {
				t.Errorf("the backend saw %+v", l)
			}
		})
	}
}

func TestEncryptionOptional(t *testing.T) {
	t.Parallel()
	for encrypt, whole := range map[string]bool{"disable": false, "false": false, "true": true} {
		t.Run(encrypt, func(t *testing.T) {
			t.Parallel()
			s := start(t, &backend{}, func(o *tdsserver.Options) { o.Encryption = tdsserver.Optional })
			// A long application name makes the login longer than one packet, of which only the first is encrypted.
			db := s.db(t, "encrypt="+encrypt, func(m *msdsn.Config) {
				m.PacketSize, m.AppName, m.Workstation, m.Database = 1024, strings.Repeat("a", 128), strings.Repeat("w", 128), strings.Repeat("d", 128)
			})
			for range 3 {
				var n int
				if err := db.QueryRow("select 1").Scan(&n); err != nil {
					t.Fatal(err)
				}
			}
			if l := s.b.last(t); l.Encrypted != whole || l.AppName != strings.Repeat("a", 128) {
				t.Errorf("the backend saw %+v", l)
			}
		})
	}
}

func TestEncryptionRequiredRefusesPlainText(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	db := s.db(t, "encrypt=disable", func(m *msdsn.Config) { m.TLSConfig = &tls.Config{RootCAs: s.ca.pool, ServerName: "localhost"} })
	if err := db.Ping(); err != nil { // the driver encrypts after all when the server asks for it
		t.Fatal(err)
	}
	if !s.b.last(t).Encrypted {
		t.Error("the session is not encrypted")
	}
}

func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	b := &backend{login: func(l sqlapi.Login) error {
		switch l.Database {
		case "missing":
			return sqlerr.New(4060, "missing")
		case "broken":
			return errors.New("the disk burns; details that are none of a client's business")
		}
		return nil
	}}
	s := start(t, b)
	for _, c := range []struct{ params, want string }{
		{"encrypt=true&database=missing", `Cannot open database "missing" requested by the login`},
		{"encrypt=true&database=broken", "Login failed for user 'sa'."},
		{"encrypt=true&user+id=eve&password=x", "Login failed for user 'eve'."},
	} {
		db := s.db(t, c.params)
		if err := db.Ping(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "burns") {
			t.Errorf("%s: %v", c.params, err)
		}
	}
	if n := s.Sessions(); n != 0 || b.open.Load() != 0 {
		t.Errorf("%d sessions after refusals", n)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{}, func(o *tdsserver.Options) { o.MaxConnections = 2 })
	db := s.db(t, "encrypt=true")
	var held []*sql.Conn
	for range 2 {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	_, err := db.Conn(t.Context())
	var e mssql.Error
	if !errors.As(err, &e) || e.Number != 17809 {
		t.Fatalf("the third connection: %v", err)
	}
	held[0].Raw(func(any) error { return errors.New("drop it") }) //nolint:errcheck // the error is the point
	_ = held[0].Close()
	_ = held[1].Close()
	if err := db.Ping(); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

func TestResultSetsAndCounts(t *testing.T) {
	t.Parallel()
	b := &backend{batches: map[string]script{
		"run three": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
			return errors.Join(
				rows(out, []sqlapi.Column{intColumn("a")}, intRow(1), intRow(2)),
				out.Done(sqlapi.Done{Command: sqlapi.CmdInsert, Rows: 5, HasRows: true}),
				rows(out, []sqlapi.Column{intColumn("b"), intColumn("c")}),
				rows(out, []sqlapi.Column{intColumn("d")}, intRow(7)))
		},
		"run update": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
			return out.Done(sqlapi.Done{Command: sqlapi.CmdUpdate, Rows: 1 << 33, HasRows: true})
		},
		"run nothing": func(context.Context, *session, sqlapi.ResultSink) error { return nil },
	}}
	db := start(t, b).db(t, "encrypt=true")
	r, err := db.Query("run three")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for {
		cols, _ := r.Columns()
		n := 0
		for r.Next() {
			n++
		}
		got = append(got, fmt.Sprint(cols, n))
		if !r.NextResultSet() {
			break
		}
	}
	if s := strings.Join(got, " "); r.Err() != nil || s != "[a] 2 [b c] 0 [d] 1" {
		t.Errorf("got %s, %v", s, r.Err())
	}
	res, err := db.Exec("run update")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n != 1<<33 {
		t.Errorf("%d rows affected", n)
	}
	if _, err := db.Exec("run nothing"); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	b := &backend{batches: map[string]script{
		"two errors": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
			return errors.Join(
				out.Message(sqlerr.New(2627, "PRIMARY KEY", "PK_t", "dbo.t", "1").WithLine(3).WithProcedure("dbo.p").WithState(2)),
				out.Message(sqlerr.New(3621).WithLine(3)),
				out.Done(sqlapi.Done{Command: sqlapi.CmdInsert}),
				rows(out, []sqlapi.Column{intColumn("a")}, intRow(1)))
		},
		"raise error": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
			return out.Message(sqlerr.Raise(50001, 16, 7, "ünïcode 𝄞").WithLine(9))
		},
		"run fatal": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
			return sqlerr.New(823, "5", "read", "0x0", "f")
		},
		"run internal": func(_ context.Context, _ *session, out sqlapi.ResultSink) error { return errors.New("secret") },
		"run panic":    func(_ context.Context, _ *session, out sqlapi.ResultSink) error { panic("a defect") },
	}}
	s := start(t, b)
	db := s.db(t, "encrypt=true")
	db.SetMaxIdleConns(-1)
	_, err := db.Exec("two errors")
	var e mssql.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if f := e; f.Number != 2627 || f.Class != 14 || f.State != 2 || f.LineNo != 3 || f.ProcName != "dbo.p" || f.ServerName != "testserver" || !strings.HasPrefix(f.Message, "Violation of PRIMARY KEY") {
		t.Errorf("first error %+v", f)
	}
	if _, err = db.Exec("raise error"); !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if f := e; f.Number != 50001 || f.State != 7 || f.LineNo != 9 || f.Message != "ünïcode 𝄞" {
		t.Errorf("second error %+v", f)
	}
	for _, batch := range []string{"run fatal", "run internal", "run panic"} {
		_, err := db.Exec(batch)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", batch, err)
		}
		if batch != "run panic" && (!errors.As(err, &e) || e.Class < 20) {
			t.Errorf("%s: %#v", batch, err)
		}
		eventually(t, "the session to end", func() bool { return b.open.Load() == 0 })
		if err := db.Ping(); err != nil {
			t.Errorf("after %s: %v", batch, err)
		}
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	var kinds []string
	b := &backend{batches: map[string]script{"run work": func(_ context.Context, s *session, out sqlapi.ResultSink) error {
		kinds = append(kinds, fmt.Sprint("work ", s.tx))
		return out.Done(sqlapi.Done{})
	}}}
	db := start(t, b).db(t, "encrypt=true")
	for i := range 4 {
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("run work"); err != nil {
			t.Fatal(err)
		}
		end := tx.Commit
		if i%2 == 1 {
			end = tx.Rollback
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	if s := strings.Join(kinds, ","); s != "work 1,work 2,work 3,work 4" {
		t.Error(s)
	}
}

func TestPoolResetsSessions(t *testing.T) {
	t.Parallel()
	b := &backend{batches: map[string]script{"run seen": func(_ context.Context, s *session, out sqlapi.ResultSink) error {
		return rows(out, []sqlapi.Column{intColumn("n")}, intRow(int64(s.seen)))
	}}}
	s := start(t, b)
	db := s.db(t, "encrypt=true")
	db.SetMaxOpenConns(1)
	for range 5 {
		var n int
		if err := db.QueryRow("run seen").Scan(&n); err != nil || n != 1 {
			t.Fatalf("the session has seen %d batches, %v", n, err)
		}
	}
	if n := b.resets.Load(); n < 4 {
		t.Errorf("%d resets", n)
	}
	if n := b.nextID.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestProcedures(t *testing.T) {
	t.Parallel()
	b := &backend{call: func(_ context.Context, _ *session, c sqlapi.Call, out sqlapi.ResultSink) error {
		if c.Name != "dbo.addup" {
			return out.Message(sqlerr.New(2812, c.Name))
		}
		err := errors.Join(
			rows(out, []sqlapi.Column{intColumn("n")}, intRow(int64(len(c.Params)))),
			out.ReturnStatus(-7))
		sum := c.Params[0].Value.N + c.Params[2].Value.N
		for _, p := range c.Params {
			if !p.Output {
				continue
			}
			v := sqltype.IntOf(sqltype.BigInt, sum)
			if p.Type.Kind == sqltype.NVarChar {
				v = sqltype.NVarCharOf(strings.Repeat("ß", 5000))
			}
			err = errors.Join(err, out.ReturnValue(sqlapi.Param{Name: strings.ToUpper(p.Name), Type: p.Type, Value: v}))
		}
		return err
	}}
	db := start(t, b).db(t, "encrypt=true")
	var status mssql.ReturnStatus
	var sum int64
	var text string
	_, err := db.Exec("dbo.addup", sql.Named("a", 40), sql.Named("total", sql.Out{Dest: &sum}), sql.Named("b", 2), sql.Named("text", sql.Out{Dest: &text}), &status)
	if err != nil || sum != 42 || status != -7 || text != strings.Repeat("ß", 5000) {
		t.Errorf("sum %d, status %d, %d characters, %v", sum, status, len(text), err)
	}
	var e mssql.Error
	if _, err = db.Exec("dbo.nothing"); !errors.As(err, &e) || e.Number != 2812 {
		t.Error(err)
	}
}

func TestTableParameterIsRefusedByName(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	db := s.db(t, "encrypt=true")
	type row struct{ ID int64 }
	_, err := db.Exec("dbo.p", mssql.TVP{TypeName: "dbo.IDList", Value: []row{{1}, {2}}})
	if err == nil || !strings.Contains(err.Error(), "table type dbo.IDList") {
		t.Errorf("got %v", err)
	}
	if err := db.Ping(); err != nil || s.b.nextID.Load() != 1 {
		t.Errorf("the connection did not survive: %v, %d logins", err, s.b.nextID.Load())
	}
}

func TestThousandConnections(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	db := s.db(t, "encrypt=true")
	db.SetMaxIdleConns(-1)
	for range 1000 {
		var n int
		if err := db.QueryRow("select 1").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the sessions to end", func() bool { return s.Sessions() == 0 && s.b.open.Load() == 0 })
	if n := s.b.nextID.Load(); n != 1000 {
		t.Errorf("%d logins", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{}, func(o *tdsserver.Options) { o.MaxLogins = 8 }) // newcomers wait
	db := s.db(t, "encrypt=true")
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for range 100 {
		wg.Go(func() {
			c, err := db.Conn(t.Context())
			if err == nil {
				defer c.Close()
				err = c.PingContext(t.Context())
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLargeValuesAndRequests(t *testing.T) {
	t.Parallel()
	b := &backend{call: echo, batches: map[string]script{}}
	s := start(t, b, func(o *tdsserver.Options) { o.MaxRequest = 4 << 20 })
	db := s.db(t, "encrypt=true")
	db.SetMaxIdleConns(-1)
	big := strings.Repeat("0123456789äöü", 100_000)
	var back string
	if err := db.QueryRow("run echo", big).Scan(&back); err != nil || back != big {
		t.Fatalf("%d characters came back of %d, %v", len(back), len(big), err)
	}
	_, err := db.Exec("select 1 -- " + strings.Repeat("x", 3<<20))
	var e mssql.Error
	if !errors.As(err, &e) || e.Number != 4004 {
		t.Errorf("a request above the limit: %v", err)
	}
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
}

// echo is sp_executesql that gives its parameters back as a row, and in its output parameters.
func echo(_ context.Context, _ *session, c sqlapi.Call, out sqlapi.ResultSink) error {
	if c.ID != sqlapi.ProcExecuteSQL || len(c.Params) < 2 {
		return out.Message(sqlerr.New(2812, c.Name))
	}
	var cols []sqlapi.Column
	var row []sqltype.Value
	for _, p := range c.Params[2:] {
		cols = append(cols, sqlapi.Column{Name: strings.TrimPrefix(p.Name, "@"), Type: p.Type, Nullable: true})
		row = append(row, p.Value)
	}
	return rows(out, cols, row)
}
