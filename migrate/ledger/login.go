package ledger

import (
	"context"
	"database/sql"
	"reflect"
	"strings"

	"linkspan/migrate/flow"
)

// LoginChange is what became of one login of an activity.
type LoginChange struct {
	Name    string
	Windows bool
	// Events are stepped through; a login that is not known yet is made.
	Events []flow.LoginEvent
	// Trouble is what stands in its way now and is tried again; "" when nothing does.
	Trouble string
}

// loginRow is a login with its place.
type loginRow struct {
	flow.Login
	seq     int64
	trouble string
}

func (l *Ledger) logins(ctx context.Context, tx *sql.Tx, activity int64) ([]loginRow, error) {
	var out []loginRow
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var r loginRow
		var warnings string
		if err := rows.Scan(&r.seq, &r.Name, &r.Windows, &r.State, &r.Stage, &r.Detail, &r.trouble, &warnings); err != nil {
			return err
		}
		if warnings != "" {
			r.Warnings = strings.Split(warnings, "\n")
		}
		out = append(out, r)
		return nil
	}, "SELECT seq, name, windows, state, stage, detail, trouble, warnings FROM logins WHERE activity = ? ORDER BY seq", activity)
	return out, err
}

// LoginsOf lists the logins of an activity in the order in which they are moved, and tells whether one of its databases is
// open on the target and every other one too, cancelled or failed (open), and whether every one was cancelled (over).
func (l *Ledger) LoginsOf(ctx context.Context, activity int64) (list []flow.Login, open, over bool, err error) {
	err = l.read(ctx, func(tx *sql.Tx) error {
		rows, err := l.logins(ctx, tx, activity)
		if err != nil {
			return err
		}
		for _, r := range rows {
			list = append(list, r.Login)
		}
		open, over, _, err = l.databases(ctx, tx, activity)
		return err
	})
	return list, open, over, err
}

// databases tells whether one is open and no other may come to be so by itself, whether all were cancelled, and whether one
// that was started has not ended.
func (l *Ledger) databases(ctx context.Context, tx *sql.Tx, activity int64) (open, over, live bool, err error) {
	var all, cancelled, opened, failed, running int
	err = tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE state = ?2), count(*) FILTER (WHERE state <> ?2 AND value ->> 'target' = ?3),
		count(*) FILTER (WHERE state = ?5 AND value ->> 'target' IS NOT ?3), count(*) FILTER (WHERE state NOT IN (?2, ?4) AND value ->> 'started')
		FROM migrations WHERE activity = ?1`, activity, string(flow.Cancelled), string(flow.TargetOpened), string(flow.Completed), string(flow.Failed)).
		Scan(&all, &cancelled, &opened, &failed, &running)
	return opened > 0 && opened+failed+cancelled == all, all == cancelled, running > 0, err
}

// loginsLive reports whether there is something to do for an activity's logins, or may be.
func (l *Ledger) loginsLive(ctx context.Context, tx *sql.Tx, activity int64) (bool, error) {
	_, _, live, err := l.databases(ctx, tx, activity)
	if err != nil || live {
		return live, err
	}
	var n int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM logins WHERE activity = ? AND state IN (?, ?)",
		activity, string(flow.LoginNone), string(flow.LoginInProgress)).Scan(&n)
	return n > 0, err
}

// loginActivities lists the activities whose logins are under way though their databases may have ended.
func (l *Ledger) loginActivities(ctx context.Context, tx *sql.Tx) ([]int64, error) {
	var out []int64
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		out = append(out, id)
		return err
	}, "SELECT DISTINCT activity FROM logins WHERE state IN (?, ?)", string(flow.LoginNone), string(flow.LoginInProgress))
	return out, err
}

// ReportLogins stores what became of logins, in one transaction.
func (s *Lease) ReportLogins(ctx context.Context, activity int64, changes []LoginChange) error {
	return s.l.begin(ctx, func(tx *sql.Tx) error {
		if err := s.fenced(ctx, tx); err != nil {
			return err
		}
		return s.l.stepLogins(ctx, tx, activity, changes, "")
	})
}

func (l *Ledger) stepLogins(ctx context.Context, tx *sql.Tx, activity int64, changes []LoginChange, who string) error {
	rows, err := l.logins(ctx, tx, activity)
	if err != nil {
		return err
	}
	known, last := map[string]loginRow{}, int64(0)
	for _, r := range rows {
		known[r.Name], last = r, r.seq
	}
	for _, ch := range changes {
		old, ok := known[ch.Name]
		if !ok {
			last++
			old = loginRow{Login: *flow.NewLogin(ch.Name, ch.Windows), seq: last}
		}
		next := old
		next.trouble = ch.Trouble
		for _, e := range ch.Events {
			next.Step(e)
		}
		if ok && reflect.DeepEqual(next, old) {
			continue
		}
		if err := l.putLogin(ctx, tx, activity, old, next, who); err != nil {
			return err
		}
		known[ch.Name] = next
	}
	return nil
}

func (l *Ledger) putLogin(ctx context.Context, tx *sql.Tx, activity int64, old, r loginRow, who string) error {
	var lines []string
	for _, w := range r.Warnings {
		lines = append(lines, strings.ReplaceAll(w, "\n", " "))
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO logins (activity, seq, name, windows, state, stage, detail, trouble, warnings) VALUES (?,?,?,?,?,?,?,?,?)
		ON CONFLICT (activity, seq) DO UPDATE SET state = excluded.state, stage = excluded.stage, detail = excluded.detail, trouble = excluded.trouble,
		warnings = excluded.warnings`,
		activity, r.seq, r.Name, r.Windows, string(r.State), string(r.Stage), r.Detail, r.trouble, strings.Join(lines, "\n"))
	if err != nil {
		return err
	}
	n := Entry{At: l.clock.Now(), Login: r.Name, Kind: stateKind, By: who}
	switch {
	case r.trouble != old.trouble && r.trouble != "":
		n.Kind, n.Text = string(flow.Trouble), r.trouble
	case r.State != old.State || r.Stage != old.Stage:
		if n.Text = string(r.State); r.State == flow.LoginInProgress {
			n.Text += ": " + string(r.Stage)
		}
		if r.Detail != "" {
			n.Text += ": " + r.Detail
		}
	default:
		return nil
	}
	return l.note(ctx, tx, activity, 0, n)
}

// retryLogins has failed logins go on.
func (l *Ledger) retryLogins(ctx context.Context, tx *sql.Tx, a handle, who string) error {
	rows, err := l.logins(ctx, tx, a.id)
	if err != nil {
		return err
	}
	var changes []LoginChange
	for _, r := range rows {
		if r.State == flow.LoginFailed || r.State == flow.LoginStopped {
			changes = append(changes, LoginChange{Name: r.Name, Events: []flow.LoginEvent{{Kind: flow.LoginStart}}})
		}
	}
	if err := l.stepLogins(ctx, tx, a.id, changes, who); err != nil {
		return err
	}
	if _, err := l.client.InsertTx(ctx, tx, LaneArgs{a.id, 0, Logins}, nil); err != nil {
		return err
	}
	_, err = l.client.InsertTx(ctx, tx, WakeArgs{a.id, 0}, nil)
	return err
}
