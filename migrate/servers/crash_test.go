package servers

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/sqlclient"
)

// mortal speaks with a server until its time has come: the statement of that number is sent or not, its answer never
// comes, and nothing is sent after it, as when the process was killed.
type mortal struct {
	speaker
	left int  // statements until then
	sent bool // the last one reaches the server
}

func (m *mortal) Query(ctx context.Context, text string, args ...any) (*sqlclient.Result, error) {
	m.left--
	if m.left > 0 {
		return m.speaker.Query(ctx, text, args...)
	}
	if m.left == 0 && m.sent {
		if r, err := m.speaker.Query(ctx, text, args...); err != nil {
			return r, err
		}
	}
	return new(sqlclient.Result), io.ErrUnexpectedEOF
}

// dying runs f with servers that die at each statement, before and after it reached the server, until f gets through.
func dying(t *testing.T, s *Server, f func(label string, mortal *Server) (through bool)) {
	t.Helper()
	for n := 1; ; n++ {
		for _, sent := range []bool{false, true} {
			x := open(t, Options{Target: s.o.Target})
			m := &mortal{left: n, sent: sent}
			x.dial = func(ctx context.Context, target sqlclient.Target) (speaker, error) {
				if m.speaker != nil {
					return nil, io.ErrUnexpectedEOF
				}
				var err error
				m.speaker, err = dial(ctx, target)
				return m, err
			}
			if f(fmt.Sprintf("d%d%t", n, sent), x) {
				return
			}
		}
	}
}

// Killed between any two statements, TakeTail goes on where it was: one backup, the database closed, nothing lost.
func TestKilledWhileTheTailIsTaken(t *testing.T) {
	t.Parallel()
	src, _, folder := pair(t)
	deaths := 0
	dying(t, src, func(name string, mortal *Server) bool {
		shop(t, src, name)
		tail := Tail{Database: name, Activity: "a", Number: 1, File: filepath.Join(folder, name+".trn")}
		_, first := mortal.TakeTail(t.Context(), tail)
		if deaths++; deaths > 100 {
			t.Fatal("it never gets through")
		}
		id, err := src.TakeTail(t.Context(), tail)
		if err != nil {
			t.Errorf("%s: after %v: %v", name, first, err)
			return first == nil
		}
		d, err := src.standing(t.Context(), name)
		if err != nil || d.state != stateRestoring || d.history[0].uuid != id || len(d.history) != 2 {
			t.Errorf("%s: after %v it stands so: %+v, %v", name, first, d, err)
		}
		if files, _ := filepath.Glob(filepath.Join(folder, name+"*.trn")); len(files) != 1 {
			t.Errorf("%s: files %v", name, files)
		}
		return first == nil
	})
	if deaths < 10 {
		t.Errorf("it was killed %d times only", deaths)
	}
}

// Killed between any two statements, Reopen goes on: the database takes writers from everybody.
func TestKilledWhileTheSourceIsGivenBack(t *testing.T) {
	t.Parallel()
	src, _, folder := pair(t)
	dying(t, src, func(name string, mortal *Server) bool {
		shop(t, src, name)
		if _, err := src.TakeTail(t.Context(), Tail{Database: name, Activity: "a", Number: 1, File: filepath.Join(folder, name+".trn")}); err != nil {
			t.Fatal(err)
		}
		first := mortal.Reopen(t.Context(), name)
		if err := src.Reopen(t.Context(), name); err != nil {
			t.Errorf("%s: after %v: %v", name, first, err)
		}
		if got := state(t, src, name); got != "ONLINE MULTI_USER" {
			t.Errorf("%s: after %v it is %s", name, first, got)
		}
		must(t, src, "INSERT INTO "+name+".dbo.orders(what) VALUES (N'"+strings.Repeat("x", 10)+"')")
		return first == nil
	})
}
