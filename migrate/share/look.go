package share

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/media"
	"linkspan/migrate/flow"
)

// look is what is known of one version of a file.
type look struct {
	entry   media.Entry
	version string
	// since is when it was first seen; again when it is to be read next, the zero time for at once.
	since, again time.Time
	// final: it is not read again. read: it was read before. moved counts how often it was another version when opened.
	final, read bool
	moved       int
	// walked is what was found when a large file was read as a whole.
	walked struct {
		done bool
		described
	}
	seen flow.Seen
}

// readAll reads headers, several files at once; it gives the first error of the place.
func (s *Share) readAll(ctx context.Context, src media.Flat, todo []*look) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *look)
	var wg sync.WaitGroup
	var failed sync.Once
	var first error
	for range min(readers, len(todo)) {
		wg.Go(func() {
			for l := range next {
				if err := s.read(ctx, src, l); err != nil {
					failed.Do(func() { first = err; cancel(err) })
				}
			}
		})
	}
	for _, l := range todo {
		if ctx.Err() != nil {
			break
		}
		next <- l
	}
	close(next)
	wg.Wait()
	if first == nil {
		return context.Cause(ctx)
	}
	return first
}

// read reads one file's headers and judges it.
func (s *Share) read(ctx context.Context, src media.Flat, l *look) error {
	d, moved, err := s.headers(ctx, src, l)
	if err != nil {
		return err
	}
	now := s.o.Clock.Now()
	if moved {
		l.moved++ // the listing is behind: Windows shows late what is being written
		l.again = now.Add(min(time.Duration(l.moved)*s.o.Quiet/4, longestMove))
		l.seen = flow.Seen{Name: l.entry.Name, Version: l.version, Size: l.entry.Size, Growing: true}
		return nil
	}
	l.judge(d, now, s.o.Quiet)
	return nil
}

// headers opens and reads a file. moved: it is not, or no more, the version that was listed.
func (s *Share) headers(ctx context.Context, src media.Flat, l *look) (d described, moved bool, err error) {
	file, err := src.Open(ctx, l.entry.Name)
	if err == nil {
		moved, err = s.other(ctx, src, file, l)
		if err == nil && !moved {
			d, err = s.describe(file, l)
		}
		file.Close() //nolint:errcheck // opened for reading
	}
	if err == nil && !moved && d.verdict == whole {
		var e media.Entry
		if e, err = src.Stat(ctx, l.entry.Name); err == nil {
			moved = versionOf(e) != l.version
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d, true, nil
	}
	if err != nil && ctx.Err() == nil && !lost(err) {
		return judged(err), false, nil
	}
	return d, moved, err
}

// describe reads the headers. A large compressed file that does not end as a backup does is walked through when it stands
// still, and once.
func (s *Share) describe(file media.File, l *look) (described, error) {
	still := s.o.Clock.Now().Sub(l.since) >= s.o.Quiet || s.o.Clock.Now().Sub(l.entry.Modified) > old
	d, err := describe(file, file.Size(), s.large, still && !l.walked.done)
	switch {
	case err != nil:
	case d.problem == notYet && l.walked.done:
		d = l.walked.described
	case still:
		l.walked.done, l.walked.described = true, d
	}
	return d, err
}

// other reports whether an open file is another version than the one that was listed.
func (s *Share) other(ctx context.Context, src media.Flat, file media.File, l *look) (bool, error) {
	e := media.Entry{Name: l.entry.Name, Size: file.Size()}
	if f, ok := file.(media.Stamped); ok {
		e.Modified = f.Modified()
		return versionOf(e) != l.version, nil
	}
	e, err := src.Stat(ctx, l.entry.Name)
	return versionOf(e) != l.version, err
}

// judge decides what a look means: whether the file is to be waited for, can be taken, or is a problem.
func (l *look) judge(d described, now time.Time, quiet time.Duration) {
	still := now.Sub(l.since)
	if now.Sub(l.entry.Modified) > old {
		still = max(still, patience*quiet)
	}
	l.seen = flow.Seen{Name: l.entry.Name, Version: l.version, Size: l.entry.Size, Problem: d.problem, Sets: d.sets, Sequence: d.sequence, Stripes: d.stripes}
	switch {
	case d.verdict == whole && (still >= patience*quiet || !temporary(l.entry.Name)):
		l.final = true
		return
	case d.verdict == useless && still >= quiet:
		l.final = l.read || quiet == 0 || still >= patience*quiet // what it was at first may have been a beginning
	case d.verdict == whole, d.verdict == held, d.verdict == unfinished && still < patience*quiet, d.verdict == useless, d.verdict == barred && still < quiet:
		l.seen.Growing, l.seen.Problem = true, ""
	default:
		l.seen.Version += provisional
	}
	l.read = true
	if !l.final {
		l.again = now.Add(min(max(quiet/2, still/8), longestWait))
	}
}

// temporary reports whether a file has a name that programs give to what they still write and rename when it is whole: it
// is then the renamed one that is taken. One that keeps such a name, and stands still, is taken for what it is.
func temporary(name string) bool {
	name = strings.ToLower(path.Base(name))
	return strings.HasPrefix(name, ".") || slices.ContainsFunc([]string{".partial", ".filepart", ".part", ".tmp", ".temp"}, func(s string) bool { return strings.HasSuffix(name, s) })
}
