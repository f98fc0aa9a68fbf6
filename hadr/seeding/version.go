package seeding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
	"linkspan/storage"
)

// fetchPages is how many pages are asked for at once.
const fetchPages = 128

// ServeVersion holds the database's published version and gives its hashes and pages on the stream, until the other side
// closes that. limit bounds the bytes a second, together with the seedings'. The end of ctx must also end the stream.
func ServeVersion(ctx context.Context, db *storage.DB, stream io.ReadWriter, first *hadrwire.VersionRequest, limit *Limit) error {
	if storage.Identity(first.Origin) != db.ID() {
		return errors.New("pages are to be compared with another database's")
	}
	h, err := db.HashReader(ctx, lsn.Zero)
	if err != nil {
		return err
	}
	defer h.Close()
	v := h.Version()
	answer := hadrwire.Message(&hadrwire.VersionHeld{At: v.LSN, Epoch: v.Epoch, Pages: v.Pages, Digest: v.Digest})
	r := hadrwire.NewReader(stream)
	for {
		if err := hadrwire.Write(stream, answer); err != nil {
			return fmt.Errorf("send pages of a version: %w", err)
		}
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the next request: %w", err)
		}
		if answer, err = ofVersion(ctx, h, m, limit); err != nil {
			return err
		}
	}
}

// ofVersion answers one request.
func ofVersion(ctx context.Context, h *storage.HashReader, m hadrwire.Message, limit *Limit) (hadrwire.Message, error) {
	switch m := m.(type) {
	case *hadrwire.HashesRequest:
		list, err := h.Read(ctx, m.First, int(m.Count))
		return &hadrwire.PageHashes{First: m.First, Hashes: hashes(list)}, err
	case *hadrwire.PagesRequest:
		if err := limit.Wait(ctx, len(m.Pages)*storage.PageSize); err != nil {
			return nil, err
		}
		data, err := h.Pages(ctx, nil, m.Pages)
		return &hadrwire.Pages{Data: data}, err
	}
	return nil, fmt.Errorf("%w: unexpected type %d", hadrwire.ErrMalformed, m.Type())
}

// FetchVersion brings the version that the other side shows now: the hashes of all its pages, and those pages that are not
// here. After an error that is not the other side's last word the comparison can be begun Again with another stream. The
// end of ctx must also end the stream.
func FetchVersion(ctx context.Context, c *storage.Comparison, stream io.ReadWriter, origin storage.Identity) (storage.VersionInfo, error) {
	f := &fetcher{c: c, w: stream, r: hadrwire.NewReader(stream)}
	held, err := ask[*hadrwire.VersionHeld](f, &hadrwire.VersionRequest{Origin: origin})
	if err != nil {
		return storage.VersionInfo{}, fmt.Errorf("ask for the other side's version: %w", err)
	}
	v := storage.VersionInfo{LSN: held.At, Epoch: held.Epoch, Pages: held.Pages, Digest: held.Digest}
	for first := uint32(1); first <= v.Pages; first += hadrwire.MaxChunkPages {
		count := min(hadrwire.MaxChunkPages, v.Pages-first+1)
		m, err := ask[*hadrwire.PageHashes](f, &hadrwire.HashesRequest{Origin: origin, At: v.LSN, First: first, Count: count})
		if err == nil && (m.First != first || len(m.Hashes) != int(count)) {
			err = fmt.Errorf("%w: %d hashes from page %d on", hadrwire.ErrMalformed, len(m.Hashes), m.First)
		}
		if err == nil {
			err = f.bring(ctx, first, digests(m.Hashes))
		}
		if err != nil {
			return v, fmt.Errorf("compare pages from %d on with the other side's: %w", first, err)
		}
	}
	return v, nil
}

// fetcher is the asking side of a stream.
type fetcher struct {
	c *storage.Comparison
	w io.Writer
	r *hadrwire.Reader
}

// ask sends a request and reads its answer.
func ask[M hadrwire.Message](f *fetcher, req hadrwire.Message) (M, error) {
	var none M
	if err := hadrwire.Write(f.w, req); err != nil {
		return none, err
	}
	m, err := expect[M](f.r)
	if err != nil {
		return none, cutOff(err)
	}
	return m, nil
}

// bring fetches the pages of a run that are not here.
func (f *fetcher) bring(ctx context.Context, first uint32, list []storage.Digest) error {
	missing, err := f.c.Take(ctx, list)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(missing, fetchPages) {
		if err := f.part(first, list, part); err != nil {
			return err
		}
	}
	return nil
}

// part brings some of the missing pages, in order: what was brought by an earlier attempt is between them.
func (f *fetcher) part(first uint32, list []storage.Digest, part []uint32) error {
	var absent []uint32
	for _, no := range part {
		if !f.c.Had(no, list[no-first]) {
			absent = append(absent, no)
		}
	}
	var data []byte
	if len(absent) > 0 {
		m, err := ask[*hadrwire.Pages](f, &hadrwire.PagesRequest{Pages: absent})
		if err != nil {
			return err
		}
		if data = m.Data; len(data) != len(absent)*storage.PageSize {
			return fmt.Errorf("%w: %d bytes for %d pages", hadrwire.ErrMalformed, len(data), len(absent))
		}
	}
	for _, no := range part {
		if len(absent) == 0 || absent[0] != no {
			if err := f.c.Reuse(no, list[no-first]); err != nil {
				return err
			}
			continue
		}
		if err := f.c.Put(no, data[:storage.PageSize], list[no-first]); err != nil {
			return err
		}
		absent, data = absent[1:], data[storage.PageSize:]
	}
	return nil
}
