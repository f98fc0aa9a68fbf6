package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// seed makes a replica of the source in a new directory, by chunks of n pages; between chunks it calls during.
func seed(t *testing.T, source *storage.DB, o storage.Options, n int, during func(first uint32)) *storage.DB {
	t.Helper()
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.CreateSeedTarget(t.Context(), o, s.Header())
	if err != nil {
		t.Fatal(err)
	}
	copyChunks(t, s, target, n, during)
	return finish(t, source, target)
}

// copyChunks sends the rest of the pages.
func copyChunks(t *testing.T, s *storage.SeedSource, target *storage.SeedTarget, n int, during func(first uint32)) {
	t.Helper()
	for {
		c, err := s.ReadChunk(t.Context(), target.Progress().NextPage, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.InstallChunk(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if len(c.LSNs) == 0 {
			return
		}
		if during != nil {
			during(c.First)
		}
	}
}

// finish sends the log that the target needs and opens the replica.
func finish(t *testing.T, source *storage.DB, target *storage.SeedTarget) *storage.DB {
	t.Helper()
	p := target.Progress()
	r, err := source.LogReader(p.LogAt)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Position().Less(p.ConsistentAt) {
		b, err := r.Next(t.Context(), 10000)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.ApplyLog(t.Context(), b.Records); err != nil {
			t.Fatal(err)
		}
	}
	db, err := target.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

// catchUp ships the log until the replica has everything hardened, in batches of at most the bytes.
func catchUp(t *testing.T, source, replica *storage.DB, maxBytes func() int) {
	t.Helper()
	if err := ship(t.Context(), source, replica, maxBytes); err != nil {
		t.Fatal(err)
	}
}

func ship(ctx context.Context, source, replica *storage.DB, maxBytes func() int) error {
	r, err := source.LogReader(replica.Appended())
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Position().Less(source.Hardened()) {
		b, err := r.Next(ctx, maxBytes())
		if err != nil {
			return err
		}
		if _, err := replica.AppendLog(ctx, b.Records); err != nil {
			return err
		}
		if err := replica.Publish(b.Last, b.Digest); err != nil {
			return err
		}
	}
	return nil
}

func sameDigest(t *testing.T, a, b *storage.DB) {
	t.Helper()
	at, d := a.Digest()
	if at2, d2 := b.Digest(); at != at2 || d != d2 {
		t.Errorf("digest %s at %s, the replica's is %s at %s", d, at, d2, at2)
	}
}

func big() int { return 4 << 20 }

func TestReplicaFollows(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.SegmentBytes = 64 << 10
	source := create(t, o)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", "INSERT INTO t VALUES (1, 'seeded')")
	ro := options(fsx.NewMem())
	replica := seed(t, source, ro, 1, nil)
	sameDigest(t, source, replica)
	if got := one(t, replica, "SELECT b FROM t"); got != "seeded" {
		t.Errorf("seeded replica shows %q", got)
	}
	c, err := replica.Reader(t.Context()) // stays open over everything that follows
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if _, err := rows(c, "SELECT b FROM t"); err != nil {
		t.Fatal(err)
	}
	exec(t, source, "CREATE TABLE u(x)", "INSERT INTO u VALUES (7)", "UPDATE t SET b = 'shipped'")
	catchUp(t, source, replica, big)
	if got, err := rows(c, "SELECT b FROM t, u WHERE x = 7"); err != nil || len(got) != 1 || got[0] != "shipped" {
		t.Errorf("an open connection shows %v, %v after the new table came", got, err)
	}
	exec(t, source, "DROP TABLE u")
	catchUp(t, source, replica, big)
	if got, err := rows(c, "SELECT x FROM u"); err == nil {
		t.Errorf("an open connection still shows the dropped table: %v", got)
	}
	if _, err := replica.Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("writer on a replica: %v", err)
	}
	if _, err := source.AppendLog(t.Context(), nil); !errors.Is(err, storage.ErrNotReplica) {
		t.Errorf("log for a primary: %v", err)
	}
	sameDigest(t, source, replica)
}

func TestReplicaShowsOnlyPublished(t *testing.T) {
	t.Parallel()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a)")
	replica := seed(t, source, options(fsx.NewMem()), 10, nil)
	before := replica.Published()
	exec(t, source, "INSERT INTO t VALUES (1)")
	r, err := source.LogReader(replica.Appended())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next(t.Context(), big())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replica.AppendLog(t.Context(), b.Records); err != nil {
		t.Fatal(err)
	}
	if err := replica.WaitDurable(t.Context(), b.Last); err != nil {
		t.Fatal(err)
	}
	if got := one(t, replica, "SELECT count(*) FROM t"); got != "0" || replica.Published() != before {
		t.Errorf("%s rows are visible before they are published", got)
	}
	wrong := b.Digest
	wrong[3]++
	if err := replica.Publish(b.Last, wrong); !errors.Is(err, storage.ErrDigest) || !strings.Contains(err.Error(), b.Digest.String()) {
		t.Errorf("publish with another digest: %v", err)
	}
	if _, err := replica.AppendLog(t.Context(), b.Records); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("the replica goes on after its digest was wrong: %v", err)
	}
}

