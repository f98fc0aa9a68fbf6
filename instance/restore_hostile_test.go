package instance_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"linkspan/sqlerr"
)

// stopping is a client that gives up at the first message of progress.
type stopping struct {
	answer
	then func()
}

func (s *stopping) Message(e *sqlerr.Error) error {
	if e.Number == 3211 {
		s.then()
	}
	return s.answer.Message(e)
}

// bigDatabase makes a database of several frames.
const bigDatabase = `CREATE DATABASE big; CREATE TABLE big.dbo.t(a int PRIMARY KEY, b varchar(max));
	INSERT INTO big.dbo.t VALUES (1, REPLICATE(CAST('x' AS varchar(max)), 12000000))`

func TestCancelledBackupAndRestore(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	s := logIn(t, open(t, o))
	must(t, s, bigDatabase)
	folders := func() int {
		entries, err := o.FS.ReadDir("/srv/databases")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	cancelled := func(text string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		out := &stopping{then: cancel}
		if err := s.Batch(ctx, text, out); ctx.Err() == nil || err == nil && strings.Contains(out.String(), "Msg 3014") {
			t.Errorf("%s was not cancelled: %v\n%s", text, err, out.String())
		}
	}
	cancelled("BACKUP DATABASE big TO DISK = 'a.bak' WITH STATS = 1")
	for _, name := range []string{"a.bak", "a.bak.partial"} {
		if _, err := os.Stat(filepath.Join(folder, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after a cancelled backup there is %s: %v", name, err)
		}
	}
	must(t, s, "BACKUP DATABASE big TO DISK = 'a.bak'")
	before := folders()
	cancelled("RESTORE DATABASE again FROM DISK = 'a.bak' WITH STATS = 1")
	cancelled("RESTORE DATABASE big FROM DISK = 'a.bak' WITH REPLACE, STATS = 1")
	if got := folders(); got != before {
		t.Errorf("cancelled restores left %d folders, there were %d", got, before)
	}
	must(t, s, "RESTORE DATABASE again FROM DISK = 'a.bak'")
	if got := must(t, s, "SELECT LEN(b) FROM again.dbo.t; SELECT LEN(b) FROM big.dbo.t"); strings.Count(got, "12000000") != 2 {
		t.Errorf("after all: %s", got)
	}
}

// TestRestoreOverLongestName restores over a database whose name is as long as names are.
func TestRestoreOverLongestName(t *testing.T) {
	t.Parallel()
	o, _ := withFolder(t)
	s := logIn(t, open(t, o))
	name := strings.Repeat("n", 128)
	must(t, s, "CREATE DATABASE "+name)
	must(t, s, "CREATE TABLE "+name+".dbo.t(a int); INSERT INTO "+name+".dbo.t VALUES (1)")
	must(t, s, "BACKUP DATABASE "+name+" TO DISK = 'a.bak'")
	must(t, s, "RESTORE DATABASE "+name+" FROM DISK = 'a.bak' WITH REPLACE")
	if got := must(t, s, "SELECT COUNT(*) FROM "+name+".dbo.t"); !strings.Contains(got, "1") {
		t.Errorf("restored: %s", got)
	}
}

// TestRestoresAtOnce restores under many names and one name at once: each database has a number and files of its own,
// one of those with the same name wins, and all are there after a restart.
func TestRestoresAtOnce(t *testing.T) {
	t.Parallel()
	o, _ := withFolder(t)
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE a; CREATE TABLE a.dbo.t(a int); INSERT INTO a.dbo.t VALUES (1)")
	must(t, s, "BACKUP DATABASE a TO DISK = 'a.bak'")
	var all sync.WaitGroup
	answers := make([]string, 6)
	for i, name := range []string{"x", "y", "z", "same", "same", "same"} {
		s := logIn(t, in)
		all.Go(func() { answers[i] = query(t, s, "RESTORE DATABASE "+name+" FROM DISK = 'a.bak'") })
	}
	all.Wait()
	won := 0
	for i, got := range answers {
		if strings.Contains(got, "Msg 3014") || !strings.Contains(got, "Msg ") {
			won++
		} else if i < 3 || !strings.Contains(got, "Msg 1801") && !strings.Contains(got, "Msg 3159") && !strings.Contains(got, "Msg 3101") && !strings.Contains(got, "Msg 3154") {
			t.Errorf("restore %d: %s", i, got)
		}
	}
	if won < 4 {
		t.Errorf("%d restores succeeded, at least 4 should have: %q", won, answers)
	}
	_ = s.Close()
	shut(t, in)
	s = logIn(t, open(t, o))
	for _, name := range []string{"a", "x", "y", "z", "same"} {
		if got := must(t, s, "INSERT INTO "+name+".dbo.t VALUES (2); SELECT COUNT(*) FROM "+name+".dbo.t"); !strings.Contains(got, "2") {
			t.Errorf("%s after a restart: %s", name, got)
		}
	}
	if got := must(t, s, "SELECT COUNT(DISTINCT database_id) FROM sys.databases WHERE name IN ('a', 'x', 'y', 'z', 'same')"); !strings.Contains(got, "5") {
		t.Errorf("numbers: %s", got)
	}
}
