package exec

import (
	"context"
	"errors"

	"linkspan/catalog"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/bind"
	"linkspan/tsql/sqlfn"
)

// conn is a connection of one database with the functions' environment on it.
type conn struct {
	*storage.Conn
	db  Database
	env *sqlfn.Env
}

// newConn finds the environment that was registered on a connection.
func newConn(c *storage.Conn, d Database) (*conn, error) {
	k := &conn{Conn: c, db: d}
	st, err := c.Stmt("SELECT ls_env(?1)")
	if err != nil {
		return nil, err
	}
	if err := st.BindPointer(1, &k.env); err != nil {
		return nil, err
	}
	st.Step()
	if err := errors.Join(st.Err(), st.Reset()); err != nil {
		return nil, err
	}
	if k.env == nil {
		return nil, errors.New("the connection has no functions registered")
	}
	return k, nil
}

// release gives the borrowed connection back.
func (r *request) release() {
	if r.reader != nil {
		r.reader.Release()
		r.reader = nil
	}
}

// borrow gives a read connection of a database, the last one again when it fits.
func (r *request) borrow(d Database) (*conn, error) {
	if r.reader != nil && r.reader.db == d {
		return r.reader, nil
	}
	r.release()
	db, err := d.Storage()
	if err != nil {
		return nil, err
	}
	c, err := db.Reader(r.ctx)
	if err != nil {
		return nil, err
	}
	k, err := newConn(c, d)
	if err != nil {
		c.Release()
		return nil, err
	}
	r.reader = k
	return k, nil
}

// reading runs f on a connection that sees one version of the database: the transaction's own if it writes there, the
// newest hardened one otherwise.
func (f *frame) reading(d Database, lock bool, run func(*conn, *catalog.Snapshot) error) error {
	if tx := f.s.tx; tx != nil {
		if lock && tx.writer == nil && !d.ReadOnly() && !tx.doomed {
			if _, err := f.r.writer(d); err != nil {
				return err
			}
		}
		if tx.writer != nil && tx.db.ID() == d.ID() {
			if err := tx.settle(f.r.ctx); err != nil {
				return err
			}
			return f.on(tx.conn, run)
		}
		if tx.reader != nil || f.s.set.isolation == "SNAPSHOT" {
			return f.readingSnapshot(tx, d, run)
		}
	}
	k, err := f.r.borrow(d)
	if err != nil {
		return err
	}
	if _, err := k.Begin(); err != nil {
		f.r.release()
		return err
	}
	err = f.on(k, run)
	if eerr := k.End(); eerr != nil && err == nil {
		err = eerr
	}
	return err
}

// readingSnapshot reads what the transaction saw at its first statement.
func (f *frame) readingSnapshot(tx *transaction, d Database, run func(*conn, *catalog.Snapshot) error) error {
	if tx.reader == nil {
		db, err := d.Storage()
		if err != nil {
			return err
		}
		c, err := db.Reader(f.s.life)
		if err != nil {
			return err
		}
		if tx.reader, err = newConn(c, d); err == nil {
			tx.snapshotAt, err = c.Begin()
		}
		if err != nil {
			c.Release()
			tx.reader = nil
			return err
		}
	}
	if tx.reader.db.ID() != d.ID() {
		return sqlerr.New(40510, "a SNAPSHOT transaction over two databases")
	}
	return f.on(tx.reader, run)
}

// interrupt ends with the request's context, and with that of the connection's borrowing. SQLite asks Err only.
type interrupt struct {
	context.Context
	borrowed context.Context
}

// Err implements context.Context.
func (i interrupt) Err() error {
	if err := i.Context.Err(); err != nil {
		return err
	}
	return i.borrowed.Err()
}

