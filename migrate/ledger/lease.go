package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"github.com/riverqueue/river"

	"linkspan/internal/fsx"
	"linkspan/migrate/flow"
)

// ErrRunning: another engine, of this process or another, works on the folder.
var ErrRunning = errors.New("an engine runs on this folder already: stop it, or let it do the work")

// ErrFenced: another engine took over since. What this one found out must not be stored.
var ErrFenced = errors.New("another engine took this folder over")

// lockName is the file whose lock is the engine's; it dies with the process.
const lockName = "engine.lock"

// States of a step.
const (
	stepBegun = "begun"
	stepDone  = "done"
)

// Lease is the right of the one engine to carry effects out. Everything it stores is refused once another engine has begun.
type Lease struct {
	l          *Ledger
	lock       io.Closer
	generation int64
	once       sync.Once
}

// Engage takes the right to carry effects out: ErrRunning when another engine has it. It checks the whole file, drops the
// jobs that an engine before left behind, and inserts one for every lane in which there is something to do. The caller MUST
// Release the lease after its last use.
func (l *Ledger) Engage(ctx context.Context) (*Lease, error) {
	lock, err := l.fs.Lock(filepath.Join(l.dir, lockName))
	if errors.Is(err, fsx.ErrLocked) {
		return nil, ErrRunning
	}
	if err != nil {
		return nil, fmt.Errorf("take the engine's lock: %w", err)
	}
	s := &Lease{l: l, lock: lock}
	if err := l.begin(ctx, s.start(ctx)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Lease) start(ctx context.Context) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		var found string
		if err := tx.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return fmt.Errorf("the ledger in %s is damaged, put a copy of it back: %s", s.l.dir, found)
		}
		if err := tx.QueryRowContext(ctx, "UPDATE engine SET generation = generation + 1, at = ? RETURNING generation", stamp(s.l.clock.Now())).Scan(&s.generation); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM river_job WHERE kind IN (?, ?) AND finalized_at IS NULL", LaneArgs{}.Kind(), WakeArgs{}.Kind()); err != nil {
			return err
		}
		all, err := s.due(ctx, tx)
		if err != nil {
			return err
		}
		var jobs []river.InsertManyParams
		for _, a := range all {
			jobs = append(jobs, river.InsertManyParams{Args: a})
		}
		if len(jobs) == 0 {
			return nil
		}
		_, err = s.l.client.InsertManyTx(ctx, tx, jobs)
		return err
	}
}

