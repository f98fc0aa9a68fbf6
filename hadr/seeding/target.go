package seeding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/startstop"
	"linkspan/storage"
)

// Target receives a copy.
type Target struct {
	// Options are the copy's.
	Options  storage.Options
	Progress *Progress
	Clock    clock.Clock
	// Operation is this side's id of the seeding, Origin the identity that the source's database must have.
	Operation agcore.ID
	Origin    storage.Identity
	// Open opens a stream to the source.
	Open func() (net.Conn, error)
	// Started is called when the first answer is there.
	Started func()
	// Again has a copy that is whole seeded all the same, by difference: it went another way than the source, or fell
	// behind the log there is. What it has alone is lost.
	Again bool
}

// found is what an earlier attempt, or an earlier life of the copy, left.
type found struct {
	// target is a seeding to continue, db a copy that is whole already.
	target *storage.SeedTarget
	db     *storage.DB
	// pages tells that there are some to compare.
	pages bool
}

// ErrRefused is wrapped when the source refuses; the *hadrwire.Refuse is in the chain as a *RefusedError.
var ErrRefused = errors.New("the source refused")

// RefusedError carries the source's refusal.
type RefusedError struct{ Refuse hadrwire.Refuse }

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused with %d: %s", e.Refuse.Number, e.Refuse.Text)
}

// Unwrap gives ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// Receive makes the copy and returns it, opened as a replica. After an error everything received is kept for the next
// call. The end of ctx ends the streams.
func (t *Target) Receive(ctx context.Context) (*storage.DB, error) {
	there, err := t.reopen(ctx)
	if err != nil || there.db != nil {
		return there.db, err
	}
	dst := there.target
	defer func() {
		if dst != nil {
			dst.Close() //nolint:errcheck // what is on disk is continued, whatever this says
		}
	}()
	in, stop, err := t.stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	t.Progress.wait(t.Clock.Now(), false, Pending)
	start, r, err := t.request(in, there)
	if err != nil {
		return nil, err
	}
	if start.Header.Origin != t.Origin {
		return nil, fmt.Errorf("the source seeds another database than it announced")
	}
	if !start.Resumed {
		if dst, err = t.renew(ctx, dst, start); err != nil {
			return nil, err
		}
	}
	p := dst.Progress()
	t.Progress.begin(t.Clock.Now(), false, t.Operation, start.Operation, pages(p.NextPage-1), pages(start.Header.Pages), !start.Resumed, start.Difference)
	t.Started()
	if start.Difference {
		asker := newAsker(dst, in)
		asking := startstop.New(ctx)
		asking.Go(asker.run)
		defer asking.Stop()
		defer stop() // first: it may be writing
		return fill(ctx, t, dst, r, stop, func(m *hadrwire.SeedDelta) storage.Chunk { return storageDelta(m) }, asker.installed)
	}
	return fill(ctx, t, dst, r, stop, func(m *hadrwire.SeedChunk) storage.Chunk { return storageChunk(m) }, func(uint32, int) {})
}

// reopen finds what an earlier attempt left: a seeding to continue, a copy that is whole already, pages to compare, or
// nothing. What is of another database is thrown away: it was only a copy.
func (t *Target) reopen(ctx context.Context) (found, error) {
	dst, err := storage.OpenSeedTarget(ctx, t.Options)
	switch {
	case err == nil && dst.Progress().Header.ID == t.Origin:
		return found{target: dst, pages: true}, nil
	case err == nil:
		return found{}, errors.Join(dst.Close(), t.discard())
	case dst != nil: // ctx ended
		return found{}, errors.Join(err, dst.Close())
	case ctx.Err() != nil, errors.Is(err, fsx.ErrLocked):
		return found{}, err
	case errors.Is(err, fs.ErrNotExist):
		return found{}, nil
	case t.Again:
		return found{pages: true}, nil
	}
	db, openErr := storage.Open(ctx, t.Options)
	switch {
	case openErr == nil && db.IsReplica() && db.ID() == t.Origin:
		return found{db: db}, nil // it was whole, and we were stopped before anybody took it
	case openErr == nil:
		same := db.ID() == t.Origin
		if err := db.Close(); err != nil || same {
			return found{pages: same}, err
		}
		return found{}, t.discard()
	case errors.Is(err, storage.ErrDamaged) || errors.Is(openErr, storage.ErrDamaged):
		return found{pages: true}, nil // what is damaged differs
	}
	return found{}, errors.Join(err, openErr)
}

// renew begins with the header: by difference when that was agreed on, otherwise with nothing.
func (t *Target) renew(ctx context.Context, old *storage.SeedTarget, start *hadrwire.SeedStart) (*storage.SeedTarget, error) {
	if old != nil {
		if err := old.Close(); err != nil {
			return nil, fmt.Errorf("close interrupted seeding: %w", err)
		}
	}
	h := storageHeader(start.Header)
	if start.Difference {
		dst, err := storage.RestartSeedTarget(ctx, t.Options, h)
		if err == nil || dst != nil || ctx.Err() != nil || errors.Is(err, fsx.ErrLocked) {
			return begun(dst, err)
		}
	}
	if err := t.discard(); err != nil {
		return nil, err
	}
	return begun(storage.CreateSeedTarget(ctx, t.Options, h))
}

func begun(dst *storage.SeedTarget, err error) (*storage.SeedTarget, error) {
	if err == nil {
		return dst, nil
	}
	if dst != nil { // ctx ended
		err = errors.Join(err, dst.Close())
	}
	return nil, fmt.Errorf("begin seeding: %w", err)
}

