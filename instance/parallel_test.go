package instance_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"linkspan/sqlapi"
)

// TestParallelSessions makes, uses, renames and drops databases in many sessions at once, while others list them, log in
// and are killed. No session may see anything but success or the refusals that fit, and nothing is left behind.
func TestParallelSessions(t *testing.T) {
	t.Parallel()
	o := options()
	in := open(t, o)
	const workers, rounds = 4, 6
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { churn(t, in, w, rounds) })
	}
	wg.Go(func() { watch(t, in, 4*rounds) })
	wg.Go(func() { contend(t, in, rounds) })
	wg.Wait()
	s := logIn(t, in)
	if got := must(t, s, "SELECT name FROM sys.databases WHERE database_id > 4; SELECT COUNT(*) FROM sys.dm_exec_sessions"); got != "name\n\n  1\n" {
		t.Errorf("left behind:\n%s", got)
	}
	entries, err := o.FS.ReadDir("/srv/databases")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("files left behind: %v", entries)
	}
}

// enter logs in without ending the test's goroutine.
func enter(in backend) (sqlapi.Session, error) {
	return in.Login(context.Background(), sqlapi.Login{User: "sa", Password: password, AppName: "tests"}, new(answer))
}

type backend interface {
	Login(ctx context.Context, l sqlapi.Login, out sqlapi.ResultSink) (sqlapi.Session, error)
}

// batch is query for goroutines: it gives what was answered, the end of the session included.
func batch(s sqlapi.Session, text string) string {
	out := new(answer)
	if err := s.Batch(context.Background(), text, out); err != nil {
		fmt.Fprintf(out, "session ended: %v\n", err)
	}
	return out.String()
}

// churn gives one name a whole life, again and again.
func churn(t *testing.T, in backend, w, rounds int) {
	for r := range rounds {
		s, err := enter(in)
		if err != nil {
			t.Error(err)
			return
		}
		name, other := fmt.Sprintf("db%d", w), fmt.Sprintf("other%d", w)
		for _, text := range []string{
			"CREATE DATABASE " + name, "USE " + name,
			fmt.Sprintf("CREATE TABLE t(a int); INSERT t VALUES(%d)", r), "BACKUP DATABASE " + name + " TO DISK = 'NUL'",
			"SELECT a FROM t", "USE master", "ALTER DATABASE " + name + " MODIFY NAME = " + other,
			"ALTER DATABASE " + other + " SET OFFLINE", "ALTER DATABASE " + other + " SET ONLINE",
			"SELECT a FROM " + other + ".dbo.t", "DROP DATABASE " + other,
		} {
			if got := batch(s, text); strings.Contains(got, "Msg ") || strings.Contains(got, "ended") {
				t.Errorf("%s: %s", text, got)
			} else if strings.HasPrefix(text, "SELECT") && got != fmt.Sprintf("a\n  %d\n", r) {
				t.Errorf("%s: %s", text, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// watch reads every view while databases come and go, and kills its neighbour.
func watch(t *testing.T, in backend, rounds int) {
	for range rounds {
		s, err := enter(in)
		if err != nil {
			t.Error(err)
			return
		}
		got := batch(s, `SELECT * FROM sys.databases; SELECT * FROM sys.dm_linkspan_databases; SELECT * FROM sys.dm_linkspan_database_digest;
			SELECT * FROM sys.dm_exec_sessions; SELECT * FROM sys.database_recovery_status; SELECT * FROM msdb.dbo.backupset`)
		if strings.Contains(got, "Msg ") {
			t.Errorf("views: %s", got)
		}
		victim, err := enter(in)
		if err != nil {
			t.Error(err)
			return
		}
		if got := batch(s, fmt.Sprintf("KILL %d", victim.ID())); got != "" {
			t.Errorf("KILL: %s", got)
		}
		if got := batch(victim, "SELECT 1"); !strings.Contains(got, "596") {
			t.Errorf("a killed session: %s", got)
		}
		if err := victim.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// contend has two sessions fight over one name: one wins each time, the other is told 1801, 3701 or 3702.
func contend(t *testing.T, in backend, rounds int) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, err := enter(in)
			if err != nil {
				t.Error(err)
				return
			}
			for range rounds {
				for _, text := range []string{"CREATE DATABASE fought", "USE fought", "SELECT DB_ID()", "USE master", "DROP DATABASE fought"} {
					got := batch(s, text)
					if strings.Contains(got, "Msg ") && !strings.Contains(got, "Msg 1801,") && !strings.Contains(got, "Msg 3701,") &&
						!strings.Contains(got, "Msg 3702,") && !strings.Contains(got, "Msg 911,") {
						t.Errorf("%s: %s", text, got)
					}
				}
			}
			batch(s, "DROP DATABASE IF EXISTS fought")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
