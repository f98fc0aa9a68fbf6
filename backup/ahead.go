package backup

import (
	"context"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/lsn"
	"linkspan/storage"
)

// runsAhead is how many runs of pages are read before they are written: that is all the memory a backup takes.
const runsAhead = 3

// run is a run of pages on its way from the database to the devices. They are read to where their frame will be: a frame
// of fewer than ChunkPages begins later in buf, not elsewhere.
type run struct {
	buf   []byte
	chunk storage.Chunk
	// took is how long reading took.
	took time.Duration
	err  error
}

// pagesAt is where the pages lie in buf, runLead what lies before the longest frame: pages are read to whole pages of
// memory.
const (
	pagesAt = storage.PageSize
	runLead = pagesAt - frameHeader - pagesPrefix - ChunkPages*rowSize
)

func newRun() *run {
	return &run{buf: make([]byte, pagesAt+ChunkPages*storage.PageSize+sector)}
}

// read reads up to ChunkPages pages.
func (r *run) read(ctx context.Context, src *storage.SeedSource, first uint32) {
	start := clock.System.Now()
	end := pagesAt + ChunkPages*storage.PageSize
	r.chunk.Pages = r.buf[pagesAt:pagesAt:end]
	r.err = src.ReadInto(ctx, &r.chunk, first, ChunkPages)
	r.took = clock.System.Now().Sub(start)
}

// keepChanged leaves the pages whose last change is after base.
func (r *run) keepChanged(base lsn.LSN) []uint32 {
	c := &r.chunk
	numbers := []uint32{}
	for i, at := range c.LSNs {
		if !base.Less(at) {
			continue
		}
		n := len(numbers)
		if n != i {
			copy(c.Pages[n*storage.PageSize:(n+1)*storage.PageSize], c.Pages[i*storage.PageSize:])
		}
		c.LSNs[n], c.Hashes[n] = c.LSNs[i], c.Hashes[i]
		numbers = append(numbers, c.First+uint32(i))
	}
	n := len(numbers)
	c.LSNs, c.Hashes, c.Pages = c.LSNs[:n], c.Hashes[:n], c.Pages[:n*storage.PageSize]
	return numbers
}

// frame makes the Pages frame around the pages; numbers are the pages', nil when they are neighbours.
func (r *run) frame(numbers []uint32) []byte {
	c := &r.chunk
	n := len(c.LSNs)
	start := runLead + (ChunkPages-n)*rowSize
	b := beginFrame(r.buf[start:start])
	b = appendPagesPrefix(b, c)
	for i := range n {
		no := c.First + uint32(i)
		if numbers != nil {
			no = numbers[i]
		}
		b = appendRow(b, c, i, no)
	}
	return b[:len(b)+n*storage.PageSize]
}

// readAhead reads the database's pages, run by run, in a goroutine of its own, so that reading and writing overlap.
type readAhead struct {
	cancel      context.CancelFunc
	ready, free chan *run
	reader      sync.WaitGroup
}

// newReadAhead begins with page 1. stop MUST be called, before src is closed.
func newReadAhead(ctx context.Context, src *storage.SeedSource) *readAhead {
	a := &readAhead{ready: make(chan *run, runsAhead+1), free: make(chan *run, runsAhead)}
	ctx, a.cancel = context.WithCancel(ctx)
	for range runsAhead {
		a.free <- newRun()
	}
	a.reader.Go(func() { a.read(ctx, src) })
	return a
}

func (a *readAhead) read(ctx context.Context, src *storage.SeedSource) {
	for next := uint32(1); ; {
		var r *run
		select {
		case r = <-a.free:
		case <-ctx.Done():
			a.ready <- &run{err: context.Cause(ctx)}
			return
		}
		r.read(ctx, src, next)
		n := uint32(len(r.chunk.LSNs))
		a.ready <- r // there is room for all, and for the end of ctx
		if r.err != nil || n == 0 {
			return
		}
		next += n
	}
}

// stop ends the reading. What was read is gone.
func (a *readAhead) stop() {
	a.cancel()
	a.reader.Wait()
}
