package logreplay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"linkspan/armtypes"
	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/logreplay/flow"
	"linkspan/sqlerr"
)

// record is what is kept of a job. Spec.LastBackup is set when the database is to be opened after that file.
type record struct {
	Spec     armtypes.ReplaySpec `json:"spec"`
	Started  time.Time           `json:"started"`
	Ended    time.Time           `json:"ended,omitzero"`
	Status   string              `json:"status,omitempty"` // Completed or Failed, when it ended
	Fault    string              `json:"fault,omitempty"`
	Lost     bool                `json:"lost,omitempty"` // the database that was restored is not the job's any more
	Restored []restoredSet       `json:"restored,omitempty"`
}

// restoredSet is a backup set that was restored.
type restoredSet struct {
	ID       bak.GUID  `json:"id"`
	Type     bak.Type  `json:"type"`
	Files    []string  `json:"files"`
	Bytes    int64     `json:"bytes"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished"`
}

// wish is what somebody asks of the job; its loop does it between two steps, so that nothing of the record is lost.
type wish struct {
	do     func() error
	answer chan error
}

// job restores one database. Its loop alone restores; what others see is below mu.
type job struct {
	m      *Manager
	wishes chan wish
	done   chan struct{} // closed when the loop has ended for good
	cancel context.CancelFunc
	ctx    context.Context
	scan   scan

	mu      sync.Mutex // protects what follows
	record  record
	files   []scanned
	plan    flow.Decision
	trouble string // why the folder cannot be read or a set not be restored now
	now     *chain.Set
	since   time.Time
}

func newJob(m *Manager, d record) *job {
	j := &job{m: m, record: d, wishes: make(chan wish), done: make(chan struct{}), scan: scan{seen: map[string]scanned{}}}
	j.ctx, j.cancel = context.WithCancel(m.group.Context())
	return j
}

func (j *job) snapshot() record {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.record
	d.Restored = append([]restoredSet(nil), d.Restored...)
	return d
}

// keep makes the record durable, and then what others see.
func (j *job) keep(ctx context.Context, d record) error {
	if !d.Ended.IsZero() {
		d.Spec.Signature = "" // nobody needs it any more
	}
	b, err := json.Marshal(d)
	if err == nil {
		err = j.m.o.Target.Keep(context.WithoutCancel(ctx), d.Spec.Database, b)
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.record = d
	j.mu.Unlock()
	return nil
}

// stop ends the loop and waits.
func (j *job) stop() {
	j.cancel()
	<-j.done
}

// wait returns when the database is open, or with why it will not be.
func (j *job) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-j.done:
	}
	switch d := j.snapshot(); d.Status {
	case armtypes.ReplayCompleted:
		return nil
	case armtypes.ReplayFailed:
		return failed(d)
	default:
		return armtypes.Errorf(http.StatusConflict, "OperationCanceled", "The log replay was stopped before it was complete.")
	}
}

