package engine

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"linkspan/internal/clock"
	"linkspan/internal/startstop"
	"linkspan/migrate/ledger"
)

// ErrRunning: another engine, of this process or another, works on the ledger's folder.
var ErrRunning = ledger.ErrRunning

// Options are what an Engine is given.
type Options struct {
	// Open makes the Works of an activity; it MUST be given. It is called when there is something to do for the activity, and
	// again when it failed: an error is a Trouble of each of its databases. The Works are closed when nothing is left to do.
	Open func(ctx context.Context, a ledger.Activity) (Works, error)
	// Clock is the system's when nil; Log discards when nil.
	Clock clock.Clock
	Log   *slog.Logger
	// ScanEvery is how long a source is left alone at most; 2 s when 0. Where a scan takes little it is done up to four times
	// as often, and every 250 ms while a file is seen growing or has just come.
	ScanEvery time.Duration
	// FollowEvery is how long a target is left alone at most; 5 s when 0. After something happened it is asked after 250 ms,
	// then less and less often.
	FollowEvery time.Duration
	// LoginsEvery is how often both sides' logins are compared; 15 s when 0. While nothing lacks it is up to eight times as long,
	// and logins are listed every fourth time.
	LoginsEvery time.Duration
	// Blocks is how many blocks are copied at once by the whole engine, PerFile how many of one file; 8 each when 0.
	Blocks, PerFile int
	// Scans is how many sources are read at once; 16 when 0.
	Scans int
	// Backoff is the first wait after an error, which doubles to MaxBackoff; 1 s and 1 min when 0. Nothing is ever given up
	// because it took long.
	Backoff, MaxBackoff time.Duration
	// SweepEvery is how often it is looked whether everything that is to be done has somebody who does it; 30 s when 0. This
	// finds jobs that were lost, which nothing is known to do.
	SweepEvery time.Duration
}

