package logreplay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/logreplay/flow"
	"linkspan/media"
)

// scanned is a file whose headers were read.
type scanned struct {
	flow.File
	size     int64
	modified time.Time
}

// scan remembers the files of a folder, so that each is read once. For the job's loop.
type scan struct {
	seen map[string]scanned
	// listing tells the list of the last look from others, changed is when one was new, growing that a file may not be whole.
	listing uint64
	changed time.Time
	growing bool
}

// read lists the folder and reads the headers of what is new or changed.
func (j *job) read(d record) ([]scanned, error) {
	src, err := j.m.open(d.Spec)
	if err != nil {
		return nil, err
	}
	defer src.Close() //nolint:errcheck // opened for reading
	seen := map[string]scanned{}
	var files []scanned
	list := newListing()
	growing := false
	err = src.List(j.ctx, "", func(e media.Entry) error {
		if len(files) >= maxFiles {
			return fmt.Errorf("the folder has more than %d files", maxFiles)
		}
		list.add(e)
		f, known := j.scan.seen[e.Name]
		if !known || f.size != e.Size || !f.modified.Equal(e.Modified) {
			f = scanned{flow.File{Name: e.Name, Unsettled: known || j.m.o.Clock.Now().Sub(e.Modified) < 2*j.m.o.Poll}, e.Size, e.Modified}
			if err := j.headers(j.ctx, src, &f); err != nil {
				return err
			}
		} else if j.m.o.Clock.Now().Sub(e.Modified) >= 2*j.m.o.Poll {
			f.Unsettled = false
		}
		growing = growing || f.Unsettled && (f.Problem != "" || len(f.Items) == 0)
		seen[e.Name] = f
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if j.scan.listing != list.sum() {
		j.scan.listing, j.scan.changed = list.sum(), j.m.o.Clock.Now()
	}
	j.scan.seen, j.scan.growing = seen, growing
	return files, nil
}

// headers reads what a file says of itself. What is wrong with the file is its problem, not an error.
func (j *job) headers(ctx context.Context, src media.Source, f *scanned) error {
	file, err := src.Open(ctx, f.Name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	if file.Size() == 0 {
		f.Problem = "it is empty"
		return nil
	}
	m, err := bak.ReadEnds(file, file.Size(), bak.Options{})
	if errors.Is(err, bak.ErrEnds) { // it has to be walked through
		m = nil
		var c *bak.Content
		if c, err = bak.OpenContent(file, file.Size(), bak.Options{}); err == nil {
			m, err = bak.ReadMedia(c, bak.Options{})
		}
	}
	if err != nil {
		if bak.AsFault(err) == nil {
			return err // the storage's trouble: looked at again
		}
		f.Problem = err.Error()
	}
	if m != nil {
		f.Items = chain.Items(f.Name, m, err)
	}
	return nil
}

// spoil notes that a set could not be restored, until one of its files changes.
func (s *scan) spoil(set *chain.Set, why error) {
	for _, p := range set.Parts {
		f := s.seen[p.File]
		f.Items = slices.Clone(f.Items)
		for i := range f.Items {
			if f.Items[i].Header.SetGUID == set.Header.SetGUID {
				f.Items[i].Problem = why.Error()
			}
		}
		s.seen[p.File] = f
	}
}

// sizeOf is the size of the files of a set, in bytes.
func sizeOf(s *chain.Set, files []scanned) int64 {
	var n int64
	for _, f := range files {
		if slices.ContainsFunc(s.Parts, func(p chain.Part) bool { return p.File == f.Name }) {
			n += f.size
		}
	}
	return n
}