// ask hands a wish to the loop, which knows whether it can be.
func (j *job) ask(ctx context.Context, do func() error) error {
	w := wish{do, make(chan error, 1)}
	select {
	case j.wishes <- w:
		return <-w.answer
	case <-j.done:
		return failed(j.snapshot())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the job's loop.
func (j *job) run(context.Context) {
	defer close(j.done)
	defer j.cancel()
	for j.ctx.Err() == nil {
		more, err := j.step()
		j.mu.Lock()
		j.trouble = ""
		if err != nil && j.ctx.Err() == nil {
			j.trouble = err.Error()
		}
		ended := !j.record.Ended.IsZero()
		j.mu.Unlock()
		if ended {
			return
		}
		if !more || err != nil {
			j.pause()
			continue
		}
		select { // a wish does not wait for all that there is to restore
		case w := <-j.wishes:
			w.answer <- w.do()
		default:
		}
	}
}

// look reads the folder and decides.
func (j *job) look(d record) (flow.Decision, Standing, error) {
	st, err := j.m.o.Target.Standing(d.Spec.Database)
	if err != nil {
		return flow.Decision{}, st, err
	}
	files, err := j.read(d)
	if err != nil {
		return flow.Decision{}, st, err
	}
	s := flow.State{Database: st.database(), Last: d.Spec.LastBackup, Closed: d.Spec.AutoComplete}
	for _, f := range files {
		s.Files = append(s.Files, f.File)
	}
	for _, r := range d.Restored {
		s.Done = append(s.Done, r.ID)
	}
	plan := flow.Decide(s)
	j.mu.Lock()
	j.files, j.plan = files, plan
	j.mu.Unlock()
	return plan, st, nil
}

// step does one thing; more tells that there may be another to do at once.
func (j *job) step() (more bool, err error) {
	d := j.snapshot()
	st, err := j.m.o.Target.Standing(d.Spec.Database)
	switch {
	case err != nil:
		return false, err
	case st.Exists && !st.Waiting && len(d.Restored) > 0 && d.Spec.LastBackup != "":
		return false, j.end(d, armtypes.ReplayCompleted, "") // it was opened just before a crash
	case st.Exists && !st.Waiting:
		d.Lost = true
		return false, j.end(d, armtypes.ReplayFailed, "a database of the name is there that this log replay did not restore")
	case !st.Exists && len(d.Restored) > 0:
		d.Lost = true
		return false, j.end(d, armtypes.ReplayFailed, "the database was dropped")
	}
	plan, _, err := j.look(d)
	if err != nil {
		return false, err
	}
	if len(plan.Missed) > 0 {
		for _, s := range plan.Missed {
			d.Restored = append(d.Restored, j.restored(s, time.Time{}))
		}
		return true, j.keep(j.ctx, d)
	}
	switch {
	case plan.Fault != "":
		return false, j.end(d, armtypes.ReplayFailed, plan.Fault)
	case plan.Recover:
		if err := j.m.o.Target.Recover(j.ctx, d.Spec.Database); err != nil {
			return false, err
		}
		return false, j.end(d, armtypes.ReplayCompleted, "")
	case plan.Next != nil:
		return true, j.restore(d, plan.Next)
	}
	return false, nil
}

// end keeps the outcome.
func (j *job) end(d record, status, fault string) error {
	d.Status, d.Fault, d.Ended = status, fault, j.m.o.Clock.Now().UTC()
	if status == armtypes.ReplayFailed {
		j.m.o.Log.Warn("log replay failed", "database", d.Spec.Database, "reason", fault)
	}
	return j.keep(j.ctx, d)
}

// restore restores one set and keeps that it is done.
func (j *job) restore(d record, s *chain.Set) error {
	began := j.m.o.Clock.Now().UTC()
	j.mu.Lock()
	j.now, j.since = s, began
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		j.now = nil
		j.mu.Unlock()
	}()
	src, err := j.m.open(d.Spec)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // opened for reading
	var stripes []device.Opened
	for _, name := range s.Files() {
		f, err := src.Open(j.ctx, name)
		if err != nil {
			for _, o := range stripes {
				_ = o.File.Close() // opened for reading
			}
			return err
		}
		stripes = append(stripes, device.Opened{Name: name, File: f})
	}
	err = j.m.o.Target.Restore(j.ctx, d.Spec.Database, stripes, s.Parts[0].Position)
	if err != nil {
		if j.ctx.Err() == nil && isBad(err) {
			j.scan.spoil(s, err)
			return nil // the plan goes on without it
		}
		return err
	}
	d.Restored = append(d.Restored, j.restored(s, began))
	return j.keep(j.ctx, d)
}

// restored describes a set that was restored.
func (j *job) restored(s *chain.Set, began time.Time) restoredSet {
	r := restoredSet{ID: s.Header.SetGUID, Type: s.Header.Type, Files: s.Files(), Started: began, Finished: j.m.o.Clock.Now().UTC()}
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Bytes = sizeOf(s, j.files)
	return r
}

// badSets are the numbers of errors that say of a backup set that it is wrong, whenever it is tried.
var badSets = map[int32]bool{3135: true, 3136: true, 3189: true, 3241: true, 3256: true, 4326: true, 4330: true, 40510: true}

// isBad tells a set that cannot be restored from one that could not be now.
func isBad(err error) bool {
	if bak.AsFault(err) != nil {
		return true
	}
	var e *sqlerr.Error
	return errors.As(err, &e) && badSets[e.Number]
}

// sign goes on with another signature for the same folder.
func (j *job) sign(signature string) error {
	d := j.snapshot()
	d.Spec.Signature = signature
	return j.keep(j.ctx, d)
}

// complete takes the wish when the files lead there.
func (j *job) complete(last string) error {
	d := j.snapshot()
	d.Spec.LastBackup = last
	plan, _, err := j.look(d)
	switch {
	case err != nil:
		return armtypes.Errorf(http.StatusConflict, "StorageContainerNotAccessible", "The folder cannot be read now: %v.", err)
	case plan.Fault != "":
		return armtypes.Errorf(http.StatusConflict, "LastBackupNotReachable", "The log replay cannot be completed: %s.", plan.Fault)
	case plan.Next == nil && !plan.Recover && len(plan.Missed) == 0:
		return armtypes.Errorf(http.StatusConflict, "LastBackupNotReachable", "The log replay cannot be completed: %s.", plan.Block)
	}
	return j.keep(j.ctx, d)
}
