package engine

import (
	"context"
	"sync"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// recordEvery is how often it is stored how far a file is. What was copied since is copied again after a crash.
const recordEvery = 200 * time.Millisecond

// copies brings the files of one migration to storage, several at once.
type copies struct {
	*lane
	files   sync.WaitGroup
	mu      sync.Mutex
	running map[string]bool // by the effect's name
}

// run keeps as many files being copied as the migration allows.
func (w *copies) run(ctx context.Context) error {
	w.running = map[string]bool{}
	defer w.files.Wait()
	w.drain = w.files.Wait
	return w.each(ctx, w.round)
}

func (w *copies) round(ctx context.Context, s *ledger.Snapshot) (time.Duration, error) {
	now := w.e.o.Clock.Now()
	rest := w.ends.Sub(now)
	for _, x := range s.Due(ledger.Copies) {
		if left := w.e.fails.next(s.ID, name(x)).Sub(now); left > 0 {
			rest = min(rest, left)
		} else if w.begin(name(x)) {
			w.files.Go(func() {
				if err := w.file(ctx, s, x); err != nil {
					w.e.check(err)
					w.e.o.Log.Error("copy a file", "database", s.Database, "file", x.File, "error", err)
				}
				w.ended(name(x))
				w.e.jobs.wake(w.args)
			})
		}
	}
	return max(rest, time.Millisecond), nil
}

func (w *copies) begin(n string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[n] {
		return false
	}
	w.running[n] = true
	return true
}

func (w *copies) ended(n string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, n)
}

// file copies what lacks of one file, and seals it.
func (w *copies) file(ctx context.Context, s *ledger.Snapshot, x flow.Effect) error {
	if x.Kind == flow.CopyBlock {
		f, _ := s.Migration.Named(x)
		c := &copying{copies: w, s: s, file: f, next: x.Offset, stored: x.Offset, recorded: x.Offset, ends: map[int64]int64{},
			results: make(chan result), saved: make(chan error, 1)}
		if done, err := c.run(ctx); err != nil || !done {
			return err
		}
		now, err := w.e.l.Look(ctx, s.ID)
		if err != nil {
			return err
		}
		s, x = now, flow.Effect{}
		for _, o := range s.Due(ledger.Copies) {
			if o.Kind == flow.SealFile && o.File == f.Name && o.Version == f.Version {
				x = o
			}
		}
		if x.Kind == "" {
			return nil // it need not be done any more
		}
	}
	events, err := w.do(ctx, s, x)
	if err != nil {
		_, err = w.failed(ctx, s, x, err)
		return err
	}
	return w.worked(ctx, s, x, events, "")
}

// copying is the copy of one file: several blocks are under way at once, and what is stored without a hole is recorded
// meanwhile, BEFORE the file is sealed.
type copying struct {
	*copies
	s    *ledger.Snapshot
	file flow.File
	// next is where the next block begins; up to stored the file is in storage, up to recorded the ledger knows it. ends are
	// the blocks behind stored that are in storage too, from begin to end.
	next, stored, recorded int64
	ends                   map[int64]int64
	running                int
	results                chan result
	saving                 bool
	saved                  chan error
	last                   time.Time // of the last record
	failedBlock            *result
	failedRecord           error
}

type result struct {
	effect flow.Effect
	err    error
}

// run copies until the file is whole, something fails, or the turn is over. It reports whether the file is whole and the
// ledger knows it.
func (c *copying) run(ctx context.Context) (bool, error) {
	for {
		c.record(ctx)
		if c.running == 0 && !c.saving && (!c.more(ctx) || c.next >= c.file.Size) && (c.recorded == c.stored || c.failedRecord != nil || ctx.Err() != nil) {
			break
		}
		var slot chan<- struct{}
		if c.more(ctx) && c.next < c.file.Size && c.running < c.e.o.PerFile {
			slot = c.e.slots
		}
		select {
		case slot <- struct{}{}:
			c.begin(ctx)
		case r := <-c.results:
			c.take(r)
		case err := <-c.saved:
			c.saving = false
			if err != nil {
				c.failedRecord = err
			}
		}
	}
	switch {
	case c.failedRecord != nil:
		c.e.fails.failed(c.s, c.file.Name+"/"+c.file.Version, "", "")
		return false, c.failedRecord
	case c.failedBlock != nil:
		_, err := c.failed(ctx, c.s, c.failedBlock.effect, c.failedBlock.err)
		return false, err
	}
	return c.recorded == c.file.Size, nil
}

// more: blocks may be begun.
func (c *copying) more(ctx context.Context) bool {
	return c.failedBlock == nil && c.failedRecord == nil && ctx.Err() == nil && c.e.o.Clock.Now().Before(c.lane.ends)
}

func (c *copying) begin(ctx context.Context) {
	x := c.s.Migration.Block(c.file, c.next)
	c.next += x.Length
	c.running++
	c.files.Go(func() {
		events, err := c.do(ctx, c.s, x)
		<-c.e.slots
		stored := false
		for _, e := range events {
			stored = stored || e.Kind == flow.BlockStored && e.Done >= x.Offset+x.Length
		}
		if err == nil && !stored {
			err = &flow.Hindrance{At: flow.AtShare, What: "nothing was read of " + x.File, Fix: "look whether it is being replaced; it is read again"}
		}
		c.results <- result{x, err}
	})
}

// take notes what became of a block.
func (c *copying) take(r result) {
	c.running--
	if r.err != nil {
		if c.failedBlock == nil {
			c.failedBlock = &r
		}
		return
	}
	c.ends[r.effect.Offset] = r.effect.Offset + r.effect.Length
	for end, ok := c.ends[c.stored]; ok; end, ok = c.ends[c.stored] {
		delete(c.ends, c.stored)
		c.stored = end
	}
}

// record stores how far the file is: now and then, and when nothing is under way.
func (c *copying) record(ctx context.Context) {
	now := c.e.o.Clock.Now()
	due := now.Sub(c.last) >= recordEvery || c.running == 0
	if c.saving || c.stored == c.recorded || c.failedRecord != nil || !due {
		return
	}
	c.saving, c.recorded, c.last = true, c.stored, now
	x := c.s.Migration.Block(c.file, 0)
	events := []flow.Event{{Kind: flow.BlockStored, File: c.file.Name, Version: c.file.Version, Done: c.stored, At: now}}
	c.files.Go(func() { c.saved <- c.worked(ctx, c.s, x, events, "") })
}
