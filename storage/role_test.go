package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

func TestControlRecords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	listen := func(c storage.Control) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%d:%d:%s", c.Epoch, c.Kind, c.Payload))
	}
	take := func() string {
		mu.Lock()
		defer mu.Unlock()
		s := strings.Join(seen, " ")
		seen = nil
		return s
	}
	o := options(fsx.NewMem())
	o.Control = listen
	db := create(t, o)
	for _, p := range []string{"primary", "fenced"} {
		at, err := db.AppendControl(t.Context(), 1, []byte(p))
		if err == nil {
			err = db.WaitHardened(t.Context(), at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SetEpoch(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AppendControl(t.Context(), 2, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := db.WaitHardened(t.Context(), db.Appended()); err != nil {
		t.Fatal(err)
	}
	if got := take(); got != "1:1:primary 1:1:fenced 5:2:x" {
		t.Errorf("told %s", got)
	}
	if _, err := db.AppendControl(t.Context(), 3, make([]byte, 5000)); err == nil {
		t.Error("a payload of 5000 bytes went through")
	}
	replica := seed(t, db, func() storage.Options { o := options(fsx.NewMem()); o.Control = listen; return o }(), 10, nil)
	if got := take(); got != "1:1:fenced 5:2:x" {
		t.Errorf("the seeded replica was told %s", got)
	}
	if _, err := db.AppendControl(t.Context(), 1, []byte("open")); err != nil {
		t.Fatal(err)
	}
	if err := db.WaitHardened(t.Context(), db.Appended()); err != nil {
		t.Fatal(err)
	}
	take()
	catchUp(t, db, replica, big)
	if got := take(); got != "5:1:open" {
		t.Errorf("the replica was told %s", got)
	}
	closeDB(t, db) // the checkpoint takes the log away
	take()
	db = reopen(t, o)
	if got := take(); got != "5:2:x 5:1:open" && got != "5:1:open 5:2:x" {
		t.Errorf("after a start: %s", got)
	}
	if db.Epoch() != 5 {
		t.Errorf("epoch %d after a start", db.Epoch())
	}
}

func TestPromoteAndDemote(t *testing.T) {
	t.Parallel()
	ao, bo := options(fsx.NewMem()), options(fsx.NewMem())
	a := create(t, ao)
	exec(t, a, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	b := seed(t, a, bo, 3, nil)
	exec(t, a, "INSERT INTO t VALUES (2)")
	if err := a.Demote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("writer after the demotion: %v", err)
	}
	catchUp(t, a, b, big)
	sameDigest(t, a, b)
	if err := b.Promote(t.Context(), a.Epoch()); err == nil {
		t.Error("promoted without a new epoch")
	}
	if err := b.Promote(t.Context(), a.Epoch()+1); err != nil {
		t.Fatal(err)
	}
	exec(t, b, "INSERT INTO t VALUES (3)")
	closeDB(t, a)
	a = reopen(t, ao)
	if !a.IsReplica() {
		t.Error("the demotion was forgotten")
	}
	catchUp(t, b, a, big)
	sameDigest(t, b, a)
	if got := one(t, a, "SELECT group_concat(a) FROM t"); got != "1,2,3" {
		t.Errorf("the old primary shows %s", got)
	}
	if a.Epoch() != 2 {
		t.Errorf("the old primary has epoch %d", a.Epoch())
	}
	closeDB(t, b)
	b = reopen(t, bo)
	if b.IsReplica() {
		t.Error("the promotion was forgotten")
	}
	exec(t, b, "INSERT INTO t VALUES (4)")
}

func TestLogReader(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.SegmentBytes = 64 << 10
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	r, err := db.LogReader(db.Hardened())
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 9))
	first := exec(t, db, "INSERT INTO t(b) VALUES (1)")
	for range 20 {
		exec(t, db, fmt.Sprintf("INSERT INTO t(b) VALUES (randomblob(%d))", 1000*rnd.IntN(20)))
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := r.Next(t.Context(), 1)
	if err != nil || b.First != first || b.Last != first || b.Digest.IsZero() {
		t.Fatalf("the first batch is %s to %s, %v", b.First, b.Last, err)
	}
	r.Acknowledge(db.Hardened())
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t(b) VALUES (1)")
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.LogReader(first); !errors.Is(err, storage.ErrLogGone) {
		t.Errorf("log from before the checkpoint: %v", err)
	}
	if _, err := db.LogReader(lsn.LSN{VLF: 900, Block: 1, Slot: 1}); !errors.Is(err, storage.ErrGap) {
		t.Errorf("log from the future: %v", err)
	}
	tail, err := db.LogReader(db.Hardened())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := tail.Next(t.Context(), 100)
		done <- err
	}()
	tail.Close()
	if err := <-done; err == nil {
		t.Error("a closed reader gave log")
	}
	r.Close()
	r.Close()
}
