package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/ast"
)

// transaction is an open user transaction.
type transaction struct {
	// count is @@TRANCOUNT.
	count int
	// name is that of the outermost BEGIN TRAN.
	name string
	// id is the descriptor on the wire.
	id uint64
	// doomed transactions can only be rolled back (XACT_STATE() = -1).
	doomed bool
	saves  []string

	// writer is the turn in db, taken at the first write; nil before. conn is its connection and cancel ends its context.
	writer *storage.Writer
	conn   *conn
	db     Database
	cancel context.CancelCauseFunc
	// settled tells that the version it builds on is hardened, so that what it reads may be shown.
	settled bool

	// reader holds the version that a SNAPSHOT transaction reads, as of snapshotAt.
	reader     *conn
	snapshotAt lsn.LSN
}

// errLockTimeout is the cause of a wait that LOCK_TIMEOUT ended.
var errLockTimeout = errors.New("lock timeout")

// begin opens a transaction, or counts one more.
func (r *request) begin(name string) error {
	s := r.s
	if s.tx != nil {
		s.tx.count++
		return nil
	}
	s.lastTx++
	s.tx = &transaction{count: 1, name: name, id: uint64(s.o.ID)<<32 | s.lastTx&0xffffffff}
	return wrapSink(r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvBeginTx, Tx: s.tx.id}))
}

// turn takes a database's turn to write, obeying LOCK_TIMEOUT. ctx interrupts the statements afterwards.
func (r *request) turn(d Database, ctx context.Context) (*storage.Writer, *conn, error) {
	if d.ReadOnly() {
		return nil, nil, sqlerr.New(3906, d.Name())
	}
	db, err := d.Storage()
	if err != nil {
		return nil, nil, err
	}
	w, err := r.wait(ctx, db)
	if err != nil {
		if errors.Is(err, errLockTimeout) {
			return nil, nil, sqlerr.New(1222).WithState(51)
		}
		if errors.Is(err, storage.ErrReplica) {
			return nil, nil, sqlerr.New(3906, d.Name())
		}
		return nil, nil, err
	}
	k, err := newConn(w.Conn, d)
	if err != nil {
		w.Rollback()
		return nil, nil, err
	}
	r.s.writing.Store(int64(d.ID()))
	return w, k, nil
}

// wait waits for the writer as long as LOCK_TIMEOUT allows.
func (r *request) wait(ctx context.Context, db *storage.DB) (*storage.Writer, error) {
	limit := r.s.set.lockTimeout
	if limit < 0 {
		return db.Writer(ctx)
	}
	wctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(time.Duration(max(limit, 1))*time.Millisecond, func() { cancel(errLockTimeout) })
	w, err := db.Writer(wctx)
	if !timer.Stop() && err == nil { // it fired in the moment the turn came
		w.Rollback()
		err = errLockTimeout
	}
	if err != nil {
		if cause := context.Cause(wctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	context.AfterFunc(ctx, func() { cancel(nil) })
	return w, nil
}

// writer gives the transaction's writing connection, taking the turn at the first call.
func (r *request) writer(d Database) (*conn, error) {
	s := r.s
	tx := s.tx
	switch {
	case tx.doomed:
		return nil, sqlerr.New(3930)
	case tx.writer != nil && tx.db.ID() != d.ID():
		return nil, sqlerr.New(40510, fmt.Sprintf("write to database %s in a transaction that wrote to database %s", d.Name(), tx.db.Name()))
	case tx.writer != nil:
		return tx.conn, nil
	}
	ctx, cancel := context.WithCancelCause(s.life)
	stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	w, k, err := r.turn(d, ctx)
	if !stop() && err == nil { // the client cancelled in the moment the turn came
		w.Rollback()
		err = context.Cause(r.ctx)
	}
	if err != nil {
		cancel(err)
		return nil, err
	}
	if tx.reader != nil && tx.snapshotAt != w.Base() {
		w.Rollback()
		cancel(nil)
		return nil, sqlerr.New(3960, d.Name())
	}
	tx.writer, tx.conn, tx.db, tx.cancel = w, k, d, cancel
	for i := range tx.saves {
		if err := tx.conn.Exec(fmt.Sprintf("SAVEPOINT u_%d", i)); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// settle waits until what the transaction builds on is hardened, before anything read is shown.
func (tx *transaction) settle(ctx context.Context) error {
	if tx.settled {
		return nil
	}
	db, err := tx.db.Storage()
	if err != nil {
		return err
	}
	if err := db.WaitHardened(ctx, tx.writer.Base()); err != nil {
		return err
	}
	tx.settled = true
	return nil
}

// free gives everything back that the transaction holds, undoing what was not committed.
func (tx *transaction) free() {
	if tx.writer != nil {
		tx.writer.Rollback()
		tx.cancel(nil)
		tx.writer, tx.conn = nil, nil
	}
	if tx.reader != nil {
		tx.reader.Release()
		tx.reader = nil
	}
}

// dropTransaction rolls back without telling the client.
func (s *Session) dropTransaction() {
	if s.tx != nil {
		s.tx.free()
		s.tx = nil
	}
}

// rollbackAll rolls the transaction back and tells the client.
func (r *request) rollbackAll() error {
	id := r.s.tx.id
	r.s.dropTransaction()
	return r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvRollbackTx, Tx: id})
}

// commit counts one down; the outermost one commits and waits until that is hardened.
func (r *request) commit() error {
	s := r.s
	tx := s.tx
	switch {
	case tx == nil:
		return sqlerr.New(3902)
	case tx.doomed:
		return sqlerr.New(3930)
	case tx.count > 1:
		tx.count--
		return nil
	}
	if tx.writer != nil {
		at, err := tx.writer.Commit(r.ctx)
		if err == nil {
			if db, derr := tx.db.Storage(); derr == nil {
				err = db.WaitHardened(r.ctx, at)
			} else {
				err = derr
			}
		}
		if err != nil {
			if rerr := r.rollbackAll(); rerr != nil {
				return sinkError{rerr}
			}
			return err
		}
		tx.cancel(nil)
		tx.writer = nil
	}
	id := tx.id
	tx.free()
	s.tx = nil
	return wrapSink(r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvCommitTx, Tx: id}))
}

