package share

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/media"
	"linkspan/media/dir"
	"linkspan/media/smb"
)

// Options say where the files are: in the folder Local of this machine, or on the share SMB.
type Options struct {
	// Local is an absolute folder; SMB is used when it is "". SMB.Folder is the root of names.
	Local string
	SMB   smb.Options
	// Clock counts how long files stand still; nil is the product's.
	Clock clock.Clock
	// Quiet is how long a file without a readable header stands still before it is judged; 0 is two seconds. One that ends
	// in the middle of a backup is given thirty times as long.
	Quiet time.Duration
}

const defaultQuiet = 2 * time.Second

// Validate reports what is missing or wrong.
func (o Options) Validate() error {
	var errs []error
	if o.Quiet < 0 {
		errs = append(errs, errors.New("the time for which files stand still is negative"))
	}
	if o.Local == "" {
		errs = append(errs, o.SMB.Validate())
	} else if !filepath.IsAbs(o.Local) {
		errs = append(errs, fmt.Errorf("%q is not an absolute folder", o.Local))
	}
	return errors.Join(errs...)
}

// Share is one place of backup files. Its methods may run concurrently.
type Share struct {
	o    Options
	open func(context.Context) (media.Flat, error)
	// large is the size in bytes from which on a compressed file that may be unfinished is not read as a whole.
	large int64
	// turn is held by who connects.
	turn chan struct{}

	mu struct {
		sync.Mutex
		src    media.Flat
		closed bool
		// failed is why the last attempt to connect failed; no other is made before again. pause is how long was waited.
		failed error
		again  time.Time
		pause  time.Duration
		// folders is what is known of each folder that was scanned.
		folders map[string]*folder
	}
}

// New makes a share; nothing is asked of the place yet.
func New(o Options) (*Share, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("check the share's options: %w", err)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Quiet == 0 {
		o.Quiet = defaultQuiet
	}
	s := &Share{o: o, large: 16 << 20, turn: make(chan struct{}, 1)}
	s.mu.folders = map[string]*folder{}
	s.open = func(ctx context.Context) (media.Flat, error) {
		if o.Local != "" {
			return dir.New(fsx.OS{}, o.Local), nil
		}
		return smb.Open(ctx, o.SMB)
	}
	return s, nil
}

// Close gives the connection up. Open files become useless. It is idempotent.
func (s *Share) Close() error {
	s.mu.Lock()
	src := s.mu.src
	s.mu.src, s.mu.closed = nil, true
	s.mu.Unlock()
	if src == nil {
		return nil
	}
	return src.Close()
}

var errClosed = errors.New("the share was closed")

// How long is waited before a place that could not be reached is asked again: the first time and at most. Logins that are
// refused are repeated seldom, for accounts are locked after few of them.
const (
	firstPause, longestPause           = 500 * time.Millisecond, 5 * time.Second
	firstLogonPause, longestLogonPause = 30 * time.Second, 5 * time.Minute
)

// source is the open place. fresh: it was opened now. At most one caller opens it, the others get what comes of that.
func (s *Share) source(ctx context.Context, now bool) (src media.Flat, fresh bool, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	s.mu.Lock()
	src, closed, failed, again := s.mu.src, s.mu.closed, s.mu.failed, s.mu.again
	s.mu.Unlock()
	switch {
	case closed:
		return nil, false, errClosed
	case src != nil:
		return src, false, nil
	case failed != nil && !now && s.o.Clock.Now().Before(again):
		return nil, false, failed
	}
	src, err = s.open(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			s.refused(err)
		}
		return nil, false, err
	}
	if s.mu.closed {
		return nil, false, errors.Join(errClosed, src.Close())
	}
	s.mu.src, s.mu.failed, s.mu.pause = src, nil, 0
	return src, true, nil
}

// refused notes an attempt that failed. s.mu is held.
func (s *Share) refused(err error) {
	first, longest := firstPause, longestPause
	if e := (*smb.Error)(nil); errors.As(err, &e) && e.Kind == smb.Logon {
		first, longest = firstLogonPause, longestLogonPause
	}
	s.mu.pause = min(max(2*s.mu.pause, first), longest)
	s.mu.failed, s.mu.again = err, s.o.Clock.Now().Add(s.mu.pause)
}

// drop gives a broken connection up, so that the next caller makes another.
func (s *Share) drop(src media.Flat) {
	s.mu.Lock()
	mine := s.mu.src == src
	if mine {
		s.mu.src = nil
	}
	s.mu.Unlock()
	if mine {
		_ = src.Close()
	}
}

// with calls do with the open place. When the connection turns out to be broken it is made again, once: servers close
// those that stood idle.
func (s *Share) with(ctx context.Context, now bool, do func(media.Flat) error) error {
	for again := false; ; again = true {
		src, fresh, err := s.source(ctx, now)
		if err != nil {
			return err
		}
		if err = do(src); !lost(err) {
			return err
		}
		s.drop(src)
		if fresh || again || ctx.Err() != nil {
			return err
		}
	}
}

func lost(err error) bool {
	var e *smb.Error
	return errors.As(err, &e) && e.Kind == smb.Lost
}

// shown is a folder or file of the place as a person knows it.
func (s *Share) shown(name string) string {
	if s.o.Local != "" {
		return filepath.Join(s.o.Local, filepath.FromSlash(name))
	}
	host := s.o.SMB.Address
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	parts := []string{`\\` + host, s.o.SMB.Share}
	for _, p := range []string{s.o.SMB.Folder, name} {
		if p = strings.Trim(strings.ReplaceAll(p, "/", `\`), `\`); p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, `\`)
}
