package logreplay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"linkspan/armtypes"
	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/internal/clock"
	"linkspan/internal/startstop"
	"linkspan/logreplay/flow"
	"linkspan/lsn"
	"linkspan/media"
)

// Target is the instance whose databases are restored. It is called concurrently, for different databases.
type Target interface {
	// Standing tells how far a database has been restored.
	Standing(database string) (Standing, error)
	// Restore restores one backup set WITH NORECOVERY; it closes the files. After an error the database is as before.
	Restore(ctx context.Context, database string, stripes []device.Opened, position int) error
	// Recover opens the database.
	Recover(ctx context.Context, database string) error
	// Drop drops the database while it waits for more backups, and no other.
	Drop(ctx context.Context, database string) error
	// Folder is a backup folder of the instance's.
	Folder(path string) (media.Source, error)

	// Keep, Forget and Kept are where jobs live across restarts. What is kept holds secrets.
	Keep(ctx context.Context, database string, doc []byte) error
	Forget(ctx context.Context, database string) error
	Kept(ctx context.Context) ([][]byte, error)
}

// Standing is how far a database has been restored.
type Standing struct {
	// Exists is false when there is none; Waiting tells that it waits for more backups. What follows means something then.
	Exists, Waiting bool
	End             lsn.LSN
	Base, Fork      bak.GUID
}

// Options configure a Manager.
type Options struct {
	Target Target
	// Poll is the time between two looks into a folder; default one second.
	Poll time.Duration
	// Notice is how often a folder is listed between two looks, so that a file that came is looked at soon; default 200
	// milliseconds, twice that for a container, less than zero is never. Where listing takes long it is done less often; where
	// nothing has come for a while, not at all.
	Notice time.Duration
	// Clock is the time; default the product's. Client makes requests to blob storage; nil means the default.
	Clock  clock.Clock
	Client *http.Client
	Log    *slog.Logger
}

// Bounds.
const (
	maxJobs  = 100   // jobs at once, as the service has it
	maxFiles = 10000 // files in a folder
)

// Manager runs the jobs. Safe for concurrent use.
type Manager struct {
	o     Options
	group *startstop.Group

	mu   sync.Mutex // protects what follows
	jobs map[string]*job
}

// Open starts the jobs that were running. Close MUST be called before the target is closed. Jobs that cannot be read are
// told of in the log and left alone.
func Open(ctx context.Context, o Options) (*Manager, error) {
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Notice == 0 {
		o.Notice = defaultNotice
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{o: o, group: startstop.New(context.WithoutCancel(ctx)), jobs: map[string]*job{}}
	kept, err := o.Target.Kept(ctx)
	if err != nil {
		o.Log.Error("log replays are lost", "cause", err)
	}
	for _, b := range kept {
		var d record
		if err := json.Unmarshal(b, &d); err != nil {
			o.Log.Error("a log replay is lost", "cause", err)
			continue
		}
		j := newJob(m, d)
		m.jobs[fold(d.Spec.Database)] = j
		if d.Ended.IsZero() {
			m.group.Go(j.run)
		} else {
			close(j.done)
		}
	}
	return m, nil
}

// Close ends the jobs' work where it is, and waits. They go on when the manager is opened again.
func (m *Manager) Close() { m.group.Stop() }

func fold(name string) string { return strings.ToLower(name) }

func (m *Manager) job(database string) *job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[fold(database)]
}

func unavailable(database string) error {
	return armtypes.Errorf(http.StatusNotFound, "RestoreDetailsNotAvailableOrExpired", "There are no restore details of the database '%s': no log replay made it.", database)
}

// StartReplay begins a job and returns when it is kept and its folder was seen. The same request again is success,
// and one with another signature has the job go on with that. A job
// with autocomplete is waited for: until the database is open, the job failed, or ctx ends.
func (m *Manager) StartReplay(ctx context.Context, s armtypes.ReplaySpec) error {
	j, err := m.begin(ctx, s)
	if err != nil || !s.AutoComplete {
		return err
	}
	return j.wait(ctx)
}

// begin makes the job, or finds the one of an earlier request.
func (m *Manager) begin(ctx context.Context, s armtypes.ReplaySpec) (*job, error) {
	if j := m.job(s.Database); j != nil {
		if d := j.snapshot(); d.Ended.IsZero() {
			if d.Spec.Container == s.Container && d.Spec.AutoComplete == s.AutoComplete && (!s.AutoComplete || d.Spec.LastBackup == s.LastBackup) {
				return j, m.renew(ctx, j, d.Spec, s)
			}
			return nil, armtypes.Errorf(http.StatusConflict, "ConflictingDatabaseOperation", "A log replay of the database '%s' is running, from %s. Stop it first.", s.Database, d.Spec.Container)
		}
	}
	st, err := m.o.Target.Standing(s.Database)
	if err != nil {
		return nil, err
	}
	if st.Exists {
		return nil, armtypes.Errorf(http.StatusConflict, "DatabaseAlreadyExists", "The database '%s' exists on the instance: a log replay makes a new one. Give another name, or drop it.", s.Database)
	}
	if err := m.try(ctx, s); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[fold(s.Database)]; j != nil && j.snapshot().Ended.IsZero() {
		return nil, armtypes.Errorf(http.StatusConflict, "ConflictingDatabaseOperation", "A log replay of the database '%s' is running.", s.Database)
	}
	running := 0
	for _, j := range m.jobs {
		if j.snapshot().Ended.IsZero() {
			running++
		}
	}
	if running >= maxJobs {
		return nil, armtypes.Errorf(http.StatusConflict, "TooManyLogReplays", "%d databases are being restored on the instance, which is the most it takes at once. Complete or stop one.", maxJobs)
	}
	d := record{Spec: s, Started: m.o.Clock.Now().UTC()}
	if !s.AutoComplete {
		d.Spec.LastBackup = ""
	}
	j := newJob(m, d)
	if err := j.keep(ctx, d); err != nil {
		return nil, err
	}
	m.jobs[fold(s.Database)] = j
	if !m.group.Go(j.run) {
		return nil, startstop.ErrStopped
	}
	return j, nil
}

