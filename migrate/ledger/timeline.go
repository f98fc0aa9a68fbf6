package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strings"

	"linkspan/migrate/flow"
)

// stateKind is the Kind of a timeline's entry that tells of a change of state.
const stateKind = "State"

// many is how many files of one event are told one by one.
const many = 8

// sight is what an event may change and the timeline tells of.
type sight struct {
	state    flow.State
	reason   string
	fence    flow.Fence
	target   flow.Target
	troubles map[string]string
	missing  string
	files    []flow.File // nil when the event changes nothing of them that is told
}

func look(m *flow.Migration, k flow.EventKind) sight {
	s := sight{state: m.State, reason: m.Reason, fence: m.Cutover.Fence, target: m.Target, troubles: maps.Clone(m.Troubles),
		missing: strings.Join(m.MissingLogins, ", ")}
	switch k {
	case flow.BlockStored, flow.Trouble, flow.Cleared, flow.LoginsCompared, flow.TailTaken, flow.SourceBack:
	default:
		s.files = append([]flow.File{}, m.Files...)
	}
	return s
}

// tell says what an event changed. What changed nothing that people ask for gives no entry.
func (s sight) tell(m *flow.Migration, e flow.Event, who string) []Entry {
	var out []Entry
	add := func(kind, format string, args ...any) {
		out = append(out, Entry{At: e.At, Kind: kind, Text: fmt.Sprintf(format, args...), By: who})
	}
	kind := string(e.Kind)
	switch e.Kind {
	case flow.Start, flow.CutoverStart, flow.Confirm, flow.GiveUp, flow.Cancel, flow.AcceptNoChecksum, flow.Retry:
		add(kind, "%s", asked(e))
	case flow.Trouble:
		if s.troubles[e.Where] != e.Text {
			add(kind, "%s: %s", e.Where, e.Text)
		}
	case flow.Cleared:
		if _, was := s.troubles[e.Where]; was {
			add(kind, "%s: it works again", e.Where)
		}
	case flow.LoginsCompared:
		if now := strings.Join(m.MissingLogins, ", "); now != s.missing {
			add(kind, "logins that the target lacks: %s", orNone(now))
		}
	case flow.Compared:
		add(kind, "both sides were compared, and are %s: %s", map[bool]string{true: "equal", false: "not equal"}[e.Equal], e.Text)
	case flow.UsersMapped:
		add(kind, "users were given their logins; users that no login fits: %s", orNone(strings.Join(m.Orphans, ", ")))
	case flow.ReportWritten:
		add(kind, "the report is written: %s", e.Text)
	case flow.Broken:
		add(kind, "%s", e.Text)
	}
	out = append(out, s.tellFiles(m, e, who)...)
	if m.Cutover.Fence != s.fence {
		add(kind, "%s", fenceText[m.Cutover.Fence])
	}
	if m.State != s.state {
		text := fmt.Sprintf("%s → %s", s.state, m.State)
		if m.Reason != "" && m.Reason != s.reason {
			text += ": " + m.Reason
		}
		add(stateKind, "%s", text)
	}
	return out
}

var fenceText = map[flow.Fence]string{
	flow.FenceNone:       "the source is open",
	flow.FenceAsked:      "the pause begins: the tail-log backup is to be taken",
	flow.FenceHeld:       "the tail-log backup was taken: the source is closed",
	flow.FenceGivingBack: "the source is to be opened again",
}

