package storage_test

import (
	"context"
	"errors"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/storage"
)

// TestHold demotes a primary as it was when it was held: who waited for the turn meanwhile commits nothing.
func TestHold(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	h, err := db.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waiting := waitingWriters(t, db, 1)
	h.Release()
	h.Release()
	if err := <-waiting; err != nil {
		t.Errorf("a writer after the hold: %v", err)
	}
	if h, err = db.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := db.Appended()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("lock timeout")
	cancel(why)
	if _, err := db.Hold(ctx); !errors.Is(err, why) {
		t.Errorf("a second hold: %v", err)
	}
	waiting = waitingWriters(t, db, 3)
	if err := h.Demote(); err != nil {
		t.Fatal(err)
	}
	h.Release()
	for range 3 {
		if err := <-waiting; !errors.Is(err, storage.ErrReplica) {
			t.Errorf("a writer that waited got %v", err)
		}
	}
	if db.Appended() != at || db.Hardened() != at {
		t.Errorf("held at %s, demoted at %s, durable %s", at, db.Appended(), db.Hardened())
	}
	if _, err := db.Hold(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("the hold of a replica: %v", err)
	}
	if err := db.Promote(t.Context(), db.Epoch()+1); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t(b) VALUES (2)")
}

// TestHoldFenced holds a primary whose turn the fence keeps: the fence lasts unless it is demoted.
func TestHoldFenced(t *testing.T) {
	t.Parallel()
	db := create(t, roleOptions(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	if _, err := db.Fence(t.Context(), roleKind, []byte("fence 2")); err != nil {
		t.Fatal(err)
	}
	for _, demote := range []bool{false, true} {
		h, err := db.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if demote {
			err = h.Demote()
		}
		h.Release()
		if err != nil || !demote && !db.IsFenced() {
			t.Errorf("demote %v: %v, fenced %v", demote, err, db.IsFenced())
		}
	}
	if _, err := db.Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("a writer after the fence: %v", err)
	}
}