// on runs f with the schema that the connection's transaction sees.
func (f *frame) on(k *conn, run func(*conn, *catalog.Snapshot) error) error {
	old := k.GetInterrupt()
	k.SetInterrupt(interrupt{f.r.ctx, old})
	defer k.SetInterrupt(old)
	snap, err := k.db.Catalog().Get(k)
	if err != nil {
		return k.Cause(err)
	}
	f.s.seen, f.s.seenDB = snap, k.db.ID()
	return k.Cause(run(k, snap)) // 823, 824, 1105, 3966, 9002: SQLite knows but an error of the disk
}

// writing runs f on the database's writing connection: in the transaction if one is open, else in one of its own that
// is committed when run succeeds and rolled back otherwise. The caller calls WaitHardened with the LSN before it
// acknowledges anything; it is zero inside a transaction.
func (f *frame) writing(d Database, run func(*conn, *catalog.Snapshot) error) (lsn.LSN, error) {
	if f.s.tx != nil {
		k, err := f.r.writer(d)
		if err != nil {
			return lsn.Zero, err
		}
		err = f.on(k, run)
		if k.GetAutocommit() { // SQLite rolled the transaction back: interrupted, or out of space
			if rerr := f.r.rollbackAll(); rerr != nil {
				return lsn.Zero, sinkError{rerr}
			}
			if err == nil {
				err = sqlerr.New(3902)
			}
		}
		return lsn.Zero, err
	}
	w, k, err := f.r.turn(d, f.r.ctx)
	if err != nil {
		return lsn.Zero, err
	}
	if err := f.on(k, run); err != nil {
		w.Rollback()
		return lsn.Zero, err
	}
	return w.Commit(f.r.ctx)
}

// harden waits until the commit may be acknowledged.
func (f *frame) harden(d Database, at lsn.LSN) error {
	if at == lsn.Zero {
		return nil
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	return db.WaitHardened(f.r.ctx, at)
}

// begin makes a statement known to the connection's functions.
func (f *frame) begin(ctx context.Context, k *conn, snap *catalog.Snapshot, sites []sqlfn.Site) {
	f.snap, f.conn = snap, k
	k.env.Begin(sqlfn.Statement{Ctx: ctx, Now: f.s.e.o.Clock.Now(), Scope: f.s.scope(k.db), Views: views{k.db, k, snap}, Sites: sites,
		DateFirst: f.s.set.dateFirst, Host: f, Random: f.s.e.o.Random})
}

// views are the catalog's views of a schema and the instance's.
type views struct {
	db   Database
	conn catalog.Conn
	snap *catalog.Snapshot
}

// View implements rel.Views.
func (v views) View(schema, name string) *rel.View {
	if r := v.snap.Views(v.conn, v.db.Identities()).View(schema, name); r != nil {
		return r
	}
	return v.db.Views().View(schema, name)
}

// run executes a plan.
func (f *frame) run(k *conn, snap *catalog.Snapshot, p *bind.Plan, r *bind.Run) (bind.Outcome, error) {
	f.begin(f.r.ctx, k, snap, p.Sites)
	defer k.env.End()
	r.Conn, r.Variable, r.Global = k, f.variableValue, f.global
	r.Identities, r.Database, r.Now = k.db.Identities(), k.db.Name(), f.s.e.o.Clock.Now()
	if f.s.temp != nil {
		r.TempIdentities = f.s.temp.ids
	}
	return p.Run(f.r.ctx, r)
}

// env is what statements of this frame are bound against.
func (f *frame) env(d Database, snap *catalog.Snapshot) *bind.Env {
	e := &bind.Env{Database: d.Name(), Snapshot: snap, Views: views{d, nil, snap}, Other: f.other, Variable: f.variableType,
		Procedure: f.procedure, AnsiNullsOff: !f.s.set.ansiNulls, DefaultSchema: f.defaultSchema(d, snap)}
	if f.s.temp != nil {
		e.Temp = f.s.temp.snap
	}
	if f.s.set.identityDB == d.ID() {
		e.IdentityInsert = f.s.set.identityTable
	}
	return e
}