func (o Options) defaults() (Options, error) {
	if o.Open == nil {
		return o, errors.New("engine: Options.Open is missing")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.ScanEvery, o.FollowEvery = cmp.Or(o.ScanEvery, 2*time.Second), cmp.Or(o.FollowEvery, 5*time.Second)
	o.LoginsEvery = cmp.Or(o.LoginsEvery, 15*time.Second)
	o.Blocks, o.PerFile, o.Scans = cmp.Or(o.Blocks, 8), cmp.Or(o.PerFile, 8), cmp.Or(o.Scans, 16)
	o.Backoff, o.MaxBackoff = cmp.Or(o.Backoff, time.Second), cmp.Or(o.MaxBackoff, time.Minute)
	o.SweepEvery = cmp.Or(o.SweepEvery, 30*time.Second)
	if min(o.SweepEvery, o.ScanEvery, o.FollowEvery, o.LoginsEvery, o.Backoff, o.MaxBackoff) < 0 || min(o.Blocks, o.PerFile, o.Scans) < 0 {
		return o, errors.New("engine: an option is negative")
	}
	return o, nil
}

const (
	// quick is the wait after something happened.
	quick = 250 * time.Millisecond
	// turn is how long one job works on a lane before the next one goes on with it.
	turn = 5 * time.Minute
	// lanes is how many lanes are worked on at once. Most of them wait; what is done at once has limits of its own.
	lanes = 8000
	// jobTimeout and rescueAfter are those of waking, which is done at once. A lane limits what is done in it by itself.
	jobTimeout  = time.Minute
	rescueAfter = 5 * time.Minute
	// fetchCooldown and fetchPoll bound how late a job is seen that another process inserted.
	fetchCooldown = 20 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
)

// Engine carries effects out for every activity of one ledger.
type Engine struct {
	o      Options
	l      *ledger.Ledger
	lease  *ledger.Lease
	client *river.Client[*sql.Tx]
	group  *startstop.Group

	slots chan struct{} // blocks that are being copied
	scans chan struct{} // sources that are being read
	pool  *pool
	jobs  *registry
	fails *failures
	batch *batches

	movedMu sync.Mutex
	movedBy map[int64]int64 // stages of logins that were carried out, by activity

	stop sync.Once
	done chan struct{} // closed when everything has ended
	err  error         // of the end; read behind done
}

// Start begins to carry effects out. The error is ErrRunning when another engine works on the folder, and the ledger's when it
// is damaged. ctx is for the start alone: the engine runs until Stop, which MUST be called before l is closed.
func Start(ctx context.Context, l *ledger.Ledger, o Options) (*Engine, error) {
	o, err := o.defaults()
	if err != nil {
		return nil, err
	}
	lease, err := engage(ctx, l, o.Clock)
	if err != nil {
		return nil, err
	}
	life := context.WithoutCancel(ctx)
	e := &Engine{o: o, l: l, lease: lease, group: startstop.New(life), done: make(chan struct{}), slots: make(chan struct{}, o.Blocks),
		scans: make(chan struct{}, o.Scans), jobs: newRegistry(), fails: newFailures(o), movedBy: map[int64]int64{}}
	e.pool, e.batch = newPool(e), newBatches(lease)
	workers := river.NewWorkers()
	err = errors.Join(river.AddWorkerSafely(workers, &laneWorker{e: e}), river.AddWorkerSafely(workers, &wakeWorker{e: e}))
	if err == nil {
		e.client, err = l.Client(&river.Config{
			Queues:  map[string]river.QueueConfig{ledger.LaneQueue: {MaxWorkers: lanes}, ledger.WakeQueue: {MaxWorkers: 8}},
			Workers: workers, JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
			CompletedJobRetentionPeriod: time.Minute, Logger: slog.New(warnings{o.Log.Handler()}),
		})
	}
	if err == nil {
		l.Observe(e.changed)
		err = e.client.Start(life)
	}
	if err == nil {
		e.group.Go(e.sweep)
	}
	if err != nil {
		l.Observe(nil)
		e.group.Stop()
		return nil, errors.Join(fmt.Errorf("start the engine: %w", err), lease.Release())
	}
	return e, nil
}

// engage tries for a moment: whoever looks whether an engine runs has the lock for an instant.
func engage(ctx context.Context, l *ledger.Ledger, clk clock.Clock) (*ledger.Lease, error) {
	for try := 0; ; try++ {
		lease, err := l.Engage(ctx)
		if !errors.Is(err, ErrRunning) || try == 10 {
			return lease, err
		}
		c, stop := clk.After(20 * time.Millisecond)
		select {
		case <-c:
		case <-ctx.Done():
			stop()
			return nil, context.Cause(ctx)
		}
	}
}

// Stop ends the engine and waits until nothing of it runs: what is being done is cut short and done again later. Idempotent.
// When ctx ends first its error is returned, and Stop may be called again.
func (e *Engine) Stop(ctx context.Context) error {
	e.stop.Do(func() { go e.end() })
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return fmt.Errorf("the engine has not stopped yet: %w", context.Cause(ctx))
	}
}

// sweep has lanes worked on again that twice in a row had something to do and nobody who did it.
func (e *Engine) sweep(ctx context.Context) {
	missed := map[ledger.LaneArgs]bool{}
	for {
		c, stop := e.o.Clock.After(e.o.SweepEvery)
		select {
		case <-c:
		case <-ctx.Done():
			stop()
			return
		}
		lost, err := e.lease.Sweep(ctx, func(a ledger.LaneArgs) bool { return e.jobs.held(a) }, missed)
		if err != nil && ctx.Err() == nil {
			e.check(err)
			e.o.Log.Error("look for lost jobs", "error", err)
			continue
		}
		missed = lost
	}
}

// Done is closed when the engine has ended: by Stop, or because another one took the folder over, which its lock prevents
// unless somebody deletes it.
func (e *Engine) Done() <-chan struct{} { return e.done }

// check ends the engine when an error says that another one took over.
func (e *Engine) check(err error) {
	if errors.Is(err, ledger.ErrFenced) {
		e.o.Log.Error("another engine took the folder over: this one ends")
		e.stop.Do(func() { go e.end() })
	}
}

// warnings lets what the jobs' machinery says through when it is a warning or worse.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }

func (e *Engine) end() {
	defer close(e.done)
	e.err = e.client.StopAndCancel(context.Background())
	e.l.Observe(nil)
	e.group.Stop()
	e.err = errors.Join(e.err, e.pool.close(), e.lease.Release())
}

// changed follows a change of a migration: it wakes those who wait for one, and cuts short what is not outstanding any more.
func (e *Engine) changed(s *ledger.Snapshot) {
	dieIn(s.Migration.State)
	e.fails.keep(s)
	e.jobs.changed(s)
}
