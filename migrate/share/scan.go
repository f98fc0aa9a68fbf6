package share

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/media"
	"linkspan/migrate/flow"
)

const (
	// maxFiles is how many files a folder may hold, maxKnown how many the folders that are remembered hold together.
	maxFiles = 100_000
	maxKnown = 200_000
	// readers is how many files' headers are read at once.
	readers = 8
	// patience is how many times Quiet a file may stand still in the middle of a backup.
	patience = 30
	// old is an age at which a file's own time says that it stands still, however the clocks differ.
	old = 24 * time.Hour
	// longestWait is how often a file that stands still in the middle of a backup is looked at again, at least.
	longestWait = time.Minute
	// atOnce is the size in bytes up to which a file that changed since the last scan is opened; a larger one stands still
	// from one to the next before it is.
	atOnce = 64 << 20
	// longestMove is the same for one that is written while the listing does not show it.
	longestMove = 10 * time.Second
)

// folder is what is known of a folder. turn is held by the scan that is under way.
type folder struct {
	turn chan struct{}
	// files are the files by name. For the holder of turn.
	files map[string]*look

	mu      sync.Mutex
	started int // listings that were begun
	// last is what the listing of number of found; scanned is when.
	last    []flow.Seen
	of      int
	count   int
	scanned time.Time
}

// Scan tells what lies in a folder of the place now, in the order of names; "" is its root. It is the whole of it or an
// error: a *flow.Hindrance at flow.AtShare, or ctx's. With nothing new it costs one listing. The sets it gives are shared:
// nobody may write to them. Calls for one folder that meet share the work.
func (s *Share) Scan(ctx context.Context, name string) ([]flow.Seen, error) {
	name, err := s.clean(name)
	if err != nil {
		return nil, err
	}
	f := s.folder(name)
	f.mu.Lock()
	came := f.started
	f.mu.Unlock()
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("look into %s: %w", s.shown(name), context.Cause(ctx))
	}
	f.mu.Lock()
	if f.of > came {
		defer f.mu.Unlock()
		return slices.Clone(f.last), nil // it was begun after this call
	}
	f.started++
	number := f.started
	f.mu.Unlock()
	var seen []flow.Seen
	err = s.with(ctx, false, func(src media.Flat) (err error) {
		seen, err = s.scan(ctx, src, f, name)
		return err
	})
	if err != nil {
		return nil, s.hindered(ctx, err, name, true)
	}
	f.mu.Lock()
	f.last, f.of, f.count, f.scanned = seen, number, len(seen), s.o.Clock.Now()
	f.mu.Unlock()
	s.forget(name)
	return slices.Clone(seen), nil
}

// clean refuses names that leave the place.
func (s *Share) clean(name string) (string, error) {
	name = strings.Trim(strings.ReplaceAll(name, `\`, "/"), "/")
	for p := range strings.SplitSeq(name, "/") {
		if p == "." || p == ".." || name != "" && p == "" || strings.ContainsRune(p, 0) {
			return "", &flow.Hindrance{At: flow.AtShare, What: fmt.Sprintf("%q is not the name of a folder in %s", name, s.shown("")), Fix: "give another folder"}
		}
	}
	return name, nil
}

func (s *Share) folder(name string) *folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.mu.folders[name]
	if f == nil {
		f = &folder{turn: make(chan struct{}, 1), files: map[string]*look{}}
		s.mu.folders[name] = f
	}
	return f
}

// forget lets folders go when all of them together are too many files: those first that were scanned longest ago.
func (s *Share) forget(but string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		total, oldest, when := 0, "", time.Time{}
		for name, f := range s.mu.folders {
			f.mu.Lock()
			total += f.count
			if name != but && f.count > 0 && (oldest == "" || f.scanned.Before(when)) {
				oldest, when = name, f.scanned
			}
			f.mu.Unlock()
		}
		if total <= maxKnown || oldest == "" {
			return
		}
		delete(s.mu.folders, oldest)
	}
}

// scan lists and reads what is not known.
func (s *Share) scan(ctx context.Context, src media.Flat, f *folder, name string) ([]flow.Seen, error) {
	entries, err := src.Files(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxFiles {
		return nil, &flow.Hindrance{At: flow.AtShare, What: fmt.Sprintf("%s holds %d files, more than %d", s.shown(name), len(entries), maxFiles),
			Fix: "give the databases folders of their own, and take old backups away"}
	}
	now := s.o.Clock.Now()
	files, todo := make(map[string]*look, len(entries)), []*look(nil)
	order := make([]*look, len(entries))
	for i, e := range entries {
		l := f.files[e.Name]
		v := versionOf(e)
		changed := l != nil && l.version != v
		wait := changed && e.Size > atOnce
		if l == nil || changed {
			l = &look{entry: e, version: v, since: now, seen: flow.Seen{Name: e.Name, Version: v, Size: e.Size, Growing: true}}
		}
		files[e.Name], order[i] = l, l
		if !wait && !l.final && !now.Before(l.again) {
			todo = append(todo, l)
		}
	}
	f.files = files // what was read is kept, also when the rest cannot be
	if err := s.readAll(ctx, src, todo); err != nil {
		return nil, err
	}
	seen := make([]flow.Seen, len(order))
	for i, l := range order {
		seen[i] = l.seen
	}
	return seen, nil
}

// Probe reaches the place and looks into a folder: the server, the login, the share, the folder and the right to read files
// are told apart by the *flow.Hindrance it gives. It does not wait as Scan does after a login was refused.
func (s *Share) Probe(ctx context.Context, name string) error {
	name, err := s.clean(name)
	if err != nil {
		return err
	}
	at := name
	err = s.with(ctx, true, func(src media.Flat) error {
		entries, err := src.Files(ctx, name)
		if err != nil || len(entries) == 0 {
			return err
		}
		newest := slices.MaxFunc(entries, func(a, b media.Entry) int { return a.Modified.Compare(b.Modified) })
		f, err := src.Open(ctx, newest.Name)
		if errors.Is(err, media.ErrBusy) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			at = newest.Name
			return err
		}
		return f.Close()
	})
	return s.hindered(ctx, err, at, at == name)
}