// tellFiles says which files came to a state that counts.
func (s sight) tellFiles(m *flow.Migration, e flow.Event, who string) []Entry {
	said := map[flow.FileState]string{flow.FileArrived: "came", flow.FileUploaded: "is in storage", flow.FileRestored: "is restored",
		flow.FileIgnored: "is ignored", flow.FileCancelled: "was given up"}
	if s.files == nil {
		return nil
	}
	came := map[flow.FileState][]*flow.File{}
	old := s.files
	for i := range m.Files { // the lists have one order: files are taken out and appended
		f := &m.Files[i]
		for len(old) > 0 && i < len(s.files) && (old[0].Name != f.Name || old[0].Version != f.Version) {
			old = old[1:]
		}
		state, known := f.State, len(old) > 0
		switch {
		case known && old[0].State == state:
		case !known && state == flow.FileQueued:
			came[flow.FileArrived] = append(came[flow.FileArrived], f)
		default:
			came[state] = append(came[state], f)
		}
		if known {
			old = old[1:]
		}
	}
	var out []Entry
	for _, state := range []flow.FileState{flow.FileArrived, flow.FileUploaded, flow.FileRestored, flow.FileIgnored, flow.FileCancelled} {
		files := came[state]
		for _, f := range files[:min(len(files), many)] {
			text := f.Name + " " + said[state]
			if f.Reason != "" {
				text += ": " + f.Reason
			}
			out = append(out, Entry{At: e.At, Kind: string(e.Kind), Text: text, By: who})
		}
		if n := len(files) - many; n > 0 {
			out = append(out, Entry{At: e.At, Kind: string(e.Kind), Text: fmt.Sprintf("and %d more: each %s", n, said[state]), By: who})
		}
	}
	return out
}

// asked is what was asked, with what it says.
func asked(e flow.Event) string {
	switch {
	case e.Kind == flow.CutoverStart:
		tail := "the tail-log backup is brought by the user"
		if e.TakeTail {
			tail = "the tail-log backup is taken for the user"
		}
		apply := "it waits for a confirmation"
		if e.Apply {
			apply = "it is applied when every gate holds"
		}
		return fmt.Sprintf("the cutover is started: %s, %s, and it is given up after a pause of %v", tail, apply, e.MaxPause)
	case e.LastFile != "":
		return fmt.Sprintf("%s: last file %s", e.Kind, e.LastFile)
	}
	return string(e.Kind)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// note writes one entry. migration is 0 for what concerns the activity.
func (l *Ledger) note(ctx context.Context, tx *sql.Tx, activity, migration int64, n Entry) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO events (at, activity, migration, login, kind, text, who) VALUES (?,?,?,?,?,?,?)",
		stamp(n.At), activity, migration, n.Login, n.Kind, n.Text, n.By)
	return err
}

// Timeline lists what happened, oldest first: entries with a Number above after, at most limit of them (1 to 10,000;
// others are taken as 1,000). database "" is the whole activity; otherwise what concerns the activity is left out.
func (l *Ledger) Timeline(ctx context.Context, activity, database string, after int64, limit int) ([]Entry, error) {
	if limit < 1 || limit > 10_000 {
		limit = 1_000
	}
	var out []Entry
	err := l.read(ctx, func(tx *sql.Tx) error {
		a, err := l.activity(ctx, tx, activity)
		if err != nil {
			return err
		}
		id := int64(-1)
		if database != "" {
			if id, err = l.migration(ctx, tx, a, database); err != nil {
				return err
			}
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var n Entry
			var at int64
			err := rows.Scan(&n.Number, &at, &n.Database, &n.Login, &n.Kind, &n.Text, &n.By)
			n.At = when(at)
			out = append(out, n)
			return err
		}, `SELECT e.number, e.at, coalesce(m.name, ''), e.login, e.kind, e.text, e.who FROM events e LEFT JOIN migrations m ON m.id = e.migration
			WHERE e.activity = ? AND e.number > ? AND (? < 0 OR e.migration = ?) ORDER BY e.number LIMIT ?`, a.id, after, id, id, limit)
	})
	return out, err
}

// Record adds a line of the user's or the program's own to a timeline. database "" is the activity's. kind is shown as it is.
func (l *Ledger) Record(ctx context.Context, activity, database, kind, text, who string) error {
	return l.begin(ctx, func(tx *sql.Tx) error {
		a, err := l.activity(ctx, tx, activity)
		if err != nil {
			return err
		}
		var id int64
		if database != "" {
			if id, err = l.migration(ctx, tx, a, database); err != nil {
				return err
			}
		}
		return l.note(ctx, tx, a.id, id, Entry{At: l.clock.Now(), Kind: kind, Text: text, By: who})
	})
}
