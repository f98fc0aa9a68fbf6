package exec_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/exec"
	"linkspan/tsql/sqlfn"
)

// server stands for the instance around the engine: databases on a memory disk and the bare minimum of everything else.
type server struct {
	t      testing.TB
	engine *exec.Engine
	clock  clock.Clock

	mu        sync.Mutex // protects databases
	databases map[string]*database
}

type database struct {
	id       int
	name     string
	db       *storage.DB
	cat      *catalog.Cache
	ids      *catalog.Identities
	readOnly bool
	state    error
}

func (d *database) ID() int                         { return d.id }
func (d *database) Name() string                    { return d.name }
func (d *database) Storage() (*storage.DB, error)   { return d.db, d.state }
func (d *database) Catalog() *catalog.Cache         { return d.cat }
func (d *database) Identities() *catalog.Identities { return d.ids }
func (d *database) ReadOnly() bool                  { return d.readOnly }
func (d *database) Views() rel.Views                { return noViews{} }

type noViews struct{}

func (noViews) View(string, string) *rel.View { return nil }

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, databases: map[string]*database{}, clock: clock.System}
	for i, name := range []string{"master", "db1", "db2", "tempdb"} {
		s.create(i+1, name)
	}
	var err error
	s.engine, err = exec.New(exec.Options{Databases: s, Admin: s, Procedures: s, Functions: s, ServerName: "sqlserver1",
		Version: "Linkspan", Service: "MSSQLSERVER", Clock: s.clock,
		Random: func(b []byte) { _, _ = rand.Read(b) }})
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func prepare(c *sqlite3.Conn) error {
	if err := sqlfn.Register(c, new(sqlfn.Env)); err != nil {
		return err
	}
	return bind.Register(c)
}

func (s *server) create(id int, name string) {
	s.t.Helper()
	ctx := context.Background()
	db, err := storage.Create(ctx, storage.Options{FS: fsx.NewMem(), Dir: "/" + name, Name: name, NoSync: true, Prepare: prepare})
	must(s.t, err)
	s.t.Cleanup(func() { _ = db.Close() })
	w, err := db.Writer(ctx)
	must(s.t, err)
	must(s.t, catalog.Init(w, catalog.InitOptions{Now: s.clock.Now()}))
	at, err := w.Commit(ctx)
	must(s.t, err)
	must(s.t, db.WaitHardened(ctx, at))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[name] = &database{id: id, name: name, db: db, cat: new(catalog.Cache), ids: catalog.NewIdentities()}
}

func (s *server) Find(name string) (exec.Database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.databases[strings.ToLower(name)]; d != nil {
		return d, nil
	}
	return nil, sqlerr.New(911, name)
}

func (s *server) Enter(name string, _ exec.Caller) (exec.Database, error) { return s.Find(name) }
func (s *server) Leave(exec.Database)                                     {}

// Run shows which statement reached the instance; one of them makes a database read-only.
func (s *server) Run(_ context.Context, c exec.Caller, st ast.Statement, out sqlapi.ResultSink) error {
	if a, ok := st.(*ast.AlterDatabase); ok && len(a.Set) == 1 {
		s.databases[strings.ToLower(a.Name)].readOnly = a.Set[0].Name == "READ_ONLY"
		return nil
	}
	text := strings.TrimPrefix(fmt.Sprintf("%T", st), "*ast.") + " in " + c.Database
	if b, ok := st.(*ast.Backup); ok {
		lit, _ := b.To[0].Value.(*ast.Literal)
		text += " of " + b.Database.Name + " to " + lit.Text
	}
	return out.Message(sqlerr.Raise(0, 0, 1, text))
}