// TestReplicaOfRandomWork ships random transactions in random batches, over many segments, with restarts of both sides,
// and compares the copies by digest, by content and by the bytes of their logs.
func TestReplicaOfRandomWork(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	so, ro := options(fsx.NewMem()), options(fsx.NewMem())
	so.SegmentBytes, ro.SegmentBytes = 64<<10, 128<<10
	so.Retain = func() lsn.LSN { return lsn.Zero } // keep all, to compare
	ro.Retain = so.Retain
	so.CheckpointBytes, ro.CheckpointBytes = 100<<10, 70<<10
	so.Prepare = shrinking
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	replica := seed(t, source, ro, 2, func(uint32) { exec(t, source, "INSERT INTO t(b) VALUES (randomblob(100))") })
	for round := range 60 {
		for range rnd.IntN(8) {
			exec(t, source, randomWork(rnd))
		}
		catchUp(t, source, replica, func() int { return 1 + rnd.IntN(20000) })
		switch rnd.IntN(10) {
		case 0:
			closeDB(t, replica)
			replica = reopen(t, ro)
		case 1:
			closeDB(t, source)
			source = reopen(t, so)
		case 2:
			if err := replica.WaitDurable(t.Context(), replica.Appended()); err != nil {
				t.Fatal(err)
			}
			fs := ro.FS.(*fsx.Mem).CrashClone(uint64(round), 0.5)
			closeDB(t, replica)
			ro.FS = fs
			replica = reopen(t, ro)
		}
		catchUp(t, source, replica, big)
		sameDigest(t, source, replica)
	}
	if got := one(t, source, "PRAGMA freelist_count"); got != "0" {
		t.Errorf("%s free pages: the database does not shrink", got)
	}
	q := "SELECT group_concat(a || ':' || hex(b)) FROM t"
	if a, b := one(t, source, q), one(t, replica, q); a != b {
		t.Error("the copies' rows differ")
	}
	if r, err := replica.Verify(t.Context(), nil); err != nil || !r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if got := one(t, replica, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity: %s", got)
	}
	compareLogs(t, so.FS, ro.FS)
}

func randomWork(rnd *rand.Rand) string {
	switch rnd.IntN(7) {
	case 6:
		return "DELETE FROM t WHERE a > (SELECT max(a) / 2 FROM t)"
	case 0:
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t(b) SELECT randomblob(%d) FROM n", 1+rnd.IntN(40), 1+rnd.IntN(2000))
	case 1:
		return fmt.Sprintf("DELETE FROM t WHERE a %% 7 = %d", rnd.IntN(7))
	case 2:
		return fmt.Sprintf("UPDATE t SET b = randomblob(50) WHERE a %% 11 = %d", rnd.IntN(11))
	case 3:
		return fmt.Sprintf("INSERT INTO t(b) VALUES (zeroblob(%d))", rnd.IntN(60000))
	}
	return "INSERT INTO t(b) VALUES (randomblob(60))"
}

// compareLogs compares the segments that both have, from where the replica's begins.
func compareLogs(t *testing.T, a, b fsx.FS) {
	t.Helper()
	list, err := b.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), "vlf-") {
			continue
		}
		x, y := readAll(t, a, dir+"/"+e.Name()), readAll(t, b, dir+"/"+e.Name())
		x, y = bytes.TrimRight(x, "\x00"), bytes.TrimRight(y, "\x00")
		start := 512
		for start < len(y) && y[start] == 0 {
			start++
		}
		if !bytes.Equal(x[:512], y[:512]) || !bytes.Equal(x[min(start, len(x)):], y[min(start, len(y)):]) {
			t.Errorf("segment %s differs: %d and %d bytes", e.Name(), len(x), len(y))
		}
		n++
	}
	if n < 5 {
		t.Errorf("only %d segments were compared", n)
	}
}

func readAll(t *testing.T, fs fsx.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b
}
