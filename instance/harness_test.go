package instance_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password is the administrator's in every test.
const password = "Tests-only-1"

// settable is a clock that tells the time it was given, and waits by the machine's.
type settable struct {
	clock.Clock
	mu  sync.Mutex
	now time.Time
}

func newSettable() *settable {
	return &settable{Clock: clock.System, now: time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)}
}

func (s *settable) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *settable) set(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// counted is repeatable randomness, so that names of folders are the same in each run.
type counted struct {
	mu sync.Mutex
	n  uint64
}

func (c *counted) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for done := 0; done < len(b); {
		c.n++
		sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("tests"), c.n))
		done += copy(b[done:], sum[:])
	}
	return len(b), nil
}

var _ io.Reader = (*counted)(nil)

// options are those of a SQL Server on a memory disk.
func options() instance.Options {
	return instance.Options{Name: "sqlserver1", Kind: instance.SQLServer, FS: fsx.NewMem(), Dir: "/srv", Clock: newSettable(), Rand: new(counted),
		Password: password, Addresses: []string{"127.0.0.1"}}
}

// managed are those of a managed instance.
func managed() instance.Options {
	o := options()
	o.Name, o.Kind, o.FQDN = "sqlmi1", instance.ManagedInstance, "sqlmi1.linkspan.test"
	return o
}

func open(t testing.TB, o instance.Options) *instance.Instance {
	t.Helper()
	in, err := instance.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, in) })
	return in
}

func shut(t testing.TB, in *instance.Instance) {
	t.Helper()
	if err := in.Close(); err != nil {
		t.Errorf("close instance: %v", err)
	}
}

// logIn opens a session as the administrator.
func logIn(t testing.TB, in *instance.Instance) sqlapi.Session {
	t.Helper()
	s, err := in.Login(context.Background(), sqlapi.Login{User: "sa", Password: password, AppName: "tests"}, new(answer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// query gives what a batch answers.
func query(t testing.TB, s sqlapi.Session, text string) string {
	t.Helper()
	out := new(answer)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Batch(ctx, text, out); err != nil {
		fmt.Fprintf(out, "session ended: %v\n", err)
	}
	return out.String()
}

// must runs a batch that raises no error.
func must(t testing.TB, s sqlapi.Session, text string) string {
	t.Helper()
	got := query(t, s, text)
	if strings.Contains(got, "Msg ") || strings.Contains(got, "session ended") {
		t.Fatalf("%s\n%s", text, got)
	}
	return got
}

// refused runs a batch that raises the error.
func refused(t testing.TB, s sqlapi.Session, number int, text string) string {
	t.Helper()
	got := query(t, s, text)
	if !strings.Contains(got, fmt.Sprintf("Msg %d,", number)) {
		t.Fatalf("%s\nwant error %d, got\n%s", text, number, got)
	}
	return got
}

// answer is a sink that writes down rows and messages as sqlcmd would, briefly.
type answer struct {
	strings.Builder
	cols []sqlapi.Column
}

func (a *answer) Columns(cols []sqlapi.Column) error {
	a.cols = append([]sqlapi.Column(nil), cols...)
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	fmt.Fprintln(a, strings.Join(names, " | "))
	return nil
}

func (a *answer) Row(row []sqltype.Value) error {
	if len(row) != len(a.cols) {
		return fmt.Errorf("%d values for %d columns", len(row), len(a.cols))
	}
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = cell(v, a.cols[i].Type)
	}
	fmt.Fprintln(a, "  "+strings.Join(cells, " | "))
	return nil
}

func cell(v sqltype.Value, t sqltype.Type) string {
	if !v.Valid {
		return "NULL"
	}
	if v.K != t.Kind {
		return fmt.Sprintf("a value of kind %v in a column of type %s", v.K, t)
	}
	if t.Kind.IsBinary() {
		return fmt.Sprintf("0x%X", v.S)
	}
	style := 0
	if t.Kind == sqltype.DateTime {
		style = 121
	}
	c, err := sqltype.Convert(v, t, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, style)
	if err != nil {
		return err.Error()
	}
	return c.S
}

// varying are what differs between runs or with the size of the catalog.
var varying = regexp.MustCompile(`Processed \d+ pages|processed \d+ pages in [0-9.]+ seconds \([0-9.]+ MB/sec\)|\d+ pages of database '[^']*' were read again from the disk, as of LSN \d+`)

func (a *answer) Message(e *sqlerr.Error) error {
	text := varying.ReplaceAllString(e.Message, "… pages")
	if !e.IsError() {
		fmt.Fprintf(a, "message %d: %s\n", e.Number, text)
		return nil
	}
	fmt.Fprintf(a, "Msg %d, Level %d, State %d, Line %d: %s\n", e.Number, e.Severity, e.State, e.Line, text)
	return nil
}

func (a *answer) Done(sqlapi.Done) error           { return nil }
func (a *answer) ReturnStatus(int32) error         { return nil }
func (a *answer) ReturnValue(p sqlapi.Param) error { return nil }
func (a *answer) Env(sqlapi.EnvChange) error       { return nil }

// lockedBuffer takes a log from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// logger logs everything into l.
func (l *lockedBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// eventually waits for something that happens by itself.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !happened(); {
		if time.Now().After(end) {
			t.Fatalf("it does not come that %s", what)
		}
		runtime.Gosched()
	}
}
