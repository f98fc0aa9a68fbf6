package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// SeedTarget receives a seeding. What it was given survives a crash: reopen it and continue at Progress. For one
// goroutine at a time.
type SeedTarget struct {
	db *DB
	o  Options
	// state is what the next sync commits.
	state meta
	// unsynced are the bytes installed since the last sync.
	unsynced int64
	// behind is the result of the sync that runs while more is installed; nil when none does.
	behind   chan error
	workers  sync.WaitGroup
	complete bool
	size     uint32
	final    Chunk
	closed   bool
}

// SeedProgress is where a seeding continues.
type SeedProgress struct {
	// Header is as given at the start; of it ID, Epoch, LogFrom and LogOffset survive a crash.
	Header SeedHeader
	// NextPage is the first page not yet installed.
	NextPage uint32
	// Difference tells that there are pages already: PageHashes tells the source which.
	Difference bool
	// LogAt is the last LSN of the log received; continue after it.
	LogAt lsn.LSN
	// ConsistentAt is the latest LSN of an installed chunk: Finish needs log up to it.
	ConsistentAt lsn.LSN
}

// A target syncs what it installed behind itself, whenever the last sync is done and there are seedSync bytes; it waits
// when there are seedMost.
const (
	seedSync = 2 << 20
	seedMost = 64 << 20
)

// Progress tells where to continue.
func (t *SeedTarget) Progress() SeedProgress {
	m := &t.state
	return SeedProgress{Header: SeedHeader{ID: m.id, Epoch: m.epoch, LogFrom: m.at, LogOffset: m.end.Offset, LogTime: m.time, Controls: m.controls},
		NextPage: m.nextPage, Difference: m.difference, LogAt: t.db.wal.prev, ConsistentAt: m.until}
}

func (t *SeedTarget) wrap(err error) error { return t.db.wrap("seed", err) }

// InstallChunk checks the pages against their hashes and stores them. Chunks come in order of pages, without gaps; the
// last has no pages.
func (t *SeedTarget) InstallChunk(ctx context.Context, c Chunk) error {
	if err := t.check(ctx, &c); err != nil {
		return t.wrap(err)
	}
	if err := t.install(&c); err != nil {
		return t.wrap(err)
	}
	t.state.nextPage += uint32(len(c.LSNs))
	t.state.until = lsn.Latest(t.state.until, c.LSN)
	t.unsynced += int64(len(c.Pages))
	if len(c.LSNs) == 0 {
		t.complete, t.size, t.final = true, c.Size, c
	}
	if t.complete {
		return t.wrap(t.sync())
	}
	return t.wrap(t.syncBehind())
}

// install checks the chunk's pages and writes them, run by run, and then their entries.
func (t *SeedTarget) install(c *Chunk) error {
	rows := make([]byte, 0, len(c.LSNs)*entrySize)
	pages, run := c.Pages, 0 // run is the length of the run of pages that begins pages
	for i := range c.LSNs {
		no := c.First + uint32(i)
		e := entry{hash: c.Hashes[i], at: c.LSNs[i], mark: t.state.mark}
		row := e.encode(no)
		rows = append(rows, row[:]...)
		if c.Have != nil && c.Have[i] {
			if err := t.db.base.writePages(no-uint32(run), pages[:run*PageSize]); err != nil {
				return err
			}
			pages, run = pages[run*PageSize:], 0
			continue
		}
		if got := pagelog.Hash(no, (*pagelog.Page)(pages[run*PageSize:])); got != c.Hashes[i] {
			return fmt.Errorf("%w: page %d of LSN %s arrived with hash %s, it should be %s", ErrDigest, no, c.LSNs[i], got, c.Hashes[i])
		}
		run++
	}
	if err := t.db.base.writePages(c.First+uint32(len(c.LSNs)-run), pages); err != nil {
		return err
	}
	if err := t.db.base.writeRows(c.First, rows); err != nil {
		return err
	}
	for i := range c.Hashes {
		t.state.digest.XOR(c.Hashes[i])
	}
	return nil
}

// sent is how many pages the chunk carries.
func (c *Chunk) sent() int {
	n := len(c.LSNs)
	for _, have := range c.Have {
		if have {
			n--
		}
	}
	return n
}

func (t *SeedTarget) check(ctx context.Context, c *Chunk) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case t.closed:
		return ErrClosed
	case t.complete:
		return errors.New("the last chunk was installed already")
	case c.First != t.state.nextPage:
		return fmt.Errorf("%w: page %d is offered, page %d is next", ErrGap, c.First, t.state.nextPage)
	case c.Have != nil && len(c.Have) != len(c.LSNs), len(c.Pages) != c.sent()*PageSize, len(c.Hashes) != len(c.LSNs):
		return errors.New("the chunk's parts are not equally long")
	case c.LSN.Less(t.state.at):
		return fmt.Errorf("%w: chunk of LSN %s, the seeding began at %s", ErrGap, c.LSN, t.state.at)
	case len(c.LSNs) == 0 && c.First <= c.Size:
		return fmt.Errorf("%w: the chunk of page %d is empty, but the database has %d pages", ErrGap, c.First, c.Size)
	}
	return nil
}

