package instance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/instance"
	"linkspan/internal/fsx"
	"linkspan/sqlapi"
)

// tailWorld is a server whose database db1 has a full backup and one row, and whose log can be kept from the disk.
type tailWorld struct {
	t      *testing.T
	in     *instance.Instance
	admin  sqlapi.Session
	folder string

	mu   sync.Mutex // protects the rest
	gate chan struct{}
	held chan struct{}
}

func newTailWorld(t *testing.T) *tailWorld {
	o, folder := withFolder(t)
	w := &tailWorld{t: t, in: open(t, o), folder: folder}
	w.admin = logIn(t, w.in)
	must(t, w.admin, "CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int); INSERT db1.dbo.t VALUES (1)")
	must(t, w.admin, "BACKUP DATABASE db1 TO DISK = 'full.bak'")
	dir := folderOf(t, o.FS, 5)
	o.FS.(*fsx.Mem).SetHook(func(op fsx.Op) error {
		w.mu.Lock()
		gate, held := w.gate, w.held
		w.mu.Unlock()
		if gate == nil || op.Kind != fsx.OpSync || !strings.HasPrefix(op.Name, dir+"/vlf-") {
			return nil
		}
		select {
		case held <- struct{}{}:
		default:
		}
		<-gate
		return nil
	})
	t.Cleanup(w.release)
	return w
}

// commitOnItsWay has a session in db1 insert the row, whose commit stays between the log and the disk until release, and
// ends the session there.
func (w *tailWorld) commitOnItsWay(row int) {
	w.t.Helper()
	s, err := enter(w.in)
	if err != nil {
		w.t.Fatal(err)
	}
	must(w.t, s, "USE db1")
	w.mu.Lock()
	w.gate, w.held = make(chan struct{}), make(chan struct{}, 1)
	held := w.held
	w.mu.Unlock()
	ended := w.later(s, fmt.Sprintf("INSERT t VALUES (%d)", row))
	<-held
	must(w.t, w.admin, "ALTER DATABASE db1 SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
	if got := <-ended; !strings.Contains(got, "Msg 596,") && !strings.Contains(got, "session ended") {
		w.t.Errorf("the session that was ended got %s", got)
	}
	_ = s.Close()
}

// release lets the log reach the disk.
func (w *tailWorld) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gate != nil {
		close(w.gate)
		w.gate = nil
	}
}

// later runs a batch and tells what it answered when it has.
func (w *tailWorld) later(s sqlapi.Session, text string) <-chan string {
	c := make(chan string, 1)
	go func() { c <- batch(s, text) }()
	return c
}

// untilQuiet returns when the backup keeps writers out of db1, or wrote its set to the history without that.
func (w *tailWorld) untilQuiet() {
	w.t.Helper()
	s := logIn(w.t, w.in)
	must(w.t, s, "SET LOCK_TIMEOUT 0")
	eventually(w.t, "the tail-log backup keeps writers out", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		out := new(answer)
		err := s.Batch(ctx, "DELETE db1.dbo.t WHERE a = 0", out) // its answer waits for the disk, unless it gets no turn
		return err == nil && strings.Contains(out.String(), "Msg 1222,") || w.tails() > 0
	})
}

// tails counts the log backups in the history.
func (w *tailWorld) tails() int {
	got := must(w.t, w.admin, "SELECT type FROM msdb.dbo.backupset")
	return strings.Count(got, "  L\n")
}

// TestTailHoldsCommitsOnTheirWay takes the tail while the commit of a session that was ended for it is on its way to the
// disk, and while somebody writes from another database: what the source has afterwards, the backups have.
func TestTailHoldsCommitsOnTheirWay(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"norecovery": "NORECOVERY", "standby": "STANDBY = 'undo'"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTailWorld(t)
			writer, taker := logIn(t, w.in), logIn(t, w.in)
			w.commitOnItsWay(2)
			taken := w.later(taker, "BACKUP LOG db1 TO DISK = 'tail.trn' WITH "+option)
			w.untilQuiet()
			written := w.later(writer, "INSERT db1.dbo.t VALUES (3)")
			w.release()
			if got := <-taken; strings.Contains(got, "Msg ") {
				t.Fatalf("the tail-log backup: %s", got)
			}
			late := <-written
			if name == "norecovery" {
				must(t, w.admin, "RESTORE DATABASE db1 WITH STANDBY = 'undo'")
			}
			must(t, w.admin, "RESTORE DATABASE copy FROM DISK = 'full.bak' WITH NORECOVERY; RESTORE LOG copy FROM DISK = 'tail.trn'")
			source := must(t, w.admin, "SELECT a FROM db1.dbo.t ORDER BY a")
			if target := must(t, w.admin, "SELECT a FROM copy.dbo.t ORDER BY a"); source != target {
				t.Errorf("the source has\n%sthe target\n%s", source, target)
			}
			if source != "a\n  1\n  2\n" {
				t.Errorf("the source has\n%s", source)
			}
			if !strings.Contains(late, "Msg ") {
				t.Errorf("who wrote from another database was told %s", late)
			}
			refused(t, w.admin, 3036, "BACKUP LOG db1 TO DISK = 'again.trn' WITH NORECOVERY")
			must(t, w.admin, "RESTORE DATABASE db1 WITH RECOVERY; INSERT db1.dbo.t VALUES (4)")
		})
	}
}