func (t *Target) discard() error {
	disk := t.Options.FS
	if disk == nil {
		disk = fsx.OS{}
	}
	if err := removeAll(disk, t.Options.Dir); err != nil {
		return fmt.Errorf("discard interrupted seeding: %w", err)
	}
	return nil
}

func removeAll(disk fsx.FS, dir string) error {
	entries, err := disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = removeAll(disk, name)
		} else {
			err = disk.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return disk.Remove(dir)
}

// stream opens a stream that ends with ctx.
func (t *Target) stream(ctx context.Context) (net.Conn, func(), error) {
	c, err := t.Open()
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return c, func() { stop(); c.Close() }, nil
}

func (t *Target) request(c net.Conn, there found) (*hadrwire.SeedStart, *hadrwire.Reader, error) {
	req := &hadrwire.SeedRequest{Operation: t.Operation, NextPage: 1, Pages: there.pages}
	if there.target != nil {
		p := there.target.Progress()
		req.Resume, req.Header, req.NextPage, req.Difference = true, wireHeader(p.Header), p.NextPage, p.Difference
	}
	if err := hadrwire.Write(c, req); err != nil {
		return nil, nil, fmt.Errorf("ask for pages: %w", err)
	}
	r := hadrwire.NewReader(c)
	m, err := expect[*hadrwire.SeedStart](r)
	switch {
	case err != nil:
	case m.Resumed && !req.Resume, m.Difference && !req.Pages, m.Resumed && m.Difference != req.Difference:
		err = fmt.Errorf("the source resumes what nobody asked for")
	}
	return m, r, err
}

// expect reads a message that must be an M, or a refusal.
func expect[M hadrwire.Message](r *hadrwire.Reader) (M, error) {
	var none M
	m, err := r.Next()
	if err != nil {
		return none, err
	}
	switch m := m.(type) {
	case M:
		return m, nil
	case *hadrwire.Refuse:
		return none, &RefusedError{*m}
	default:
		return none, fmt.Errorf("%w: unexpected type %d", hadrwire.ErrMalformed, m.Type())
	}
}

// handed is a message that its reader lends until done is closed.
type handed[M any] struct {
	m    M
	err  error
	done chan struct{}
}

// lend reads messages and hands over one at a time, so that the reader's buffer is used by one side at a time; what comes
// meanwhile waits in the stream's window.
func lend[M hadrwire.Message](ctx context.Context, r *hadrwire.Reader, out chan<- handed[M]) {
	for {
		m, err := expect[M](r)
		h := handed[M]{m, err, make(chan struct{})}
		select {
		case out <- h:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		select {
		case <-h.done:
		case <-ctx.Done():
			return
		}
	}
}

// fill installs pages, which come in messages that of reads, and log until the copy is whole. stopIn ends the stream of
// pages; installed is told after each chunk which page is next, and how many it had.
func fill[M hadrwire.Message](ctx context.Context, t *Target, dst *storage.SeedTarget, in *hadrwire.Reader, stopIn func(), of func(M) storage.Chunk, installed func(uint32, int)) (*storage.DB, error) {
	out, stop, err := t.stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	p := dst.Progress()
	req := &hadrwire.LogRequest{Origin: p.Header.ID, Epoch: p.Header.Epoch, After: p.LogAt, Seeding: true}
	log := hadrwire.NewReader(out)
	if err := hadrwire.Write(out, req); err != nil {
		return nil, fmt.Errorf("ask for log: %w", err)
	}
	if _, err := expect[*hadrwire.LogStart](log); err != nil {
		return nil, fmt.Errorf("ask for log after %v: %w", req.After, err)
	}
	readers := startstop.New(ctx)
	chunks, batches := make(chan handed[M]), make(chan handed[*hadrwire.LogBatch])
	readers.Go(func(ctx context.Context) { lend(ctx, in, chunks) })
	readers.Go(func(ctx context.Context) { lend(ctx, log, batches) })
	err = install(ctx, t, dst, chunks, batches, of, installed)
	stopIn()
	stop()
	readers.Stop()
	if err != nil {
		return nil, err
	}
	db, err := dst.Finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("finish seeding: %w", err)
	}
	t.Progress.Complete(t.Clock.Now())
	return db, nil
}

func install[M hadrwire.Message](ctx context.Context, t *Target, dst *storage.SeedTarget, chunks chan handed[M], batches chan handed[*hadrwire.LogBatch], of func(M) storage.Chunk, installed func(uint32, int)) error {
	whole := false
	last := t.Clock.Now()
	for {
		if p := dst.Progress(); whole && !p.LogAt.Less(p.ConsistentAt) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case h := <-chunks:
			if h.err != nil {
				return fmt.Errorf("receive pages: %w", cutOff(h.err))
			}
			came := t.Clock.Now()
			c := of(h.m)
			if err := dst.InstallChunk(ctx, c); err != nil {
				return fmt.Errorf("install pages from %d: %w", c.First, err)
			}
			network := came.Sub(last)
			last = t.Clock.Now()
			t.Progress.compared(&c, last.Sub(came), network)
			whole = len(c.LSNs) == 0
			close(h.done)
			installed(c.First+uint32(len(c.LSNs)), len(c.LSNs))
			if whole {
				chunks = nil
			}
		case h := <-batches:
			if h.err != nil {
				return fmt.Errorf("receive log: %w", cutOff(h.err))
			}
			if len(h.m.Records) > 0 {
				if err := dst.ApplyLog(ctx, h.m.Records); err != nil {
					return fmt.Errorf("apply log up to %v: %w", h.m.Last, err)
				}
			}
			close(h.done)
		}
	}
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