// rollback rolls back to a savepoint, or all of it when name is empty or the transaction's own.
func (r *request) rollback(name string) error {
	tx := r.s.tx
	if tx == nil {
		return sqlerr.New(3903)
	}
	at := -1
	for i := len(tx.saves) - 1; i >= 0 && at < 0; i-- {
		if name != "" && strings.EqualFold(tx.saves[i], name) {
			at = i
		}
	}
	switch {
	case name == "", at < 0 && strings.EqualFold(name, tx.name):
		return wrapSink(r.rollbackAll())
	case at < 0:
		return sqlerr.New(6401, name)
	case tx.doomed:
		return sqlerr.New(3931)
	}
	tx.saves = tx.saves[:at+1]
	if tx.writer == nil {
		return nil
	}
	return tx.conn.Exec(fmt.Sprintf("ROLLBACK TO u_%d", at))
}

// save sets a savepoint.
func (r *request) save(name string) error {
	tx := r.s.tx
	switch {
	case tx == nil:
		return sqlerr.New(628)
	case tx.doomed:
		return sqlerr.New(3930)
	case len(tx.saves) >= maxSaves:
		return sqlerr.New(8632)
	}
	tx.saves = append(tx.saves, name)
	if tx.writer == nil {
		return nil
	}
	return tx.conn.Exec(fmt.Sprintf("SAVEPOINT u_%d", len(tx.saves)-1))
}

// maxSaves bounds the savepoints of a transaction.
const maxSaves = 1000

// txName is a transaction's name, given or in a variable; 32 characters count.
func (f *frame) txName(n ast.NameOrVariable) string {
	if n.Variable != "" {
		if v := f.variable(n.Variable); v != nil {
			return cut(v.value.S, 32)
		}
	}
	return cut(n.Name, 32)
}

func (f *frame) beginStatement(st *ast.BeginTransaction) (flow, error) {
	if st.Distributed {
		return f.raise(sqlerr.New(8501, f.s.e.o.ServerName), abortStatement)
	}
	return f.txDone(f.r.begin(f.txName(st.Name)), cmdBegin)
}

func (f *frame) commitStatement() (flow, error) { return f.txDone(f.r.commit(), cmdCommit) }

func (f *frame) rollbackStatement(st *ast.Rollback) (flow, error) {
	return f.txDone(f.r.rollback(f.txName(st.Name)), cmdRollback)
}

func (f *frame) saveStatement(st *ast.Save) (flow, error) {
	return f.txDone(f.r.save(f.txName(st.Name)), cmdSave)
}

// The commands of transaction statements in DONE.
const (
	cmdRollback sqlapi.Command = 0xD2
	cmdBegin    sqlapi.Command = 0xD4
	cmdCommit   sqlapi.Command = 0xD5
	cmdSave     sqlapi.Command = 0xD6
)

func (f *frame) txDone(err error, cmd sqlapi.Command) (flow, error) {
	if err != nil {
		return f.fail(err)
	}
	f.ok()
	return next, f.done(cmd, -1)
}

// locking reports whether reads take the turn to write, so that nobody changes what was read.
func (s *Session) locking() bool {
	return s.tx != nil && (s.set.isolation == "SERIALIZABLE" || s.set.isolation == "REPEATABLE READ")
}

// isolationLevels are the levels of transaction requests, by number.
var isolationLevels = [...]string{1: "READ UNCOMMITTED", 2: "READ COMMITTED", 3: "REPEATABLE READ", 4: "SERIALIZABLE", 5: "SNAPSHOT"}

// Transaction implements sqlapi.Session.
func (s *Session) Transaction(ctx context.Context, q sqlapi.TxRequest, out sqlapi.ResultSink) error {
	return s.request(ctx, out, func(r *request) error {
		f := r.frame(nil)
		var err error
		cmd := cmdBegin
		switch q.Kind {
		case sqlapi.TxBegin:
			s.isolate(q.Isolation)
			err = r.begin(q.Name)
		case sqlapi.TxCommit:
			err, cmd = r.commit(), cmdCommit
		case sqlapi.TxRollback:
			err, cmd = r.rollback(q.Name), cmdRollback
		case sqlapi.TxSave:
			err, cmd = r.save(q.Name), cmdSave
		default:
			err = sqlerr.New(8501, s.e.o.ServerName)
		}
		if err == nil && q.BeginNext && s.tx == nil {
			s.isolate(q.NextIsolation)
			err = r.begin(q.NextName)
		}
		_, err = f.txDone(err, cmd)
		return err
	})
}

func (s *Session) isolate(level uint8) {
	if int(level) < len(isolationLevels) && level > 0 {
		s.set.isolation = isolationLevels[level]
	}
}