// TestTailGivenUp cancels a tail-log backup that waits for the disk, and has another fail: the database is as before.
func TestTailGivenUp(t *testing.T) {
	t.Parallel()
	w := newTailWorld(t)
	taker := logIn(t, w.in)
	w.commitOnItsWay(2)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- taker.Batch(ctx, "BACKUP LOG db1 TO DISK = 'tail.trn' WITH NORECOVERY", new(answer)) }()
	w.untilQuiet()
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a cancelled tail-log backup tells of no error")
		}
	case <-time.After(20 * time.Second):
		t.Error("a cancelled tail-log backup waits for the disk")
	}
	w.release()
	refused(t, w.admin, 3013, "BACKUP LOG db1 TO DISK = '/elsewhere/tail.trn' WITH NORECOVERY")
	if n := w.tails(); n != 0 {
		t.Errorf("the history has %d tails that never were", n)
	}
	if _, err := os.Stat(filepath.Join(w.folder, "tail.trn")); !os.IsNotExist(err) {
		t.Errorf("the backup that was given up left a file: %v", err)
	}
	must(t, w.admin, "ALTER DATABASE db1 SET MULTI_USER; INSERT db1.dbo.t VALUES (3)")
	if got := must(t, w.admin, "SELECT a FROM db1.dbo.t ORDER BY a"); got != "a\n  1\n  2\n  3\n" {
		t.Errorf("the database has\n%s", got)
	}
	must(t, w.admin, "BACKUP LOG db1 TO DISK = 'tail.trn' WITH NORECOVERY")
}

// TestLogAfterRecovery recovers a database whose tail was taken: the log backup that comes next tells that it continues the
// log before, the one after that is on the new fork alone, and all of them restore in one chain.
func TestLogAfterRecovery(t *testing.T) {
	t.Parallel()
	w := newTailWorld(t)
	header := func(column string) string {
		return must(t, w.admin, "SELECT "+column+" FROM sys.database_recovery_status WHERE database_id = DB_ID('db1')")
	}
	old := header("recovery_fork_guid")
	must(t, w.admin, "BACKUP DATABASE db1 TO DISK = 'base.bak'; BACKUP LOG db1 TO DISK = 'tail.trn' WITH NORECOVERY; RESTORE DATABASE db1 WITH RECOVERY")
	must(t, w.admin, "BACKUP LOG db1 TO DISK = 'empty.trn' WITH NORECOVERY; RESTORE DATABASE db1 WITH RECOVERY") // of a fork that holds nothing
	must(t, w.admin, "ALTER DATABASE db1 SET MULTI_USER; INSERT db1.dbo.t VALUES (30)")
	if now := header("recovery_fork_guid"); now == old {
		t.Error("the recovered database is on the fork that it left")
	}
	if first := header("first_recovery_fork_guid AS recovery_fork_guid"); first != old {
		t.Errorf("the next log begins on fork %s, the database left %s", first, old)
	}
	must(t, w.admin, "BACKUP LOG db1 TO DISK = 'crossing.trn'; INSERT db1.dbo.t VALUES (31); BACKUP LOG db1 TO DISK = 'after.trn'")
	for file, crosses := range map[string]bool{"tail.trn": false, "crossing.trn": true, "after.trn": false} {
		f, err := os.Open(filepath.Join(w.folder, file))
		if err != nil {
			t.Fatal(err)
		}
		m, err := bak.ReadMediaStream(f, bak.Options{})
		if err := errors.Join(err, f.Close()); err != nil || len(m.Sets) != 1 {
			t.Fatalf("%s: %v %v", file, m, err)
		}
		if h := m.Sets[0]; (h.FirstForkID != h.RecoveryForkID) != crosses || h.ForkPoint.IsZero() == crosses {
			t.Errorf("%s goes from fork %s to %s at %s", file, h.FirstForkID, h.RecoveryForkID, h.ForkPoint)
		}
	}
	must(t, w.admin, "RESTORE DATABASE db2 FROM DISK = 'base.bak' WITH NORECOVERY; RESTORE LOG db2 FROM DISK = 'tail.trn' WITH NORECOVERY;"+
		" RESTORE LOG db2 FROM DISK = 'crossing.trn' WITH NORECOVERY; RESTORE LOG db2 FROM DISK = 'after.trn'")
	if got := must(t, w.admin, "SELECT a FROM db2.dbo.t WHERE a >= 30 ORDER BY a"); got != "a\n  30\n  31\n" {
		t.Errorf("restored it has\n%s", got)
	}
}