// sync commits what was installed.
func (t *SeedTarget) sync() error {
	if err := t.caughtUp(); err != nil {
		return err
	}
	t.unsynced = 0
	return t.commit(t.state)
}

// syncBehind is sync while the caller goes on installing, when it is time for one.
func (t *SeedTarget) syncBehind() error {
	if t.unsynced < seedSync || t.unsynced < seedMost && t.behind != nil && len(t.behind) == 0 {
		return nil
	}
	if err := t.caughtUp(); err != nil {
		return err
	}
	t.unsynced = 0
	state, done := t.state, make(chan error, 1)
	t.behind = done
	t.workers.Go(func() { done <- t.commit(state) })
	return nil
}

// caughtUp waits for the sync that runs behind.
func (t *SeedTarget) caughtUp() error {
	t.workers.Wait()
	if t.behind == nil {
		return nil
	}
	err := <-t.behind
	t.behind = nil
	return err
}

// commit makes the state true and then writes it.
func (t *SeedTarget) commit(state meta) error {
	if err := t.db.base.sync(); err != nil {
		return err
	}
	if _, err := t.db.wal.flush(); err != nil {
		return err
	}
	return t.db.meta.write(state)
}

// ApplyLog stores a batch's records, which must continue Progress().LogAt; those it has already are skipped.
func (t *SeedTarget) ApplyLog(ctx context.Context, records []byte) error {
	if ctx.Err() != nil {
		return t.wrap(context.Cause(ctx))
	}
	if t.closed {
		return t.wrap(ErrClosed)
	}
	plan, err := planRuns(t.db.wal, records, t.state.epoch)
	if err != nil {
		return t.wrap(err)
	}
	_, err = plan.write(t.db.wal)
	return t.wrap(err)
}

// Finish makes the copy a replica and opens it, once the empty last chunk is installed and the log reaches its LSN.
func (t *SeedTarget) Finish(ctx context.Context) (*DB, error) {
	if err := t.ready(ctx); err != nil {
		return nil, t.wrap(err)
	}
	if err := t.seal(); err != nil {
		return nil, t.wrap(errors.Join(err, t.Close()))
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	db, err := Open(ctx, t.o)
	if err != nil {
		return nil, err
	}
	if v := db.marks.publishedVersion(); v.LSN == t.final.LSN && v.Digest != t.final.Digest {
		err := fmt.Errorf("%w at %s: the source had %s, this copy's pages give %s", ErrDigest, v.LSN, t.final.Digest, v.Digest)
		return nil, t.wrap(errors.Join(err, db.Close()))
	}
	return db, nil
}

func (t *SeedTarget) ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case t.closed:
		return ErrClosed
	case !t.complete:
		return fmt.Errorf("page %d is still missing", t.state.nextPage)
	case t.db.wal.prev.Less(t.state.until):
		return fmt.Errorf("%w: the log is there up to %s, the copy needs it up to %s", ErrGap, t.db.wal.prev, t.state.until)
	}
	return nil
}

// seal makes what was installed a base file that recovery brings to the end of the log.
func (t *SeedTarget) seal() error {
	most, err := t.mostPages()
	if err != nil {
		return err
	}
	// Pages beyond the size at the last chunk were zeros then, whatever they had been before.
	most = max(most, t.state.nextPage-1)
	for no := t.size + 1; no <= most; no++ {
		if no < t.state.nextPage {
			_, hash, _, err := t.db.base.replaced(no)
			if err != nil {
				return err
			}
			t.state.digest.XOR(hash)
		}
		if err := t.db.base.writeOnce(no, &logvfs.Page{LSN: t.state.until}); err != nil {
			return err
		}
	}
	if t.state.difference { // what the copy had beyond is of another history
		if err := t.db.base.cutTo(most); err != nil {
			return err
		}
	}
	t.state.role, t.state.pages, t.state.difference = roleReplica, t.size, false
	return t.sync()
}

// mostPages is the largest size the database had in the log received.
func (t *SeedTarget) mostPages() (uint32, error) {
	tail, err := findTail(t.db.o.FS, t.db.o.Dir, t.db.meta.cur, lsn.Zero)
	if err != nil {
		return 0, err
	}
	most := t.size
	from := &logvfs.Version{LSN: t.state.at, End: t.state.end}
	err = tail.each(t.db.o.FS, t.db.o.Dir, from, func(h *pagelog.Header, body []byte, _ logvfs.Position) error {
		if t.state.until.Less(h.LSN) || h.Kind != pagelog.KindPages {
			return nil
		}
		c := pagelog.ParseChanges(body)
		for c.Next() {
			most = max(most, c.Page)
		}
		return c.Err()
	})
	return most, err
}

// Close leaves the seeding to be continued. Idempotent, and harmless after Finish.
func (t *SeedTarget) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	err := t.caughtUp()
	if err == nil && t.unsynced > 0 && !t.complete {
		err = t.sync() // so that no page comes twice
	}
	_, ferr := t.db.wal.flush()
	return t.wrap(errors.Join(err, ferr, t.db.wal.close(false), t.db.closeFiles()))
}
