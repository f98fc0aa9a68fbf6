package seeding

import (
	"context"
	"errors"
	"fmt"
	"io"

	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
	"linkspan/storage"
)

// ServeHashes answers a stream's HashesRequests, of which first is the first, until the other side closes it. All MUST be
// of one LSN. The end of ctx must also end the stream.
func ServeHashes(ctx context.Context, db *storage.DB, stream io.ReadWriter, first *hadrwire.HashesRequest) error {
	at := first.At
	if storage.Identity(first.Origin) != db.ID() {
		return errors.New("pages are to be compared with another database's")
	}
	h, err := db.HashReader(ctx, at)
	if err != nil {
		return err
	}
	defer h.Close()
	r := hadrwire.NewReader(stream)
	for m := first; ; {
		if m.At != at {
			return fmt.Errorf("%w: hashes of %v on a stream of %v", hadrwire.ErrMalformed, m.At, at)
		}
		list, err := h.Read(ctx, m.First, int(m.Count))
		if err != nil {
			return err
		}
		if err := hadrwire.Write(stream, &hadrwire.PageHashes{First: m.First, Hashes: hashes(list)}); err != nil {
			return fmt.Errorf("send hashes: %w", err)
		}
		m, err = expect[*hadrwire.HashesRequest](r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the next request: %w", err)
		}
	}
}

// FindDifference compares the database with the other side's, both as of the LSN, and returns the pages that differ: the
// first most of them, in order. Pages that only one side has differ. The end of ctx must also end the stream.
func FindDifference(ctx context.Context, db *storage.DB, stream io.ReadWriter, at lsn.LSN, most int) ([]uint32, error) {
	h, err := db.HashReader(ctx, at)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	r := hadrwire.NewReader(stream)
	var out []uint32
	for first := uint32(1); len(out) < most; first += hadrwire.MaxChunkPages {
		own, err := h.Read(ctx, first, hadrwire.MaxChunkPages)
		if err != nil {
			return out, err
		}
		req := &hadrwire.HashesRequest{Origin: db.ID(), At: at, First: first, Count: hadrwire.MaxChunkPages}
		if err := hadrwire.Write(stream, req); err != nil {
			return out, fmt.Errorf("ask for hashes: %w", err)
		}
		m, err := expect[*hadrwire.PageHashes](r)
		if err != nil {
			return out, fmt.Errorf("receive hashes: %w", cutOff(err))
		}
		for i := range max(len(own), len(m.Hashes)) {
			if i >= len(own) || i >= len(m.Hashes) || own[i] != m.Hashes[i] {
				out = append(out, first+uint32(i))
			}
		}
		if len(own) < hadrwire.MaxChunkPages && len(m.Hashes) < hadrwire.MaxChunkPages {
			break
		}
	}
	return out[:min(len(out), most)], nil
}

// ServePage answers a request for one page: with the page when get gives it, otherwise with why not.
func ServePage(ctx context.Context, stream io.Writer, req *hadrwire.PageRequest, get func(ctx context.Context, no uint32, want storage.Digest) ([]byte, error)) error {
	m := &hadrwire.Page{Page: req.Page}
	data, err := get(ctx, req.Page, req.Want)
	if err != nil {
		m.Reason = err.Error()
	} else {
		m.Data = data
	}
	return hadrwire.Write(stream, m)
}

// ErrNoPage is wrapped when the other side has not the page that was asked for.
var ErrNoPage = errors.New("the other copy does not have the page")

// FetchPage asks the other side for the page whose content has the hash, and checks what comes.
func FetchPage(stream io.ReadWriter, origin storage.Identity, no uint32, want storage.Digest) ([]byte, error) {
	if err := hadrwire.Write(stream, &hadrwire.PageRequest{Origin: origin, Page: no, Want: want}); err != nil {
		return nil, fmt.Errorf("ask for page %d: %w", no, err)
	}
	m, err := expect[*hadrwire.Page](hadrwire.NewReader(stream))
	switch {
	case err != nil:
		return nil, fmt.Errorf("receive page %d: %w", no, cutOff(err))
	case m.Page != no || len(m.Data) != 0 && len(m.Data) != storage.PageSize:
		return nil, fmt.Errorf("%w: page %d with %d bytes instead of page %d", hadrwire.ErrMalformed, m.Page, len(m.Data), no)
	case len(m.Data) == 0:
		return nil, fmt.Errorf("%w: page %d with hash %s: %s", ErrNoPage, no, want, m.Reason)
	case storage.HashPage(no, m.Data) != want:
		return nil, fmt.Errorf("%w: page %d came with another hash than %s", ErrNoPage, no, want)
	}
	return m.Data, nil
}
