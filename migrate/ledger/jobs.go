package ledger

import (
	"context"
	"database/sql"
	"slices"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"linkspan/migrate/flow"
)

// Lane is a row of effects of one migration, or of one activity, that are carried out one after another (those of Copies
// are side by side). Each lane in which there is something to do has one unfinished job; what is done in it is found out
// when the job runs.
type Lane string

// The lanes. Logins is an activity's, the others are a migration's.
const (
	// Watch reads the source's files.
	Watch Lane = "watch"
	// Copies brings files to storage.
	Copies Lane = "copies"
	// Source closes the source's database and opens it again. It is a lane of its own, so that a target that does not answer
	// never keeps a source closed.
	Source Lane = "source"
	// Sides works on the target's database, and on both.
	Sides Lane = "sides"
	// Pause waits for the end of the longest pause.
	Pause Lane = "pause"
	// Logins moves the logins.
	Logins Lane = "logins"
)

// LaneArgs names the lane that a job works on. Of (Activity, Migration, Lane) there is one unfinished job at most.
type LaneArgs struct {
	Activity  int64 `json:"activity" river:"unique"`
	Migration int64 `json:"migration" river:"unique"`
	Lane      Lane  `json:"lane" river:"unique"`
}

// Kind implements river.JobArgs.
func (LaneArgs) Kind() string { return "lane" }

// InsertOpts implements river.JobArgsWithInsertOpts. A lane is tried for as long as there is something to do in it.
func (a LaneArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: LaneQueue, MaxAttempts: 1 << 14, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

// WakeArgs tells a running engine that something was asked of a migration by another process.
type WakeArgs struct {
	Activity  int64 `json:"activity"`
	Migration int64 `json:"migration"`
}

// Kind implements river.JobArgs.
func (WakeArgs) Kind() string { return "wake" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (WakeArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: WakeQueue} }

// The queues. Waking goes before everything else.
const (
	LaneQueue = "lanes"
	WakeQueue = "wake"
)

// LaneOf is the lane in which an effect is carried out.
func LaneOf(k flow.EffectKind) Lane {
	switch k {
	case flow.Scan:
		return Watch
	case flow.CopyBlock, flow.SealFile:
		return Copies
	case flow.TakeTail, flow.ReopenSource:
		return Source
	default:
		return Sides
	}
}

// Lanes are those in which a migration has something to do; done are the keys of outstanding effects that were carried out.
func Lanes(m *flow.Migration, done map[string]bool) []Lane {
	var out []Lane
	for _, e := range m.Outstanding() {
		if lane := LaneOf(e.Kind); !done[e.Key] && !slices.Contains(out, lane) {
			out = append(out, lane)
		}
	}
	if !m.Deadline().IsZero() {
		out = append(out, Pause)
	}
	return out
}

// enqueue inserts jobs for the lanes that have something to do now and had not before.
func (l *Ledger) enqueue(ctx context.Context, tx *sql.Tx, r *record, before []Lane) error {
	for _, lane := range Lanes(r.m, r.done) {
		if slices.Contains(before, lane) {
			continue
		}
		if _, err := l.client.InsertTx(ctx, tx, LaneArgs{r.activity, r.id, lane}, nil); err != nil {
			return err
		}
	}
	return nil
}
