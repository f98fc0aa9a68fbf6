package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudsoda/go-smb2"
)

// file is an open file. It implements media.Stamped.
type file struct {
	*smb2.File
	s        *Source
	name     string
	line     *lifeline
	size     int64
	modified time.Time
	// reading is held by reads, and alone by Close.
	reading sync.RWMutex
	closed  bool
}

// Size implements media.File.
func (f *file) Size() int64 { return f.size }

// Modified implements media.Stamped.
func (f *file) Modified() time.Time { return f.modified }

// A read is cut into pieces of what servers give at once, of which some are under way together: a network with a long
// way would else stand idle between them.
const (
	piece    = 1 << 20
	together = 4
)

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.reading.RLock()
	defer f.reading.RUnlock()
	if f.closed {
		return 0, fmt.Errorf("read %s: %w", f.s.shown(f.name), errClosed)
	}
	if off >= f.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.size-off)]
	n, err := f.pieces(want, off)
	switch {
	case err == nil && n == len(p):
		return n, nil
	case err == nil || errors.Is(err, io.EOF):
		return n, io.EOF
	case f.line.Err() != nil:
		return n, fmt.Errorf("read %s: %w", f.s.shown(f.name), context.Cause(f.line))
	}
	return n, f.s.result(f.name, false, err)
}

// pieces reads p, and says how much of it is whole from the start.
func (f *file) pieces(p []byte, off int64) (int, error) {
	if len(p) <= piece {
		return f.piece(p, off)
	}
	count := (len(p) + piece - 1) / piece
	got, errs := make([]int, count), make([]error, count)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(together, count) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				b := p[i*piece : min((i+1)*piece, len(p))]
				if got[i], errs[i] = f.piece(b, off+int64(i*piece)); errs[i] == nil && got[i] < len(b) {
					errs[i] = io.EOF // it became shorter
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for i := range count {
		n += got[i]
		if errs[i] != nil {
			return n, errs[i]
		}
	}
	return n, nil
}

// piece reads p within the time of a call: a server that is later than that is given up.
func (f *file) piece(p []byte, off int64) (int, error) {
	late, cancel := context.WithTimeout(context.Background(), f.s.o.CallTimeout)
	defer cancel()
	defer context.AfterFunc(late, func() { f.s.conn.Close() })()
	n, err := f.File.ReadAt(p, off)
	if err != nil && late.Err() != nil {
		err = late.Err()
	}
	return n, err
}

// Close implements io.Closer. It waits for reads; the file is closed on the server also when the context it was opened
// with is over.
func (f *file) Close() error {
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	f.line.set(ctx)
	if err := f.File.Close(); err != nil {
		return f.s.result(f.name, false, err)
	}
	return nil
}

// lifeline is the context of one open file. The library makes every request of a file with the context it was opened
// with, the one that closes it included, which has to be made when that context is over. set MUST NOT be called while a
// request is under way.
type lifeline struct {
	now atomic.Pointer[context.Context]
}

func (l *lifeline) set(ctx context.Context) { l.now.Store(&ctx) }

func (l *lifeline) Deadline() (time.Time, bool) { return (*l.now.Load()).Deadline() }
func (l *lifeline) Done() <-chan struct{}       { return (*l.now.Load()).Done() }
func (l *lifeline) Err() error                  { return (*l.now.Load()).Err() }
func (l *lifeline) Value(key any) any           { return (*l.now.Load()).Value(key) }
