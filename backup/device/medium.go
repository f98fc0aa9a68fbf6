package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"linkspan/bak"
	"linkspan/sqlerr"
)

// How says what becomes of what lies on the devices: FORMAT makes a new medium, Init overwrites the backup sets of the
// present one, neither appends. A device that is empty or not there is always formatted.
type How struct {
	Format, Init bool
	// Compress is COMPRESSION; nil means as the medium is, plain for a new one.
	Compress *bool
	// Name is MEDIANAME: of a new medium its name, of a present one what it must be called.
	Name string
	// New makes ids; Now stamps a new medium.
	New func() bak.GUID
	Now time.Time
}

// Medium is a media set that a backup set is being written to. Finish or Abandon MUST be called.
type Medium struct {
	*bak.Writer
	// Position is the backup set's place on the medium, from 1.
	Position int
	MediaSet bak.GUID
	// Compressed tells how the medium is written.
	Compressed bool
	writers    []Writer
}

// Begin prepares the devices for one backup set. A file that is not a backup is never overwritten (3242). Errors: 3201,
// 3205, 3231, 3241, 3242, 3247, 3258, 3266, 3098.
func (d *Devices) Begin(ctx context.Context, names []Name, how How) (*Medium, error) {
	if len(names) > maxDevices {
		return nil, sqlerr.New(3205, maxDevices)
	}
	old, err := d.present(ctx, names)
	if err != nil {
		return nil, err
	}
	if old != nil {
		defer old.Close() //nolint:errcheck // opened for reading
		if err := old.fits(names, how); err != nil {
			return nil, err
		}
	}
	if old == nil || how.Format {
		return d.format(ctx, names, how, how.New())
	}
	if how.Init {
		return d.format(ctx, old.order(), how, old.Family().MediaSet)
	}
	return d.extend(ctx, old)
}

// present opens what lies on the devices: nil when nothing does on any of them.
func (d *Devices) present(ctx context.Context, names []Name) (*MediaSet, error) {
	var there []Name
	for _, n := range names {
		f, err := d.openAny(ctx, n)
		if err != nil {
			return nil, err
		}
		if f {
			there = append(there, n)
		}
	}
	if len(there) == 0 {
		return nil, nil
	}
	m, err := d.OpenSet(ctx, there)
	if sqlerr.Number(err) == 3241 {
		return nil, sqlerr.New(3242, there[0].shown()).WithCause(fmt.Errorf("it is not overwritten: give another name, or remove it yourself: %w", err))
	}
	return m, err
}

// openAny reports whether a device holds anything.
func (d *Devices) openAny(ctx context.Context, n Name) (bool, error) {
	if n.IsNull() {
		return false, nil
	}
	f, err := d.Open(ctx, n)
	if isNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return f.Size() > 0, f.Close()
}

// fits tells whether the present medium takes the backup set in the way asked for.
func (m *MediaSet) fits(names []Name, how How) error {
	f := m.Family()
	switch {
	case how.Format:
		return nil
	case f.Count != len(names) || len(m.Stripes) != len(names):
		return sqlerr.New(3231, m.Stripes[0].Name.shown(), f.Count, len(names))
	}
	if err := m.Complete(); err != nil {
		return err
	}
	if how.Name != "" && how.Name != f.Name {
		return sqlerr.New(3258, m.Stripes[0].Name.shown()).WithCause(fmt.Errorf("the medium is named %q, MEDIANAME asks for %q", f.Name, how.Name))
	}
	if how.Init {
		return nil
	}
	for _, s := range m.Stripes {
		if s.Fault != nil {
			return sqlerr.New(3266, s.Name.shown()).WithCause(s.Fault)
		}
		compressed := s.Content.Container() == bak.Compressed
		if compressed || how.Compress != nil && *how.Compress {
			return sqlerr.New(3098, "NOINIT", "NOINIT", "FORMAT").WithCause(errors.New("a compressed medium takes one backup set; write WITH FORMAT, or to another file"))
		}
	}
	return nil
}

// order gives the names in the order of the stripes.
func (m *MediaSet) order() []Name {
	out := make([]Name, 0, len(m.Stripes))
	for _, s := range m.Stripes {
		out = append(out, s.Name)
	}
	return out
}

// format begins a new medium.
func (d *Devices) format(ctx context.Context, names []Name, how How, id bak.GUID) (*Medium, error) {
	m := &Medium{Position: 1, MediaSet: id, Compressed: how.Compress != nil && *how.Compress}
	var outs []io.Writer
	for _, n := range names {
		w, err := d.Create(ctx, n)
		if err != nil {
			return nil, errors.Join(err, m.Abandon())
		}
		m.writers = append(m.writers, w)
		out, err := m.wrap(w)
		if err != nil {
			return nil, errors.Join(err, m.Abandon())
		}
		outs = append(outs, out)
	}
	var err error
	if m.Writer, err = bak.NewWriter(outs, bak.MediaSpec{MediaSet: id, ID: uint32(id[0]) | uint32(id[1])<<8, Name: how.Name, Written: how.Now}); err != nil {
		return nil, errors.Join(err, m.Abandon())
	}
	return m, nil
}

// wrap puts the compressed container around a writer, when asked for.
func (m *Medium) wrap(w io.Writer) (io.Writer, error) {
	if !m.Compressed {
		return w, nil
	}
	return bak.NewCompressor(w)
}

// extend appends to the present medium.
func (d *Devices) extend(ctx context.Context, old *MediaSet) (*Medium, error) {
	m := &Medium{MediaSet: old.Family().MediaSet, Position: len(old.Stripes[0].Media.Sets) + 1}
	var outs []io.Writer
	var medias []*bak.Media
	for _, s := range old.Stripes {
		w, err := d.Append(ctx, s.Name, s.Media.FileSize)
		if err != nil {
			return nil, errors.Join(err, m.Abandon())
		}
		m.writers, outs, medias = append(m.writers, w), append(outs, w), append(medias, s.Media)
	}
	var err error
	if m.Writer, err = bak.ResumeWriter(outs, medias); err != nil {
		return nil, errors.Join(sqlerr.New(3266, old.Stripes[0].Name.shown()).WithCause(err), m.Abandon())
	}
	return m, nil
}

// Finish makes the backup set durable on every device. After an error some devices may hold it and others not: the set
// is then incomplete (3132) and no backup.
func (m *Medium) Finish() error {
	for i, w := range m.writers {
		if err := w.Finish(); err != nil {
			rest := &Medium{writers: m.writers[i+1:]}
			return errors.Join(err, rest.Abandon())
		}
	}
	return nil
}

// Abandon leaves the devices as they were. Idempotent, and harmless after Finish.
func (m *Medium) Abandon() error {
	var err error
	for _, w := range m.writers {
		err = errors.Join(err, w.Abandon())
	}
	return err
}
