package storage_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// half makes a copy whose log ends in the middle of a large commit: in the segment of the commit before, or in one of its
// own.
func half(t *testing.T, o storage.Options, own bool) *storage.DB {
	t.Helper()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	replica := seed(t, source, o, 10, nil)
	if !own { // leaves room in a segment
		exec(t, source, "INSERT INTO t(b) VALUES (randomblob(1200000))")
		exec(t, source, "INSERT INTO t(b) VALUES (randomblob(1000000))")
		catchUp(t, source, replica, big)
	}
	before := source.Hardened()
	exec(t, source, "INSERT INTO t(b) VALUES (randomblob(1100000))")
	if same := source.Hardened().VLF == before.VLF; same == own {
		t.Fatalf("the commit before ends at %s, the large one at %s", before, source.Hardened())
	}
	r, err := source.LogReader(replica.Appended())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		b, err := r.Next(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if b.Digest != (storage.Digest{}) {
			t.Fatal("the commit came in one piece")
		}
		if _, err := replica.AppendLog(t.Context(), b.Records); err != nil {
			t.Fatal(err)
		}
	}
	return replica
}

// TestKilledWhileCuttingHalfACommit kills a copy at every change it makes to the disk while it drops half a commit, at its
// start and when it is promoted: it starts again each time.
func TestKilledWhileCuttingHalfACommit(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("own segment %v", own), func(t *testing.T) {
			t.Parallel()
			disk := fsx.NewMem()
			half(t, options(disk), own)
			killEverywhere(t, disk.Clone())
			for n := 1; n <= 16; n++ { // the checkpoint's many writes follow
				t.Run(fmt.Sprint(n), func(t *testing.T) { killPromotion(t, n, own) })
			}
			t.Run("not killed", func(t *testing.T) { killPromotion(t, math.MaxInt, own) })
		})
	}
}

func killPromotion(t *testing.T, n int, own bool) {
	t.Helper()
	disk, left := fsx.NewMem(), n
	replica := half(t, options(disk), own)
	at := replica.Appended()
	disk.SetHook(killAt(&left))
	err := replica.Promote(t.Context(), replica.Epoch()+1)
	after := disk.Clone()
	disk.SetHook(nil)
	if left == 0 {
		startAgain(t, fmt.Sprintf("promotion, killed at change %d", n), after, at)
		_ = replica.Close() // it says again what went wrong
		return
	}
	if err != nil {
		t.Fatalf("promote: %v", err)
	}
	exec(t, replica, "INSERT INTO t(b) VALUES ('after')")
	startAgain(t, "promoted", disk.Clone(), at)
}

// killAt has everything fail from the change of the disk on that brings left to zero.
func killAt(left *int) func(fsx.Op) error {
	var mu sync.Mutex
	return func(op fsx.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == fsx.OpRead {
			return nil
		}
		if *left--; *left <= 0 {
			*left = 0
			return errors.New("killed")
		}
		return nil
	}
}

// killEverywhere kills a start at each of its changes.
func killEverywhere(t *testing.T, begin *fsx.Mem) {
	t.Helper()
	for n := 1; ; n++ {
		disk, left := begin.Clone(), n
		disk.SetHook(killAt(&left))
		db, err := storage.Open(t.Context(), options(disk))
		disk.SetHook(nil)
		if left > 0 {
			if err != nil || n < 5 {
				t.Fatalf("a start changed the disk %d times: %v", n-1, err)
			}
			closeDB(t, db)
			return
		}
		if err == nil {
			closeDB(t, db)
		}
		startAgain(t, fmt.Sprintf("start, killed at change %d", n), disk.Clone(), lsn.Zero)
	}
}

// startAgain opens what a kill left; it must go at least as far as was shown.
func startAgain(t *testing.T, what string, disk *fsx.Mem, atLeast lsn.LSN) {
	t.Helper()
	db, err := storage.Open(t.Context(), options(disk))
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer closeDB(t, db)
	if db.Published().Less(atLeast) {
		t.Errorf("%s: %s is shown, %s was", what, db.Published(), atLeast)
	}
	if got := one(t, db, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("%s: integrity %s", what, got)
	}
}