// renew gives a job the signature of a later request, when that can be used.
func (m *Manager) renew(ctx context.Context, j *job, now, then armtypes.ReplaySpec) error {
	if now.Signature == then.Signature {
		return nil
	}
	if err := m.try(ctx, then); err != nil {
		return err
	}
	return j.ask(ctx, func() error { return j.sign(then.Signature) })
}

// try looks into the folder once.
func (m *Manager) try(ctx context.Context, s armtypes.ReplaySpec) error {
	src, err := m.open(s)
	if err != nil {
		return err
	}
	enough := errors.New("enough")
	err = src.List(ctx, "", func(media.Entry) error { return enough })
	if err = errors.Join(ignore(err, enough), src.Close()); err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "StorageContainerNotAccessible", "The container cannot be read: %v.", err)
	}
	return nil
}

func ignore(err, known error) error {
	if errors.Is(err, known) {
		return nil
	}
	return err
}

// CompleteReplay restores up to the file lastBackup and opens the database; it returns when that is done. Refused, with
// the job going on as before, while the files do not lead there.
func (m *Manager) CompleteReplay(ctx context.Context, database, lastBackup string) error {
	j := m.job(database)
	if j == nil {
		return unavailable(database)
	}
	d := j.snapshot()
	switch {
	case lastBackup == "":
		return invalid("lastBackupName is missing: the file after which the database is opened.")
	case d.Status == armtypes.ReplayCompleted:
		return armtypes.Errorf(http.StatusConflict, "LogReplayCompleted", "The log replay of the database '%s' is completed already.", database)
	case !d.Ended.IsZero():
		return armtypes.Errorf(http.StatusConflict, "LogReplayFailed", "The log replay of the database '%s' has failed: %s.", database, d.Fault)
	case d.Spec.AutoComplete:
		return armtypes.Errorf(http.StatusConflict, "LogReplayCompletesItself", "The log replay of the database '%s' completes by itself after %s.", database, d.Spec.LastBackup)
	}
	if err := j.ask(ctx, func() error { return j.complete(lastBackup) }); err != nil {
		return err
	}
	return j.wait(ctx)
}

// StopReplay ends a job and drops the database that it was restoring; one that is complete is left alone. Stopping what
// is not there is success.
func (m *Manager) StopReplay(ctx context.Context, database string) error {
	j := m.job(database)
	if j == nil {
		return nil
	}
	if d := j.snapshot(); d.Status == armtypes.ReplayCompleted {
		return armtypes.Errorf(http.StatusConflict, "LogReplayCompleted", "The log replay of the database '%s' is completed: drop the database with DROP DATABASE.", database)
	}
	j.stop()
	d := j.snapshot() // it may have ended meanwhile
	if d.Status == armtypes.ReplayCompleted {
		return armtypes.Errorf(http.StatusConflict, "LogReplayCompleted", "The log replay of the database '%s' was completed meanwhile.", database)
	}
	if st, err := m.o.Target.Standing(d.Spec.Database); err != nil {
		return err
	} else if st.Waiting {
		if err := m.o.Target.Drop(ctx, d.Spec.Database); err != nil {
			return err
		}
	}
	if err := m.o.Target.Forget(ctx, d.Spec.Database); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs[fold(database)] == j {
		delete(m.jobs, fold(database))
	}
	return nil
}

// Restoring are the names of the databases that jobs are restoring, of which the first backup may not be there yet.
func (m *Manager) Restoring() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, j := range m.jobs {
		if d := j.snapshot(); d.Ended.IsZero() {
			names = append(names, d.Spec.Database)
		}
	}
	return names
}

// Tags are those of a database that a log replay made; nil of another. A database of the name that was made by other means
// after the log replay's was dropped has none.
func (m *Manager) Tags(database string) map[string]string {
	j := m.job(database)
	if j == nil {
		return nil
	}
	if d := j.snapshot(); !d.Lost {
		return d.Spec.Tags
	}
	return nil
}

// ReplayDetails tells how the log replay of a database stands.
func (m *Manager) ReplayDetails(_ context.Context, database string) (armtypes.RestoreProperties, error) {
	j := m.job(database)
	if j == nil {
		return armtypes.RestoreProperties{}, unavailable(database)
	}
	return j.details(), nil
}

// database is how far the target is, as the plan has it.
func (st Standing) database() *flow.Database {
	if !st.Waiting {
		return nil
	}
	return &flow.Database{End: st.End, Base: st.Base, Fork: st.Fork}
}

func failed(d record) error {
	return armtypes.Errorf(http.StatusConflict, "LogReplayFailed", "%s", fmt.Sprintf("The log replay of the database '%s' has failed: %s.", d.Spec.Database, d.Fault))
}
