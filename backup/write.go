package backup

import (
	"context"
	"errors"
	"fmt"

	"linkspan/bak"
	"linkspan/internal/clock"
	"linkspan/lsn"
	"linkspan/storage"
)

// Sink takes the payload: a *bak.Writer between Begin and End.
type Sink interface {
	// Data and Log write whole sectors to the pages or the log of a stripe, counted from 0.
	Data(stripe int, p []byte) error
	Log(stripe int, p []byte) error
}

// Target says where a payload goes.
type Target struct {
	Sink Sink
	// Stripes is the number of stripes, from 1.
	Stripes int
	// Set is the id of the backup set, as in its header.
	Set bak.GUID
	// Progress, when set, is told the pages (of a log backup: bytes) done and to do. Total may grow.
	Progress func(done, total int64)
	// Clock waits for the pauses that writers beside the backup are given; nil means the system's.
	Clock clock.Clock
}

// Result is what was written.
type Result struct {
	Start Start
	End   End
}

// logBatch is the most log in a frame.
const logBatch = 2 << 20

// frames numbers the frames of one set and deals them to the stripes.
type frames struct {
	t    *Target
	n    uint64
	buf  []byte
	pace *pace
}

func newFrames(db *storage.DB, t *Target) *frames {
	return &frames{t: t, pace: newPace(t.Clock, func() int64 { return db.Stats().Commits })}
}

func (f *frames) put(t frameType, log bool, body func([]byte) []byte) error {
	f.buf = body(beginFrame(f.buf))
	return f.send(t, log, f.buf)
}

// send writes a frame whose body is there, and seals it before. b must have room for the padding.
func (f *frames) send(t frameType, log bool, b []byte) error {
	b = sealFrame(b, t, f.n, f.t.Set)
	stripe := int(f.n % uint64(f.t.Stripes))
	f.n++
	if log {
		return f.t.Sink.Log(stripe, b)
	}
	return f.t.Sink.Data(stripe, b)
}

func (f *frames) progress(done, total int64) {
	if f.t.Progress != nil {
		f.t.Progress(done, max(done, total))
	}
}

// WriteFull writes the database's pages and the log that makes them one version, while the database is used.
func WriteFull(ctx context.Context, db *storage.DB, t Target) (*Result, error) {
	return writePages(ctx, db, t, bak.Full, lsn.Zero)
}

// WriteDifferential writes the pages changed after base, which is Start.Header.LogFrom of a full backup of this database.
func WriteDifferential(ctx context.Context, db *storage.DB, base lsn.LSN, t Target) (*Result, error) {
	return writePages(ctx, db, t, bak.Differential, base)
}

func writePages(ctx context.Context, db *storage.DB, t Target, kind bak.Type, base lsn.LSN) (*Result, error) {
	src, err := db.SeedSource(ctx)
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	defer src.Close()
	r := &Result{Start: Start{Kind: kind, Header: src.Header(), Base: base}}
	f := newFrames(db, &t)
	if err := f.put(frameStart, false, func(b []byte) []byte { return appendStart(b, &r.Start) }); err != nil {
		return nil, err
	}
	last, err := f.pages(ctx, src, r)
	if err != nil {
		return nil, err
	}
	if err := f.put(framePagesEnd, false, func(b []byte) []byte { return appendPagesEnd(b, last) }); err != nil {
		return nil, err
	}
	if err := f.log(ctx, db, r.Start.Header.LogFrom, last.LSN, r); err != nil {
		return nil, err
	}
	if r.End.Last.IsZero() { // nothing was committed meanwhile
		r.End = End{Last: last.LSN, Digest: last.Digest, Size: last.Size, Time: r.Start.Header.LogTime, Pages: r.End.Pages}
	}
	return r, f.put(frameEnd, true, func(b []byte) []byte { return appendEnd(b, &r.End) })
}

// pages writes every page, or those changed after the base, and returns the empty chunk at the end.
func (f *frames) pages(ctx context.Context, src *storage.SeedSource, r *Result) (*storage.Chunk, error) {
	a := newReadAhead(ctx, src)
	defer a.stop()
	for {
		run := <-a.ready
		c := &run.chunk
		switch {
		case run.err != nil:
			return nil, fmt.Errorf("back up pages from %d: %w", c.First, run.err)
		case len(c.LSNs) == 0:
			return c, nil
		}
		start := f.pace.clock.Now()
		done := int64(c.First) + int64(len(c.LSNs)) - 1
		if err := f.run(run, r); err != nil {
			return nil, err
		}
		took := run.took + f.pace.clock.Now().Sub(start)
		size := int64(c.Size)
		a.free <- run
		f.progress(done, size)
		if err := f.pace.after(ctx, took); err != nil {
			return nil, err
		}
	}
}

// run writes a run of pages.
func (f *frames) run(run *run, r *Result) error {
	var numbers []uint32
	if r.Start.Kind == bak.Differential {
		if numbers = run.keepChanged(r.Start.Base); len(numbers) == 0 {
			return nil
		}
	}
	r.End.Pages += uint64(len(run.chunk.LSNs))
	return f.send(framePages, false, run.frame(numbers))
}

// WriteLog writes the log after one LSN up to another, both of which Hardened once returned. storage.ErrLogGone: the
// beginning is not held any more.
func WriteLog(ctx context.Context, db *storage.DB, after, upTo lsn.LSN, t Target) (*Result, error) {
	r := &Result{Start: Start{Kind: bak.Log, Header: storage.SeedHeader{ID: db.ID(), Epoch: db.Epoch(), LogFrom: after}}}
	f := newFrames(db, &t)
	if err := f.put(frameStart, true, func(b []byte) []byte { return appendStart(b, &r.Start) }); err != nil {
		return nil, err
	}
	if err := f.log(ctx, db, after, upTo, r); err != nil {
		return nil, err
	}
	if r.End.Last.IsZero() {
		r.End.Last = after
	}
	return r, f.put(frameEnd, true, func(b []byte) []byte { return appendEnd(b, &r.End) })
}

// log writes the records after one LSN up to another.
func (f *frames) log(ctx context.Context, db *storage.DB, after, upTo lsn.LSN, r *Result) error {
	if !after.Less(upTo) {
		return nil
	}
	lr, err := db.LogReader(after)
	if err != nil {
		return fmt.Errorf("back up log: %w", err)
	}
	defer lr.Close()
	for after.Less(upTo) {
		start := f.pace.clock.Now()
		b, err := lr.Next(ctx, logBatch)
		if err != nil {
			return fmt.Errorf("back up log after %v: %w", after, err)
		}
		records, last, err := cutAfter(b.Records, upTo)
		if err != nil {
			return fmt.Errorf("back up log after %v: %w", after, err)
		}
		if len(records) == 0 {
			return fmt.Errorf("back up log: %w", errors.New("the log has nothing at its end"))
		}
		if err := f.put(frameLog, true, func(b []byte) []byte { return append(b, records...) }); err != nil {
			return err
		}
		after = last.LSN
		lr.Acknowledge(after)
		r.End.Last, r.End.Time, r.End.Digest, r.End.Size = last.LSN, last.Time, last.Digest, last.Pages
		r.End.LogBytes += uint64(len(records))
		if r.Start.Kind == bak.Log {
			f.progress(int64(r.End.LogBytes), 0)
		}
		if err := f.pace.after(ctx, f.pace.clock.Now().Sub(start)); err != nil {
			return err
		}
	}
	return nil
}
