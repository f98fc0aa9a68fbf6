package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/migrate/flow"
)

// Activity is one spec and the databases that it brings to a target.
type Activity struct {
	// Name is unique, without regard to case.
	Name string
	// Spec is its text as it was given; it holds no secrets. Base is the folder from which its relative paths go.
	Spec []byte
	Base string
	// Created is filled in by Create.
	Created time.Time
	// Source, Share, Storage and Target are what is shown to people.
	Source, Share, Storage, Target string
}

// Planned is one database of an activity.
type Planned struct {
	// Target is its name there.
	Target string
	// Options are the migration's; Options.Database is its name on the source.
	Options flow.Options
}

// Create stores an activity with its databases, none of which is started. The error is an *Exists when there is one of that
// name; nothing has changed then.
func (l *Ledger) Create(ctx context.Context, a Activity, dbs []Planned, who string) error {
	return l.begin(ctx, func(tx *sql.Tx) error {
		if _, err := l.activity(ctx, tx, a.Name); err == nil {
			return &Exists{a.Name}
		} else if !errors.As(err, new(*Unknown)) {
			return err
		}
		now := l.clock.Now()
		res, err := tx.ExecContext(ctx, `INSERT INTO activities (name, folded, spec, base, created, source, share, storage, target)
			VALUES (?,?,?,?,?,?,?,?,?)`, a.Name, fold(a.Name), append([]byte{}, a.Spec...), a.Base, stamp(now), a.Source, a.Share, a.Storage, a.Target)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		for _, d := range dbs {
			m := flow.New(d.Options)
			value, err := encode(m)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO migrations (activity, name, folded, target, version, state, value) VALUES (?,?,?,?,1,?,?)",
				id, d.Options.Database, fold(d.Options.Database), d.Target, string(m.State), value); err != nil {
				return fmt.Errorf("database %q: %w", d.Options.Database, err)
			}
		}
		if err := l.note(ctx, tx, id, 0, Entry{At: now, Kind: "Create", Text: fmt.Sprintf("databases: %d", len(dbs)), By: who}); err != nil {
			return err
		}
		return l.audit(ctx, tx, AuditEntry{At: now, By: who, Activity: a.Name, Action: "Create", Text: done})
	})
}

// Ask steps one migration by what the user asks (Asked); e.At is filled in. The error is a *flow.Refusal when it cannot be,
// which the audit tells too, and an *Unknown when there is no such activity or database. A running engine of any process
// hears of what was taken. With database "", which is for Retry alone, the activity's failed logins go on.
func (l *Ledger) Ask(ctx context.Context, activity, database string, e flow.Event, who string) error {
	if !e.Kind.Asked() {
		return fmt.Errorf("%s is nothing that users ask", e.Kind)
	}
	var c *change
	var refused error
	err := l.begin(ctx, func(tx *sql.Tx) error {
		a, err := l.activity(ctx, tx, activity)
		if err != nil {
			return err
		}
		e.At = l.clock.Now()
		entry := AuditEntry{At: e.At, By: who, Activity: a.name, Database: database, Action: asked(e), Text: done}
		if database == "" {
			if e.Kind != flow.Retry {
				return &Unknown{activity, database}
			}
			if err := l.retryLogins(ctx, tx, a, who); err != nil {
				return err
			}
			return l.audit(ctx, tx, entry)
		}
		id, err := l.migration(ctx, tx, a, database)
		if err != nil {
			return err
		}
		if c, err = l.change(ctx, tx, id); err != nil {
			return err
		}
		entry.Database = c.old.name
		if refused = c.step(e, who); refused != nil {
			entry.Text = refused.Error()
			return l.audit(ctx, tx, entry)
		}
		if _, err := c.save(); err != nil {
			return err
		}
		if _, err := l.client.InsertTx(ctx, tx, LaneArgs{a.id, 0, Logins}, nil); err != nil {
			return err
		}
		if _, err := l.client.InsertTx(ctx, tx, WakeArgs{a.id, id}, nil); err != nil {
			return err
		}
		return l.audit(ctx, tx, entry)
	})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case c != nil:
		c.commit()
	}
	return nil
}

// handle is an activity that was found.
type handle struct {
	id   int64
	name string
}

func (l *Ledger) activity(ctx context.Context, tx *sql.Tx, name string) (handle, error) {
	var a handle
	err := tx.QueryRowContext(ctx, "SELECT id, name FROM activities WHERE folded = ?", fold(name)).Scan(&a.id, &a.name)
	if errors.Is(err, sql.ErrNoRows) {
		return a, &Unknown{Activity: name}
	}
	return a, err
}

func (l *Ledger) migration(ctx context.Context, tx *sql.Tx, a handle, database string) (int64, error) {
	var id int64
	err := tx.QueryRowContext(ctx, "SELECT id FROM migrations WHERE activity = ? AND folded = ?", a.id, fold(database)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, &Unknown{a.name, database}
	}
	return id, err
}

// fold makes names that differ in case alone the same.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }
