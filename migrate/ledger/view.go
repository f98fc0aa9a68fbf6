package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"linkspan/internal/fsx"
	"linkspan/migrate/flow"
)

// Activities lists every activity, in the order in which they were made.
func (l *Ledger) Activities(ctx context.Context) ([]Summary, error) {
	var out []Summary
	running := l.running()
	err := l.read(ctx, func(tx *sql.Tx) error {
		at := map[int64]int{}
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var id, created int64
			s := Summary{States: map[flow.State]int{}, Running: running}
			err := rows.Scan(&id, &s.Activity, &created)
			s.Created = when(created)
			at[id] = len(out)
			out = append(out, s)
			return err
		}, "SELECT id, name, created FROM activities ORDER BY id")
		if err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			var state flow.State
			var n int
			err := rows.Scan(&id, &state, &n)
			if i, ok := at[id]; ok {
				out[i].States[state] = n
			}
			return err
		}, "SELECT activity, state, count(*) FROM migrations GROUP BY activity, state")
	})
	return out, err
}

// Activity is what was stored with Create.
func (l *Ledger) Activity(ctx context.Context, name string) (Activity, error) {
	var a Activity
	err := l.read(ctx, func(tx *sql.Tx) error {
		h, err := l.activity(ctx, tx, name)
		if err != nil {
			return err
		}
		a, err = readActivity(ctx, tx, h.id)
		return err
	})
	return a, err
}

// ActivityOf is the activity of a number that a Snapshot or a job names.
func (l *Ledger) ActivityOf(ctx context.Context, id int64) (Activity, error) {
	var a Activity
	err := l.read(ctx, func(tx *sql.Tx) (err error) { a, err = readActivity(ctx, tx, id); return err })
	return a, err
}

func readActivity(ctx context.Context, tx *sql.Tx, id int64) (Activity, error) {
	var a Activity
	var created int64
	err := tx.QueryRowContext(ctx, "SELECT name, spec, base, created, source, share, storage, target FROM activities WHERE id = ?", id).
		Scan(&a.Name, &a.Spec, &a.Base, &created, &a.Source, &a.Share, &a.Storage, &a.Target)
	a.Created = when(created)
	return a, err
}

// running finds out whether an engine has the folder's lock.
func (l *Ledger) running() bool {
	name := filepath.Join(l.dir, lockName)
	if _, err := l.fs.Stat(name); err != nil {
		return false
	}
	c, err := l.fs.Lock(name)
	if err == nil {
		c.Close() //nolint:errcheck // nobody had it
	}
	return errors.Is(err, fsx.ErrLocked)
}

// Status tells how an activity stands. files fills in the FileList of each database.
func (l *Ledger) Status(ctx context.Context, activity string, files bool) (Status, error) {
	out := Status{Running: l.running(), Databases: []Database{}, Logins: []Login{}}
	err := l.read(ctx, func(tx *sql.Tx) error {
		h, err := l.activity(ctx, tx, activity)
		if err != nil {
			return err
		}
		a, err := readActivity(ctx, tx, h.id)
		if err != nil {
			return err
		}
		out.Activity, out.Created, out.Source, out.Share, out.Storage, out.Target = a.Name, a.Created, a.Source, a.Share, a.Storage, a.Target
		var ids []int64
		err = each(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, "SELECT id FROM migrations WHERE activity = ? ORDER BY id", h.id)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := l.load(ctx, tx, id)
			if err != nil {
				return err
			}
			out.Databases = append(out.Databases, r.database(files))
		}
		logins, err := l.logins(ctx, tx, h.id)
		for _, r := range logins {
			out.Logins = append(out.Logins, Login{r.Name, r.Windows, r.State, r.Stage, cmp.Or(r.trouble, r.Detail)})
		}
		return err
	})
	return out, err
}

// database is the migration's status.
func (r *record) database(files bool) Database {
	m := r.m
	d := Database{Name: r.name, TargetName: r.target, State: m.State, Reason: m.Reason, PendingChanges: m.Pending(),
		Files: map[flow.FileState]int{}, Report: r.report}
	needed := make(map[string]bool, len(m.Chain))
	for _, id := range m.Chain {
		needed[id] = true
	}
	sets := make(map[string]*flow.Set, len(m.Sets))
	for i := range m.Sets {
		sets[m.Sets[i].ID] = &m.Sets[i]
	}
	for i := range m.Files {
		f := &m.Files[i]
		d.Files[f.State]++
		if needed[f.Set] && f.State != flow.FileCancelled && f.State != flow.FileIgnored {
			d.TotalBytes += f.Size
			d.CopiedBytes += f.Done
		}
		if files {
			d.FileList = append(d.FileList, fileOf(f, sets[f.Set]))
		}
	}
	r.lastRestored(&d, sets)
	for _, w := range m.Waits() {
		d.Waits = append(d.Waits, Wait{w.ID, w.Text, w.Fix})
	}
	d.CutoverReady, d.CanConfirm = m.State == flow.LogsUploading, m.State == flow.CutoverInProgress
	for _, g := range m.Gates() {
		d.Gates = append(d.Gates, Gate{g.Name, g.Lacks, g.Start})
		d.CutoverReady = d.CutoverReady && (g.Lacks == "" || !g.Start)
		d.CanConfirm = d.CanConfirm && g.Lacks == ""
	}
	if c := m.Cutover; c.Number > 0 {
		d.Cutover = &Cutover{c.Number, c.TakeTail, c.PausedAt, c.OpenedAt, c.MaxPause, m.Pause().Seconds()}
	}
	d.PredictedPauseSeconds = r.predict(sets).Seconds()
	d.Detail = r.detail(&d)
	return d
}

