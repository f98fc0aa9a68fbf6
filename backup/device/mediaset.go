package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"linkspan/bak"
	"linkspan/media"
	"linkspan/sqlerr"
)

// maxDevices is how many stripes a media set has at most.
const maxDevices = 64

// Stripe is one file of a media set, opened for reading.
type Stripe struct {
	Name    Name
	Content *bak.Content
	Media   *bak.Media
	// Fault is why the file could not be read to its end; nil when it could.
	Fault *bak.Fault
	file  media.File
}

// MediaSet is the files of one medium, in the order of their sequence numbers. For one goroutine.
type MediaSet struct{ Stripes []Stripe }

// OpenSet opens the files that a statement names and reads their headers. It accepts a part of a media set; see Complete.
// 3201, 3241 (not a backup), 3254 (empty), 3258 (of different media sets).
func (d *Devices) OpenSet(ctx context.Context, names []Name) (*MediaSet, error) {
	if len(names) > maxDevices {
		return nil, sqlerr.New(3205, maxDevices)
	}
	m := &MediaSet{}
	for _, n := range names {
		f, err := d.Open(ctx, n)
		if err == nil {
			err = m.add(n, f)
		}
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m.inOrder()
}

// Opened is a file that is open already, under the name that messages give it.
type Opened struct {
	Name string
	File media.File
}

// ReadSet is OpenSet of files that are open already. The set closes them; when ReadSet fails they are closed.
func ReadSet(files []Opened) (*MediaSet, error) {
	if len(files) == 0 || len(files) > maxDevices {
		return nil, sqlerr.New(3205, maxDevices)
	}
	m := &MediaSet{}
	for i, f := range files {
		if err := m.add(Name{Disk, f.Name}, f.File); err != nil {
			for _, rest := range files[i+1:] {
				err = errors.Join(err, rest.File.Close())
			}
			return nil, errors.Join(err, m.Close())
		}
	}
	return m.inOrder()
}

// inOrder sorts the stripes and makes sure that they are of one media set.
func (m *MediaSet) inOrder() (*MediaSet, error) {
	slices.SortStableFunc(m.Stripes, func(a, b Stripe) int { return cmp.Compare(a.Media.Family.Sequence, b.Media.Family.Sequence) })
	for _, s := range m.Stripes[1:] {
		if s.Media.Family.MediaSet != m.Stripes[0].Media.Family.MediaSet {
			return nil, errors.Join(sqlerr.New(3258, s.Name.shown()), m.Close())
		}
	}
	return m, nil
}

// add reads a file's headers; it closes the file when it fails.
func (m *MediaSet) add(n Name, f media.File) error {
	var err error
	s := Stripe{Name: n, file: f}
	if f.Size() == 0 {
		return errors.Join(sqlerr.New(3254, n.shown()), f.Close())
	}
	s.Content, err = bak.OpenContent(f, f.Size(), bak.Options{})
	if err == nil {
		s.Media, err = bak.ReadMedia(s.Content, bak.Options{})
	}
	if s.Fault = bak.AsFault(err); err != nil && s.Fault == nil {
		return errors.Join(sqlerr.New(3203, n.shown(), osErrorOf(err)).WithCause(err), f.Close())
	}
	if s.Media == nil {
		return errors.Join(sqlerr.New(3241, n.shown()).WithCause(err), f.Close())
	}
	m.Stripes = append(m.Stripes, s)
	return nil
}

// Bytes are the file's, Size their number.
func (s *Stripe) Bytes() io.ReaderAt { return s.file }

// Size is the file's size in bytes.
func (s *Stripe) Size() int64 { return s.file.Size() }

// Family is what the medium says of itself.
func (m *MediaSet) Family() bak.Family { return m.Stripes[0].Media.Family }

// Complete reports whether every stripe is there, once: 3132, 3227 as 3247.
func (m *MediaSet) Complete() error {
	count := m.Family().Count
	for i, s := range m.Stripes {
		if i > 0 && s.Media.Family.Sequence == m.Stripes[i-1].Media.Family.Sequence {
			return sqlerr.New(3247, s.Name.shown(), s.Media.Family.Sequence, i+1)
		}
	}
	if len(m.Stripes) < count {
		return sqlerr.New(3132, count, len(m.Stripes))
	}
	return nil
}

// Set gives the backup set at a position, from 1, of every stripe. 3241 when there is none, 3256 when it was not
// finished, 3183-like faults of the files as 3203.
func (m *MediaSet) Set(position int) ([]*bak.Set, error) {
	var sets []*bak.Set
	for _, s := range m.Stripes {
		if position < 1 || position > len(s.Media.Sets) {
			e := sqlerr.New(3241, s.Name.shown())
			if s.Fault != nil {
				return nil, e.WithCause(s.Fault)
			}
			return nil, e.WithCause(fmt.Errorf("the medium has %d backup sets, number %d is asked for", len(s.Media.Sets), position))
		}
		set := s.Media.Sets[position-1]
		if !set.Ended {
			e := sqlerr.New(3256, s.Name.shown())
			if s.Fault != nil {
				e = e.WithCause(s.Fault)
			}
			return nil, e
		}
		if len(sets) > 0 && set.SetGUID != sets[0].SetGUID {
			return nil, sqlerr.New(3258, s.Name.shown())
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// Close closes the files. Idempotent.
func (m *MediaSet) Close() error {
	var err error
	for i := range m.Stripes {
		if m.Stripes[i].file != nil {
			err = errors.Join(err, m.Stripes[i].file.Close())
			m.Stripes[i].file = nil
		}
	}
	return err
}
