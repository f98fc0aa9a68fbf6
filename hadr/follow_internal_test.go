package hadr

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"linkspan/hadr/hadrwire"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// pair makes a database and a replica of it.
func pair(t *testing.T) (source, replica *storage.DB) {
	t.Helper()
	ctx := t.Context()
	source, err := storage.Create(ctx, storage.Options{FS: fsx.NewMem(), Dir: "/s", Name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	commit(t, source, "CREATE TABLE t_1(id INTEGER PRIMARY KEY, v TEXT)")
	from, err := source.SeedSource(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := storage.CreateSeedTarget(ctx, storage.Options{FS: fsx.NewMem(), Dir: "/r", Name: "r"}, from.Header())
	if err != nil {
		t.Fatal(err)
	}
	for next := uint32(1); ; {
		c, err := from.ReadChunk(ctx, next, 100)
		if err == nil {
			err = to.InstallChunk(ctx, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(c.LSNs) == 0 {
			break
		}
		next += uint32(len(c.LSNs))
	}
	if replica, err = to.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replica.Close() })
	return source, replica
}

func commit(t *testing.T, db *storage.DB, sql string) {
	t.Helper()
	w, err := db.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Rollback()
	if err := w.Exec(sql); err != nil {
		t.Fatal(err)
	}
	at, err := w.Commit(t.Context())
	if err == nil {
		err = db.WaitHardened(t.Context(), at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A batch after which the source has another digest than the copy is not shown to readers, and ends the following.
func TestADifferingDigestIsNotShown(t *testing.T) {
	t.Parallel()
	source, replica := pair(t)
	log, err := source.LogReader(replica.Appended())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var stream []byte
	before := replica.Published()
	for i := range 2 {
		commit(t, source, "INSERT INTO t_1(v) VALUES('x')")
		b, err := log.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		m := &hadrwire.LogBatch{First: b.First, Last: b.Last, Digest: b.Digest, Published: b.Last, Time: b.Time, Records: b.Records}
		if i == 1 {
			m.Digest[3] ^= 1
		}
		stream = hadrwire.Append(stream, m)
		if i == 0 {
			before = b.Last
		}
	}
	ended := make(chan struct{})
	in := &held{Reader: bytes.NewReader(stream), end: ended}
	f := &follower{l: &link{m: &Manager{opts: Options{Clock: clock.System}}}, db: replica, wake: make(chan struct{}, 1)}
	err = f.run(t.Context(), hadrwire.NewReader(in), func() error { close(ended); return nil })
	if !errors.Is(err, storage.ErrDigest) {
		t.Errorf("following ended with %v", err)
	}
	if got := replica.Published(); before.Less(got) {
		t.Errorf("version %v is shown, the last one that is equal is %v", got, before)
	}
}

// held is a stream that stays open after its last byte until end is closed.
type held struct {
	*bytes.Reader
	end chan struct{}
}

func (h *held) Read(b []byte) (int, error) {
	if h.Len() == 0 {
		<-h.end
		return 0, context.Canceled
	}
	return h.Reader.Read(b)
}

// What the source has not published stays hidden until it says that it has.
func TestNothingIsShownBeforeTheSourceShowsIt(t *testing.T) {
	t.Parallel()
	f := &follower{wake: make(chan struct{}, 1)}
	lsns := func(n uint32) (l received) { l.last.VLF, l.last.Block, l.last.Slot = 1, n, 1; return l }
	a, b, c := lsns(1), lsns(2), lsns(3)
	b.published = a.last
	for _, r := range []received{a, b, c} {
		f.push(r)
	}
	if r, ok := f.take(lsn.Max); !ok || r.last != a.last {
		t.Errorf("took %v, %v", r, ok)
	}
	if r, ok := f.take(lsn.Max); ok {
		t.Errorf("took %v, which is not published", r)
	}
	f.allow(c.last)
	if r, ok := f.take(b.last); !ok || r.last != b.last {
		t.Errorf("took %v, %v; %v is durable", r, ok, b.last)
	}
	if r, ok := f.take(lsn.Max); !ok || r.last != c.last || len(f.queue) != 0 {
		t.Errorf("took %v, %v", r, ok)
	}
}