func fileOf(f *flow.File, s *flow.Set) File {
	out := File{Name: f.Name, State: f.State, Size: f.Size, Copied: f.Done, Reason: f.Reason}
	if s != nil {
		out.Kind, out.First, out.Last, out.Stripes = s.Kind, s.First.Decimal(), s.Last.Decimal(), s.Stripes
	}
	return out
}

// lastRestored finds the set of the chain that was restored last.
func (r *record) lastRestored(d *Database, sets map[string]*flow.Set) {
	restored, names := map[string]int{}, map[string]string{}
	for i := range r.m.Files {
		if f := &r.m.Files[i]; f.State == flow.FileRestored {
			restored[f.Set]++
			if names[f.Set] == "" || f.Sequence == 1 {
				names[f.Set] = f.Name
			}
		}
	}
	for _, id := range slices.Backward(r.m.Chain) {
		if s := sets[id]; s != nil && restored[id] >= max(s.Stripes, 1) {
			d.LastRestored, d.LastLSN, d.LastBackup = names[id], s.Last.Decimal(), s.Finished
			return
		}
	}
}

// predictBy is how many of the last log backups a pause is predicted by.
const predictBy = 5

// predict is the median of the times from the arrival of a log backup to its restore: the tail will take as long. Logs that
// came before the full backup was restored waited for it, and do not count.
func (r *record) predict(sets map[string]*flow.Set) time.Duration {
	var full int64
	for i := range r.m.Files {
		if s := sets[r.m.Files[i].Set]; s != nil && s.Kind == flow.Full && len(r.m.Chain) > 0 && s.ID == r.m.Chain[0] {
			full = max(full, r.files[i].restored)
		}
	}
	var took []time.Duration
	for i := len(r.files) - 1; i >= 0 && len(took) < predictBy && full > 0; i-- {
		s, w := sets[r.m.Files[i].Set], r.files[i]
		if s != nil && s.Kind == flow.Log && w.restored > 0 && w.arrived > full {
			took = append(took, time.Duration(w.restored-w.arrived))
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// detail says in one sentence what happens, or what is waited for.
func (r *record) detail(d *Database) string {
	m := r.m
	var wait string
	if len(d.Waits) > 0 {
		wait = d.Waits[0].Text
		if f := d.Waits[0].Fix; f != "" {
			wait += " — " + f
		}
	}
	copied := fmt.Sprintf("%d of %d bytes are in storage", d.CopiedBytes, d.TotalBytes)
	switch m.State {
	case flow.Initial:
		switch {
		case !m.Started:
			return "It is planned and not started."
		case wait != "":
			return "It waits: " + wait + "."
		}
		return "The target is asked, and a full backup is looked for."
	case flow.FullUploading:
		return withWait("The full backup is copied: "+copied+".", wait)
	case flow.FullUploaded:
		return withWait("The target restores the full backup; log backups are copied: "+copied+".", wait)
	case flow.LogsUploading:
		return r.logsDetail(d, wait)
	case flow.CutoverInProgress:
		return cutoverDetail(m, d)
	case flow.CutoverInitiated:
		return withWait("The target was told to open its database; it is waited for.", wait)
	case flow.CutoverCompleted:
		return withWait(dutyDetail(m), wait)
	case flow.Completed:
		return fmt.Sprintf("It is done: the source was closed for %s.", m.Pause().Round(time.Millisecond))
	case flow.Cancelling:
		return withWait("It is cancelled: what was begun is taken back.", wait)
	case flow.Cancelled:
		return "It was cancelled."
	}
	return "It cannot go on: " + m.Reason + ". Mend the cause, then retry."
}

func withWait(s, wait string) string {
	if wait == "" {
		return s
	}
	return s + " It waits: " + wait + "."
}

func (r *record) logsDetail(d *Database, wait string) string {
	switch {
	case r.m.Cutover.Fence == flow.FenceGivingBack:
		return withWait("The cutover was given up: the source is being opened again.", wait)
	case wait != "":
		return "It waits: " + wait + "."
	case d.PendingChanges > 0:
		return fmt.Sprintf("%d backups are copied and restored.", d.PendingChanges)
	case d.CutoverReady:
		return "Everything that came is restored; a cutover can be started."
	}
	for _, g := range d.Gates {
		if g.Start && g.Lacks != "" {
			return "Everything that came is restored; before a cutover: " + g.Lacks + "."
		}
	}
	return "Everything that came is restored."
}

func cutoverDetail(m *flow.Migration, d *Database) string {
	if d.CanConfirm {
		return "Everything is restored to the last LSN: the cutover can be confirmed."
	}
	for _, g := range d.Gates {
		if g.Lacks != "" {
			return "The cutover runs; it waits: " + g.Lacks + "."
		}
	}
	return "The cutover runs."
}

func dutyDetail(m *flow.Migration) string {
	switch {
	case !m.Mapped:
		return "The target is open; its users are given their logins."
	case !m.Verified:
		return "The target is open; both sides are compared."
	}
	return "The target is open; the report is written."
}
