package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"linkspan/migrate/flow"
)

// Limits on what is read from the file, so that a damaged one is an error and no exhaustion of memory.
const (
	maxValue = 16 << 20
	maxRows  = 4 << 20
)

// record is one migration as it is stored. It is not changed once it is made: a transaction makes the next one.
type record struct {
	id, activity int64
	activityName string
	name, target string
	version      int64 // grows with each change
	report       string
	value        string
	m            *flow.Migration
	files        []row // beside m.Files
	done         map[string]bool
}

// row is what is stored of a file beside its flow.File: seq orders, the times are Unix nanoseconds, 0 for not yet.
type row struct{ seq, arrived, stored, restored int64 }

// decode makes a migration of its stored value, in which files, sets and chain are not.
func decode(value string) (*flow.Migration, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("a migration's value of %d bytes: the ledger is damaged, put a copy of it back", len(value))
	}
	m := &flow.Migration{}
	if err := json.Unmarshal([]byte(value), m); err != nil {
		return nil, fmt.Errorf("a migration's value cannot be read, put a copy of the ledger back: %w", err)
	}
	known := slices.ContainsFunc(flow.States, func(s flow.Stop) bool { return s.State == m.State })
	if !known || m.Options.Block <= 0 || m.Options.Parallel <= 0 || len(m.Files)+len(m.Sets)+len(m.Chain) > 0 {
		return nil, fmt.Errorf("a migration's value is none (state %q): put a copy of the ledger back", m.State)
	}
	return m, nil
}

// encode is the value without files, sets and chain, which are rows.
func encode(m *flow.Migration) (string, error) {
	v := *m
	v.Files, v.Sets, v.Chain = nil, nil, nil
	b, err := json.Marshal(&v)
	return string(b), err
}

// load reads one migration; what was read or written last is taken when nobody changed it since.
func (l *Ledger) load(ctx context.Context, tx *sql.Tx, id int64) (*record, error) {
	var version int64
	if err := tx.QueryRowContext(ctx, "SELECT version FROM migrations WHERE id = ?", id).Scan(&version); err != nil {
		return nil, err
	}
	l.mu.Lock()
	r := l.records[id]
	l.mu.Unlock()
	if r != nil && r.version == version {
		return r, nil
	}
	r = &record{id: id, done: map[string]bool{}}
	err := tx.QueryRowContext(ctx, `SELECT m.activity, a.name, m.name, m.target, m.version, m.value, m.report
		FROM migrations m JOIN activities a ON a.id = m.activity WHERE m.id = ?`, id).
		Scan(&r.activity, &r.activityName, &r.name, &r.target, &r.version, &r.value, &r.report)
	if err != nil {
		return nil, err
	}
	if r.m, err = decode(r.value); err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context, *sql.Tx) error{r.loadFiles, r.loadSets, r.loadChain, r.loadDone} {
		if err := part(ctx, tx); err != nil {
			return nil, err
		}
	}
	r.m.Indexed()
	l.keep(r)
	return r, nil
}

// keep remembers the newest.
func (l *Ledger) keep(r *record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.records[r.id]; old == nil || old.version < r.version {
		l.records[r.id] = r
	}
}

// each scans the rows of a query.
func each(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for n := 0; rows.Next(); n++ {
		if n == maxRows {
			return errors.New("the ledger holds more rows than a migration can have: it is damaged, put a copy of it back")
		}
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *record) loadFiles(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		var f flow.File
		var w row
		err := rows.Scan(&w.seq, &f.Name, &f.Version, &f.Size, &f.Set, &f.Sequence, &f.State, &f.Done, &f.Reason, &f.Bad, &w.arrived, &w.stored, &w.restored)
		r.m.Files, r.files = append(r.m.Files, f), append(r.files, w)
		return err
	}, `SELECT seq, name, version, size, set_id, stripe, state, done, reason, bad, arrived, stored, restored
		FROM files WHERE migration = ? ORDER BY seq`, r.id)
}

func (r *record) loadSets(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		var text string
		var s flow.Set
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if len(text) > maxValue {
			return errors.New("a backup set's value is too long: the ledger is damaged, put a copy of it back")
		}
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return fmt.Errorf("a backup set's value cannot be read, put a copy of the ledger back: %w", err)
		}
		r.m.Sets = append(r.m.Sets, s)
		return nil
	}, "SELECT value FROM sets WHERE migration = ? ORDER BY seq", r.id)
}

func (r *record) loadChain(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		r.m.Chain = append(r.m.Chain, id)
		return err
	}, "SELECT set_id FROM chain WHERE migration = ? ORDER BY pos", r.id)
}

func (r *record) loadDone(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		r.done[key] = true
		return err
	}, "SELECT key FROM steps WHERE migration = ? AND state = ?", r.id, stepDone)
}

// when is a stored time; the zero time for 0.
func when(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