// due lists the lanes in which there is something to do, or may be.
func (s *Lease) due(ctx context.Context, tx *sql.Tx) ([]LaneArgs, error) {
	ids, err := s.l.live(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []LaneArgs
	activities := map[int64]bool{}
	for _, id := range ids {
		r, err := s.l.load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		for _, lane := range Lanes(r.m, r.done) {
			out = append(out, LaneArgs{r.activity, id, lane})
		}
		activities[r.activity] = true
	}
	logins, err := s.l.loginActivities(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, id := range logins {
		activities[id] = true
	}
	for id := range activities {
		if live, err := s.l.loginsLive(ctx, tx, id); err != nil {
			return nil, err
		} else if live {
			out = append(out, LaneArgs{id, 0, Logins})
		}
	}
	return out, nil
}

// Sweep looks for lanes that have something to do and that nobody holds. Those that were among before already get a new job in
// place of the one they may have; the others are returned.
func (s *Lease) Sweep(ctx context.Context, held func(LaneArgs) bool, before map[LaneArgs]bool) (map[LaneArgs]bool, error) {
	missed := map[LaneArgs]bool{}
	err := s.l.read(ctx, func(tx *sql.Tx) error {
		if err := s.fenced(ctx, tx); err != nil {
			return err
		}
		all, err := s.due(ctx, tx)
		for _, a := range all {
			if !held(a) {
				missed[a] = true
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for a := range missed {
		if !before[a] {
			continue
		}
		delete(missed, a)
		s.l.log.Warn("a job was lost", "activity", a.Activity, "migration", a.Migration, "lane", string(a.Lane))
		err := s.l.begin(ctx, func(tx *sql.Tx) error {
			if err := s.fenced(ctx, tx); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE kind = ? AND finalized_at IS NULL AND args ->> 'activity' = ?
				AND args ->> 'migration' = ? AND args ->> 'lane' = ?`, a.Kind(), a.Activity, a.Migration, string(a.Lane))
			if err != nil {
				return err
			}
			_, err = s.l.client.InsertTx(ctx, tx, a, nil)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return missed, nil
}

// Release gives the right up. Idempotent.
func (s *Lease) Release() error {
	var err error
	s.once.Do(func() { err = s.lock.Close() })
	return err
}

// Generation is the number of this engine among all that ever ran on the folder.
func (s *Lease) Generation() int64 { return s.generation }

// fenced refuses what an engine does that is not the last one.
func (s *Lease) fenced(ctx context.Context, tx *sql.Tx) error {
	var now int64
	if err := tx.QueryRowContext(ctx, "SELECT generation FROM engine").Scan(&now); err != nil {
		return err
	}
	if now != s.generation {
		return ErrFenced
	}
	return nil
}

// live lists the migrations that have not ended.
func (l *Ledger) live(ctx context.Context, tx *sql.Tx) ([]int64, error) {
	var out []int64
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		out = append(out, id)
		return err
	}, "SELECT id FROM migrations WHERE state NOT IN (?, ?) ORDER BY id", string(flow.Completed), string(flow.Cancelled))
	return out, err
}

// Snapshot is a migration as it is stored at one moment. Nothing in it may be changed.
type Snapshot struct {
	ID, ActivityID             int64
	Activity, Database, Target string
	// Version grows with each change.
	Version   int64
	Migration *flow.Migration
	// Done are the keys of effects that are outstanding and were carried out: what they bring about is waited for.
	Done map[string]bool
}

// Due lists the effects of a lane that are to be carried out.
func (s *Snapshot) Due(lane Lane) []flow.Effect {
	return slices.DeleteFunc(s.Migration.Outstanding(), func(e flow.Effect) bool { return LaneOf(e.Kind) != lane || s.Done[e.Key] })
}

// Look reads a migration.
func (l *Ledger) Look(ctx context.Context, migration int64) (*Snapshot, error) {
	var version int64
	if err := l.peek.QueryRowContext(ctx, migration).Scan(&version); err != nil {
		return nil, l.explain(err)
	}
	l.mu.Lock()
	r := l.records[migration]
	l.mu.Unlock()
	if r != nil && r.version == version {
		return r.snapshot(), nil
	}
	err := l.read(ctx, func(tx *sql.Tx) (err error) { r, err = l.load(ctx, tx, migration); return err })
	if err != nil {
		return nil, err
	}
	return r.snapshot(), nil
}

func (r *record) snapshot() *Snapshot {
	return &Snapshot{r.id, r.activity, r.activityName, r.name, r.target, r.version, r.m, r.done}
}

// Report stores what came of effects of one migration, in one transaction: events, and the key of an effect that is not to
// be carried out again while it is outstanding ("" for none). Events MUST have their At.
func (s *Lease) Report(ctx context.Context, migration int64, events []flow.Event, done ...string) error {
	var c *change
	err := s.l.begin(ctx, func(tx *sql.Tx) error {
		if err := s.fenced(ctx, tx); err != nil {
			return err
		}
		var err error
		if c, err = s.l.change(ctx, tx, migration); err != nil {
			return err
		}
		for _, e := range events {
			if err := c.step(e, ""); err != nil {
				return err
			}
		}
		for _, key := range done {
			if err := s.finish(ctx, tx, c, key); err != nil {
				return err
			}
		}
		_, err = c.save()
		return err
	})
	if err == nil {
		c.commit()
	}
	return err
}

func (s *Lease) finish(ctx context.Context, tx *sql.Tx, c *change, key string) error {
	due := slices.ContainsFunc(c.new.m.Outstanding(), func(e flow.Effect) bool { return e.Key == key })
	if !due || c.new.done[key] {
		return nil
	}
	c.new.done[key] = true
	_, err := tx.ExecContext(ctx, `INSERT INTO steps (migration, key, state, attempts, generation, at) VALUES (?,?,?,1,?,?)
		ON CONFLICT DO UPDATE SET state = excluded.state, at = excluded.at`, c.old.id, key, stepDone, s.generation, stamp(s.l.clock.Now()))
	return err
}

// Begin notes, BEFORE an effect that is done once is carried out, that this engine does so. It reports how often it was
// begun, and false when it is not outstanding any more or was carried out.
func (s *Lease) Begin(ctx context.Context, migration int64, key string) (attempts int, ok bool, err error) {
	err = s.l.begin(ctx, func(tx *sql.Tx) error {
		if err := s.fenced(ctx, tx); err != nil {
			return err
		}
		r, err := s.l.load(ctx, tx, migration)
		if err != nil {
			return err
		}
		ok = !r.done[key] && slices.ContainsFunc(r.m.Outstanding(), func(e flow.Effect) bool { return e.Key == key })
		if !ok {
			return nil
		}
		return tx.QueryRowContext(ctx, `INSERT INTO steps (migration, key, state, attempts, generation, at) VALUES (?,?,?,1,?,?)
			ON CONFLICT DO UPDATE SET attempts = attempts + 1, generation = excluded.generation, at = excluded.at RETURNING attempts`,
			migration, key, stepBegun, s.generation, stamp(s.l.clock.Now())).Scan(&attempts)
	})
	return attempts, ok, err
}

// EndTurn ends a job of a lane, in one transaction: complete completes it there. While there is something to do in the lane
// it does nothing and reports false, unless another job is to go on with it (again).
func (s *Lease) EndTurn(ctx context.Context, a LaneArgs, again bool, complete func(tx *sql.Tx) error) (bool, error) {
	ended := false
	err := s.l.begin(ctx, func(tx *sql.Tx) error {
		if err := s.fenced(ctx, tx); err != nil {
			return err
		}
		more, err := s.more(ctx, tx, a)
		if err != nil || more && !again {
			return err
		}
		if err := complete(tx); err != nil {
			return err
		}
		if ended = true; more {
			_, err = s.l.client.InsertTx(ctx, tx, a, nil)
		}
		return err
	})
	return ended && err == nil, err
}

func (s *Lease) more(ctx context.Context, tx *sql.Tx, a LaneArgs) (bool, error) {
	if a.Lane == Logins {
		return s.l.loginsLive(ctx, tx, a.Activity)
	}
	r, err := s.l.load(ctx, tx, a.Migration)
	if err != nil {
		return false, err
	}
	return slices.Contains(Lanes(r.m, r.done), a.Lane), nil
}
