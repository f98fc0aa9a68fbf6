package seeding

import (
	"context"
	"fmt"
	"io"
	"sync"

	"linkspan/hadr/hadrwire"
	"linkspan/storage"
)

// askAhead is how many runs of pages a target compares ahead of the one it installs.
const askAhead = 4

// sendDifference answers each of the target's runs of hashes with the pages that differ.
func (s *Source) sendDifference(ctx context.Context, src *storage.SeedSource, stream io.ReadWriter, next uint32) error {
	r := hadrwire.NewReader(stream)
	var c storage.Chunk
	var buf []byte
	for {
		asked := s.Clock.Now()
		m, err := expect[*hadrwire.SeedHashes](r)
		if err != nil {
			return fmt.Errorf("receive hashes of pages from %d: %w", next, cutOff(err))
		}
		if m.First != next || len(m.Hashes) == 0 {
			continue // asked before the target knew how short the last answer was
		}
		start := s.Clock.Now()
		if err := src.ReadInto(ctx, &c, next, len(m.Hashes)); err != nil {
			return fmt.Errorf("read pages from %d: %w", next, err)
		}
		read := s.Clock.Now()
		c.Omit(digests(m.Hashes))
		buf = hadrwire.Append(buf[:0], wireDelta(&c))
		if err := s.write(ctx, stream, buf); err != nil {
			return fmt.Errorf("send pages from %d: %w", next, err)
		}
		s.Progress.compared(&c, read.Sub(start), start.Sub(asked)+s.Clock.Now().Sub(read))
		if len(c.LSNs) == 0 {
			return nil
		}
		next += uint32(len(c.LSNs))
	}
}

func digests(list [][16]byte) []storage.Digest {
	out := make([]storage.Digest, len(list))
	for i, h := range list {
		out[i] = h
	}
	return out
}

func hashes(list []storage.Digest) [][16]byte {
	out := make([][16]byte, len(list))
	for i, h := range list {
		out[i] = h
	}
	return out
}

func wireDelta(c *storage.Chunk) *hadrwire.SeedDelta {
	return &hadrwire.SeedDelta{First: c.First, Size: c.Size, LSN: c.LSN, Digest: c.Digest, LSNs: c.LSNs, Hashes: hashes(c.Hashes), Have: c.Have, Pages: c.Pages}
}

func storageDelta(m *hadrwire.SeedDelta) storage.Chunk {
	return storage.Chunk{First: m.First, Size: m.Size, LSN: m.LSN, Digest: m.Digest, LSNs: m.LSNs, Hashes: digests(m.Hashes), Have: m.Have, Pages: m.Pages}
}

// asker tells the source the hashes of the target's pages, some runs ahead of what is installed.
type asker struct {
	dst *storage.SeedTarget
	w   io.Writer

	mu sync.Mutex // protects the rest
	// next is the first page not yet told, done the first not yet installed.
	next, done uint32
	// moved wakes run.
	moved chan struct{}
}

func newAsker(dst *storage.SeedTarget, w io.Writer) *asker {
	first := dst.Progress().NextPage
	return &asker{dst: dst, w: w, next: first, done: first, moved: make(chan struct{}, 1)}
}

// installed notes an answer. A short one tells where the source's database ended; what was asked beyond is not answered.
func (a *asker) installed(next uint32, n int) {
	a.mu.Lock()
	if a.done = next; n < ChunkPages {
		a.next = next
	}
	a.mu.Unlock()
	select {
	case a.moved <- struct{}{}:
	default:
	}
}

func (a *asker) take() (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next-a.done >= askAhead*ChunkPages {
		return 0, false
	}
	first := a.next
	a.next += ChunkPages
	return first, true
}

// run asks until ctx ends or the stream does.
func (a *asker) run(ctx context.Context) {
	for ctx.Err() == nil {
		first, more := a.take()
		if !more {
			select {
			case <-a.moved:
			case <-ctx.Done():
			}
			continue
		}
		have, err := a.dst.PageHashes(first, ChunkPages)
		if err == nil {
			err = hadrwire.Write(a.w, &hadrwire.SeedHashes{First: first, Hashes: hashes(have)})
		}
		if err != nil {
			return // the reader of the answers meets the same end
		}
	}
}
