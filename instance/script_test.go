package instance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"linkspan/instance"
	"linkspan/sqlapi"
)

// TestScripts runs testdata/*: T-SQL and a few verbs in, rows and messages out.
//
//	sql [on=NAME]                 run a batch in a session, opened at first use as the administrator
//	login user= password= [database=]  try to log in
//	as NAME password= [database=] open the session NAME as the login NAME
//	leave on=NAME                 close a session
//	restart                       close the instance and open it again on the same disk
//	clock YYYY-MM-DD              set the time
func TestScripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Parallel()
		o := options()
		if strings.Contains(path, "managed") {
			o = managed()
		}
		w := &world{t: t, o: o, in: open(t, o), sessions: map[string]sqlapi.Session{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			return w.do(d)
		})
	})
}

// world is one instance and the sessions a script has open.
type world struct {
	t        *testing.T
	o        instance.Options
	in       *instance.Instance
	sessions map[string]sqlapi.Session
}

func (w *world) do(d *datadriven.TestData) string {
	on := "main"
	d.MaybeScanArgs(w.t, "on", &on)
	switch d.Cmd {
	case "sql":
		return w.sql(on, d.Input)
	case "login":
		return w.login(d)
	case "as":
		return w.as(d)
	case "leave":
		w.leave(on)
		return ""
	case "restart":
		for name := range w.sessions {
			w.leave(name)
		}
		shut(w.t, w.in)
		w.in = open(w.t, w.o)
		return ""
	case "clock":
		now, err := time.Parse(time.DateOnly, d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(w.t, "%v", err)
		}
		w.o.Clock.(*settable).set(now)
		return ""
	default:
		d.Fatalf(w.t, "unknown verb %q", d.Cmd)
		return ""
	}
}

func (w *world) sql(on, text string) string {
	s := w.sessions[on]
	if s == nil {
		s = logIn(w.t, w.in)
		w.sessions[on] = s
	}
	got := query(w.t, s, text)
	if strings.Contains(got, "session ended") {
		w.leave(on)
	}
	if got == "" {
		return "ok\n"
	}
	return got
}

func (w *world) login(d *datadriven.TestData) string {
	var l sqlapi.Login
	d.ScanArgs(w.t, "user", &l.User)
	d.ScanArgs(w.t, "password", &l.Password)
	d.MaybeScanArgs(w.t, "database", &l.Database)
	out := new(answer)
	s, err := w.in.Login(context.Background(), l, out)
	if err != nil {
		return err.Error() + "\n"
	}
	defer s.Close()
	return fmt.Sprintf("session\n%s", out)
}

func (w *world) as(d *datadriven.TestData) string {
	l := sqlapi.Login{User: d.CmdArgs[0].Key}
	d.ScanArgs(w.t, "password", &l.Password)
	d.MaybeScanArgs(w.t, "database", &l.Database)
	w.leave(l.User)
	s, err := w.in.Login(context.Background(), l, new(answer))
	if err != nil {
		return err.Error() + "\n"
	}
	w.t.Cleanup(func() { _ = s.Close() })
	w.sessions[l.User] = s
	return "ok\n"
}

func (w *world) leave(name string) {
	s := w.sessions[name]
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		w.t.Errorf("close session %s: %v", name, err)
	}
	delete(w.sessions, name)
}
