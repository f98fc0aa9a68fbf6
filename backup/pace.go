package backup

import (
	"context"
	"time"

	"linkspan/internal/clock"
)

// A backup that nobody writes beside takes what it can. Beside writers it works for a while and pauses pauseFactor times
// as long: what it takes from them is the processor (every page is hashed, summed and copied) and the disk, whose flushes
// of the log queue behind those of the backup file; both are bounded by its share of the time. The pause is bounded, so
// that a backup ends on a slow disk too.
const (
	pauseFactor = 18
	pauseMost   = 500 * time.Millisecond
)

// pace paces a backup by the commits of the database.
type pace struct {
	clock   clock.Clock
	commits func() int64
	last    int64
}

func newPace(c clock.Clock, commits func() int64) *pace {
	if c == nil {
		c = clock.System
	}
	return &pace{clock: c, commits: commits, last: commits()}
}

// after pauses after work that took so long, when there were commits meanwhile.
func (p *pace) after(ctx context.Context, took time.Duration) error {
	now := p.commits()
	busy := now != p.last
	p.last = now
	if !busy || took <= 0 {
		return nil
	}
	c, stop := p.clock.After(min(took*pauseFactor, pauseMost))
	defer stop()
	select {
	case <-c:
		p.last = p.commits() // those of the pause do not tell whether the next work is beside writers
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
