package backup_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"linkspan/backup"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/storage"
)

// fullDisk is a sink that takes nothing after its first frames.
type fullDisk struct{ left int }

var errFull = errors.New("the disk is full")

func (f *fullDisk) Data(int, []byte) error {
	synctest.Wait() // so that everything that can be read ahead was
	if f.left--; f.left < 0 {
		return errFull
	}
	return nil
}

func (f *fullDisk) Log(int, []byte) error { return nil }

// ticking is a clock on which everything takes a while.
type ticking struct{ now time.Time }

func (c *ticking) Now() time.Time {
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *ticking) After(d time.Duration) (<-chan time.Time, func()) { return clock.Machine.After(d) }

// TestBackupEndsWhileItReadsAhead fails and cancels backups whose reader has all it may hold, and leaves nothing running.
func TestBackupEndsWhileItReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := create(t, storage.Options{FS: fsx.NewMem(), Dir: "/db"})
		must(t, db, "CREATE TABLE t(a)", "INSERT INTO t VALUES (randomblob(16000000))")
		for left := range 4 {
			sink := &fullDisk{left: left}
			if _, err := backup.WriteFull(t.Context(), db, backup.Target{Sink: sink, Stripes: 1, Set: setID}); !errors.Is(err, errFull) {
				t.Errorf("a disk full after %d frames gave %v", left, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		stop := func(done, _ int64) { // beside a writer, so that the backup pauses when it is cancelled
			if synctest.Wait(); done > 600 {
				must(t, db, "INSERT INTO t VALUES (1)")
				cancel()
			}
		}
		if _, err := backup.WriteFull(ctx, db, backup.Target{Sink: &fullDisk{left: 100}, Stripes: 1, Set: setID, Progress: stop, Clock: new(ticking)}); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled backup gave %v", err)
		}
	})
}
