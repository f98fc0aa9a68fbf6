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
	dst, whole, err := t.reopen(ctx)
	if err != nil || whole != nil {
		return whole, err
	}
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
	start, r, err := t.request(in, dst)
	if err != nil {
		return nil, err
	}
	if start.Header.Origin != t.Origin {
		return nil, fmt.Errorf("the source seeds another database than it announced")
	}
	if !start.Resumed {
		if dst, err = t.renew(ctx, dst, storageHeader(start.Header)); err != nil {
			return nil, err
		}
	}
	p := dst.Progress()
	t.Progress.begin(t.Clock.Now(), false, t.Operation, start.Operation, pages(p.NextPage-1), pages(start.Header.Pages), !start.Resumed)
	t.Started()
	return t.fill(ctx, dst, r, stop)
}

// reopen finds what an earlier attempt left: a seeding to continue, a copy that is whole already, or nothing. What is
// damaged or of another database is thrown away: it was only a copy.
func (t *Target) reopen(ctx context.Context) (*storage.SeedTarget, *storage.DB, error) {
	dst, err := storage.OpenSeedTarget(ctx, t.Options)
	switch {
	case err == nil:
		return dst, nil, nil
	case dst != nil: // ctx ended
		return nil, nil, errors.Join(err, dst.Close())
	case ctx.Err() != nil, errors.Is(err, fsx.ErrLocked):
		return nil, nil, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	}
	db, openErr := storage.Open(ctx, t.Options)
	switch {
	case openErr == nil && db.IsReplica() && db.ID() == t.Origin:
		return nil, db, nil // it was whole, and we were stopped before anybody took it
	case openErr == nil:
		if err := db.Close(); err != nil {
			return nil, nil, err
		}
	case !errors.Is(err, storage.ErrDamaged) && !errors.Is(openErr, storage.ErrDamaged):
		return nil, nil, errors.Join(err, openErr)
	}
	return nil, nil, t.discard()
}

// renew throws away what is there and begins with the header.
func (t *Target) renew(ctx context.Context, old *storage.SeedTarget, h storage.SeedHeader) (*storage.SeedTarget, error) {
	if old != nil {
		if err := old.Close(); err != nil {
			return nil, fmt.Errorf("close interrupted seeding: %w", err)
		}
	}
	if err := t.discard(); err != nil {
		return nil, err
	}
	dst, err := storage.CreateSeedTarget(ctx, t.Options, h)
	if err != nil {
		if dst != nil { // ctx ended
			err = errors.Join(err, dst.Close())
		}
		return nil, fmt.Errorf("begin seeding: %w", err)
	}
	return dst, nil
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

func (t *Target) request(c net.Conn, dst *storage.SeedTarget) (*hadrwire.SeedStart, *hadrwire.Reader, error) {
	req := &hadrwire.SeedRequest{Operation: t.Operation, NextPage: 1}
	if dst != nil {
		p := dst.Progress()
		req.Resume, req.Header, req.NextPage = p.Header.ID == t.Origin, wireHeader(p.Header), p.NextPage
	}
	if err := hadrwire.Write(c, req); err != nil {
		return nil, nil, fmt.Errorf("ask for pages: %w", err)
	}
	r := hadrwire.NewReader(c)
	m, err := expect[*hadrwire.SeedStart](r)
	if err == nil && m.Resumed && !req.Resume {
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

// fill installs pages and log until the copy is whole. stopIn ends the stream of pages.
func (t *Target) fill(ctx context.Context, dst *storage.SeedTarget, in *hadrwire.Reader, stopIn func()) (*storage.DB, error) {
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
	chunks, batches := make(chan handed[*hadrwire.SeedChunk]), make(chan handed[*hadrwire.LogBatch])
	readers.Go(func(ctx context.Context) { lend(ctx, in, chunks) })
	readers.Go(func(ctx context.Context) { lend(ctx, log, batches) })
	err = t.install(ctx, dst, chunks, batches)
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

func (t *Target) install(ctx context.Context, dst *storage.SeedTarget, chunks chan handed[*hadrwire.SeedChunk], batches chan handed[*hadrwire.LogBatch]) error {
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
			c := storageChunk(h.m)
			if err := dst.InstallChunk(ctx, c); err != nil {
				return fmt.Errorf("install pages from %d: %w", c.First, err)
			}
			n, total := int64(len(c.Pages)), pages(c.Size)
			whole = len(c.LSNs) == 0
			close(h.done)
			network := came.Sub(last)
			last = t.Clock.Now()
			t.Progress.moved(n, total, last.Sub(came), network)
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
