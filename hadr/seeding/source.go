package seeding

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/internal/clock"
	"linkspan/lsn"
	"linkspan/storage"
)

// ChunkPages is how many pages are sent at once: 2 MiB.
const ChunkPages = 256

// Source sends a database's pages.
type Source struct {
	DB       *storage.DB
	Progress *Progress
	Clock    clock.Clock
	// Operation is this side's id of the seeding.
	Operation agcore.ID
	// Hold is told, BEFORE the target hears of the seeding, after which LSN the log must be kept, also over a restart.
	Hold func(ctx context.Context, after lsn.LSN) error
	// Slots bounds how many seedings an instance sends at once, Limit the bytes a second they take together; nil: no
	// bound.
	Slots *Slots
	Limit *Limit
}

// Serve answers a request on the stream and returns when everything is sent and the target has closed the stream, or with
// an error. The end of ctx must also end the stream.
func (s *Source) Serve(ctx context.Context, stream io.ReadWriter, req *hadrwire.SeedRequest) error {
	free, err := s.Slots.Take(ctx, func() { s.Progress.wait(s.Clock.Now(), true, Limited) })
	if err != nil {
		return err
	}
	defer free()
	src, resumed, err := s.open(ctx, req)
	if err != nil {
		return err
	}
	defer src.Close()
	h := src.Header()
	if err := s.Hold(ctx, h.LogFrom); err != nil {
		return err
	}
	next, difference := uint32(1), req.Pages
	if resumed {
		next, difference = req.NextPage, req.Difference
	}
	s.Progress.begin(s.Clock.Now(), true, s.Operation, agcore.ID(req.Operation), pages(next-1), pages(h.Pages), !resumed, difference)
	if err := hadrwire.Write(stream, &hadrwire.SeedStart{Resumed: resumed, Header: wireHeader(h), Operation: s.Operation, Difference: difference}); err != nil {
		return fmt.Errorf("send start of seeding: %w", err)
	}
	if difference {
		err = s.sendDifference(ctx, src, stream, next)
	} else {
		err = s.send(ctx, src, stream, next)
	}
	if err != nil {
		return err
	}
	free() // what the target does now costs nothing here
	// The target closes when it has what it needs.
	if _, err := io.Copy(io.Discard, bufio.NewReader(stream)); err != nil {
		return fmt.Errorf("wait for the end of seeding: %w", err)
	}
	return nil
}

func (s *Source) open(ctx context.Context, req *hadrwire.SeedRequest) (*storage.SeedSource, bool, error) {
	if req.Resume {
		src, err := s.DB.ResumeSeedSource(ctx, storageHeader(req.Header))
		if err == nil {
			return src, true, nil
		}
		if !errors.Is(err, storage.ErrLogGone) && !errors.Is(err, storage.ErrGap) {
			return nil, false, fmt.Errorf("resume seeding: %w", err)
		}
	}
	src, err := s.DB.SeedSource(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("start seeding: %w", err)
	}
	return src, false, nil
}

func (s *Source) send(ctx context.Context, src *storage.SeedSource, w io.Writer, next uint32) error {
	a := s.startAhead(ctx, src, next)
	defer a.close()
	var head []byte
	for {
		c, err := a.next(ctx)
		if err != nil {
			return fmt.Errorf("read pages from %d: %w", next, err)
		}
		start := s.Clock.Now()
		head = hadrwire.AppendChunk(head[:0], wireChunk(&c.Chunk))
		if err = s.write(ctx, w, head); err == nil && len(c.Pages) > 0 {
			err = s.write(ctx, w, c.Pages)
		}
		if err != nil {
			return fmt.Errorf("send pages from %d: %w", next, err)
		}
		s.Progress.moved(int64(len(c.Pages)), pages(c.Size), c.took, s.Clock.Now().Sub(start))
		if len(c.LSNs) == 0 {
			return nil
		}
		next += uint32(len(c.LSNs))
		a.back(c)
	}
}

// write sends b as fast as it may.
func (s *Source) write(ctx context.Context, w io.Writer, b []byte) error {
	if err := s.Limit.Wait(ctx, len(b)); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

func pages(n uint32) int64 { return int64(n) * storage.PageSize }

func wireHeader(h storage.SeedHeader) hadrwire.SeedHeader {
	w := hadrwire.SeedHeader{Origin: h.ID, Epoch: h.Epoch, Pages: h.Pages, LogFrom: h.LogFrom, LogPrev: h.LogPrev, LogOffset: h.LogOffset, LogTime: h.LogTime}
	for _, c := range h.Controls {
		w.Controls = append(w.Controls, hadrwire.Control{LSN: c.LSN, Epoch: c.Epoch, Kind: c.Kind, Payload: c.Payload})
	}
	return w
}

func storageHeader(w hadrwire.SeedHeader) storage.SeedHeader {
	h := storage.SeedHeader{ID: w.Origin, Epoch: w.Epoch, Pages: w.Pages, LogFrom: w.LogFrom, LogPrev: w.LogPrev, LogOffset: w.LogOffset, LogTime: w.LogTime}
	for _, c := range w.Controls {
		h.Controls = append(h.Controls, storage.Control{LSN: c.LSN, Epoch: c.Epoch, Kind: c.Kind, Payload: c.Payload})
	}
	return h
}

func wireChunk(c *storage.Chunk) *hadrwire.SeedChunk {
	m := &hadrwire.SeedChunk{First: c.First, Size: c.Size, LSN: c.LSN, Digest: c.Digest, LSNs: c.LSNs, Hashes: make([][16]byte, len(c.Hashes)), Pages: c.Pages}
	for i, h := range c.Hashes {
		m.Hashes[i] = h
	}
	return m
}

func storageChunk(m *hadrwire.SeedChunk) storage.Chunk {
	c := storage.Chunk{First: m.First, Size: m.Size, LSN: m.LSN, Digest: m.Digest, LSNs: m.LSNs, Hashes: make([]storage.Digest, len(m.Hashes)), Pages: m.Pages}
	for i, h := range m.Hashes {
		c.Hashes[i] = h
	}
	return c
}