// Procedure brings two procedures along: one with rows, one with parameters.
func (s *server) Procedure(name string) *exec.Procedure {
	integer := sqltype.Type{Kind: sqltype.Int}
	switch strings.ToLower(name) {
	case "sp_get_endpoint_certificate":
		return &exec.Procedure{Name: name, Params: []exec.Param{{Name: "@endpoint_type", Type: integer}},
			Run: func(_ context.Context, _ exec.Caller, a []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
				if err := out.Columns([]sqlapi.Column{{Name: "EndpointCertificatePublicKey", Type: sqltype.Type{Kind: sqltype.VarBinary, Len: 8000}, Nullable: true}}); err != nil {
					return 1, err
				}
				return 0, out.Row([]sqltype.Value{sqltype.BytesOf(sqltype.VarBinary, []byte{0x30, byte(a[0].N)})})
			}}
	case "sp_double":
		return &exec.Procedure{Name: name, Params: []exec.Param{{Name: "@in", Type: integer}, {Name: "@out", Type: integer, Output: true, Optional: true}},
			Run: func(_ context.Context, _ exec.Caller, a []sqltype.Value, _ sqlapi.ResultSink) (int32, error) {
				if !a[0].Valid {
					return 1, sqlerr.New(15151, "double", "number", "NULL")
				}
				a[1] = sqltype.IntOf(sqltype.Int, 2*a[0].N)
				return 7, nil
			}}
	}
	return nil
}

func (s *server) Function(_ context.Context, _ exec.Caller, name string, _ []sqltype.Value) (sqltype.Value, error) {
	if name == "SERVERPROPERTY" {
		return sqltype.NVarCharOf("16.0.1"), nil
	}
	return sqltype.NullOf(sqltype.NVarChar), nil
}

func (s *server) session(t testing.TB, id int) *exec.Session {
	t.Helper()
	ses, err := s.engine.Open(context.Background(), exec.SessionOptions{ID: id, Database: "db1", Login: sqlapi.Login{User: "sa", AppName: "tests"}})
	must(t, err)
	t.Cleanup(func() { _ = ses.Close() })
	return ses
}

// script is a sink that writes down what it is given.
type script struct {
	strings.Builder
	cols []sqlapi.Column
	// onRow is called at each row, for tests that interrupt.
	onRow func() error
}

func (s *script) Columns(cols []sqlapi.Column) error {
	s.cols = append([]sqlapi.Column(nil), cols...)
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name + " " + c.Type.String()
	}
	fmt.Fprintln(s, strings.Join(names, " | "))
	return nil
}

func (s *script) Row(row []sqltype.Value) error {
	if s.onRow != nil {
		if err := s.onRow(); err != nil {
			return err
		}
	}
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = show(v, s.cols[i].Type)
	}
	fmt.Fprintln(s, "  "+strings.Join(cells, " | "))
	return nil
}

func show(v sqltype.Value, t sqltype.Type) string {
	if !v.Valid {
		return "NULL"
	}
	if t.Kind.IsBinary() {
		return fmt.Sprintf("0x%X", v.S)
	}
	c, err := sqltype.Convert(v, t, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, 0)
	if err != nil {
		return err.Error()
	}
	return c.S
}

func (s *script) Done(d sqlapi.Done) error {
	fmt.Fprint(s, "done")
	if d.InProc {
		fmt.Fprint(s, " in procedure")
	}
	if d.HasRows {
		fmt.Fprintf(s, " rows=%d", d.Rows)
	}
	if d.Failed {
		fmt.Fprint(s, " failed")
	}
	fmt.Fprintln(s)
	return nil
}

func (s *script) Message(e *sqlerr.Error) error {
	if e.Number == 0 {
		fmt.Fprintln(s, "print: "+e.Message)
		return nil
	}
	fmt.Fprintln(s, e)
	return nil
}

func (s *script) Env(c sqlapi.EnvChange) error {
	switch c.Kind {
	case sqlapi.EnvBeginTx:
		fmt.Fprintln(s, "env begin")
	case sqlapi.EnvCommitTx:
		fmt.Fprintln(s, "env commit")
	case sqlapi.EnvRollbackTx:
		fmt.Fprintln(s, "env rollback")
	default:
		fmt.Fprintf(s, "env %d %s\n", c.Kind, c.New)
	}
	return nil
}

func (s *script) ReturnStatus(n int32) error {
	fmt.Fprintf(s, "status %d\n", n)
	return nil
}

func (s *script) ReturnValue(p sqlapi.Param) error {
	fmt.Fprintf(s, "returned %s %s = %s\n", p.Name, p.Type, show(p.Value, p.Type))
	return nil
}

// run gives what a batch answers.
func run(t testing.TB, s *exec.Session, text string) string {
	t.Helper()
	var out script
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(t, s.Batch(ctx, text, &out))
	return out.String()
}
