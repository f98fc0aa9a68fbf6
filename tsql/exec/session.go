package exec

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/parse"
)

// Session is one client's session. It implements sqlapi.Session. Between requests it holds no connection unless a
// transaction is open.
type Session struct {
	e *Engine
	o SessionOptions

	// life ends with Close; its cause reaches running statements.
	life context.Context
	end  context.CancelCauseFunc

	// mu is held while a request runs, so that Close waits for it; it protects everything below.
	mu     sync.Mutex
	closed bool
	// activity is published for others; requests counts.
	activity atomic.Pointer[Activity]
	requests int64

	// principal is published for others: the login that the session is now.
	principal atomic.Int64

	// writing is the id of the database whose turn the session may have, 0 for none.
	writing atomic.Int64

	db      Database
	loginDB string
	set     settings
	tx      *transaction // nil outside transactions
	lastTx  uint64

	// seen is the schema that the last statement saw, of the database seenDB.
	seen   *catalog.Snapshot
	seenDB int

	rowCount     int64
	lastError    int32
	identity     sqltype.Value // @@IDENTITY
	nesting      int
	contextInfo  string
	sessionState map[string]sqltype.Value // sp_set_session_context

	// as are the contexts that EXECUTE AS opened, innermost last.
	as []impersonation

	// tries are the scopes of the TRY blocks being run, innermost last; caught are the errors of the CATCH blocks.
	tries  []*frame
	caught []*sqlerr.Error

	// cursors are the global ones, by lower-case name; fetchStatus is @@FETCH_STATUS.
	cursors     map[string]*cursor
	fetchStatus int64
	cursorRows  int64

	// temp holds the temporary tables; nil when there were none.
	temp *tempStore

	prepared   map[int32]*prepared
	lastHandle int32
}

// ErrClosed is the cause of a session's end after Close.
var ErrClosed = errors.New("session closed")

// ID implements sqlapi.Session.
func (s *Session) ID() int { return s.o.ID }

// Principal is the number of the login that the session is now. It may be called at any time, from any goroutine.
func (s *Session) Principal() int { return int(s.principal.Load()) }

// Activity is what a session is doing, for views about sessions.
type Activity struct {
	// Database is the current database.
	Database string
	// Running tells that a request runs, Transactions counts the open transactions (@@TRANCOUNT).
	Running      bool
	Transactions int
	// Requests counts the requests so far.
	Requests int64
}

// Activity may be called at any time, from any goroutine. It is as of the beginning or end of the latest request.
func (s *Session) Activity() Activity {
	if a := s.activity.Load(); a != nil {
		return *a
	}
	return Activity{Database: s.loginDB}
}

// Database is the name of the current database; see Activity.
func (s *Session) Database() string { return s.Activity().Database }

// Writing is the database_id in which the session has a writing transaction open, or 0. It may be called at any time.
func (s *Session) Writing() int { return int(s.writing.Load()) }

// rest notes that the session writes nothing, unless a transaction goes on. It needs mu.
func (s *Session) rest() {
	if s.tx == nil || s.tx.writer == nil {
		s.writing.Store(0)
	}
}

// note publishes what the session is doing. It needs mu.
func (s *Session) note(running bool) {
	if running {
		s.requests++
	}
	s.activity.Store(&Activity{Database: s.db.Name(), Running: running, Transactions: s.trancount(), Requests: s.requests})
}

// Kill ends what runs, rolls back what is open and refuses every further request with cause; Close is still due. An idle
// session has nothing open when it returns. A running request is not waited for, since it may be killing the caller: what
// it leaves is given up when it has ended.
func (s *Session) Kill(cause error) {
	s.end(cause)
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		s.abandon()
		return
	}
	context.AfterFunc(s.life, func() { // at once, in a goroutine that ends with the request
		s.mu.Lock()
		defer s.mu.Unlock()
		s.abandon()
	})
}

// abandon gives up what the session holds. It needs mu.
func (s *Session) abandon() {
	s.dropTransaction()
	s.rest()
	s.closeTemps()
}

// Close implements sqlapi.Session.
func (s *Session) Close() error {
	s.end(ErrClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.abandon()
	s.e.o.Databases.Leave(s.db)
	if s.o.Closed != nil {
		s.o.Closed()
	}
	return nil
}

func (s *Session) caller() Caller {
	c := Caller{Session: s.o.ID, Login: &s.o.Login, Principal: s.o.Principal, InTransaction: s.tx != nil}
	if n := len(s.as); n > 0 {
		as := s.as[n-1].caller
		c.Principal, c.User, c.UserDatabase = as.Principal, as.User, as.UserDatabase
	}
	if s.db != nil {
		c.Database, c.DatabaseID = s.db.Name(), s.db.ID()
	}
	return c
}

// request runs f as one request of the client: what it borrowed is given back, and a transaction that cannot be
// committed does not survive it.
func (s *Session) request(ctx context.Context, out sqlapi.ResultSink, f func(*request) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return context.Cause(s.life) // the first reason: a killed session hears that it was, also after Close
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	defer stop()
	r := &request{s: s, ctx: ctx, out: out}
	defer s.rest()
	defer r.release()
	s.tries, s.nesting = s.tries[:0], 0
	s.note(true)
	defer func() { s.note(false) }()
	err := f(r)
	s.tries, s.caught = s.tries[:0], s.caught[:0]
	err = errors.Join(err, r.afterwards(err))
	return errors.Join(err, s.dropTemps(0, true))
}

// afterwards ends a doomed transaction at the end of a batch.
func (r *request) afterwards(err error) error {
	s := r.s
	if s.tx == nil || !s.tx.doomed && !(errors.Is(err, sqlapi.ErrAttention) && s.set.xactAbort) {
		return nil
	}
	doomed := s.tx.doomed
	rerr := r.rollbackAll()
	if doomed && err == nil && rerr == nil {
		rerr = r.out.Message(sqlerr.New(3998).WithLine(1))
	}
	return rerr
}

// Batch implements sqlapi.Session.
func (s *Session) Batch(ctx context.Context, text string, out sqlapi.ResultSink) error {
	return s.request(ctx, out, func(r *request) error {
		c, err := s.e.cache.batch(text, s.parseOptions())
		if err != nil {
			s.lastError = sqlerr.From(err).Number
			return out.Message(sqlerr.From(err))
		}
		f := r.frame(c)
		_, err = f.list(c.body)
		return err
	})
}

func (s *Session) parseOptions() parse.Options {
	return parse.Options{QuotedIdentifierOff: !s.set.quotedIdentifier}
}

// Reset implements sqlapi.Session.
func (s *Session) Reset(ctx context.Context, keepTx bool, out sqlapi.ResultSink) error {
	return s.request(ctx, out, func(r *request) error {
		if !keepTx && s.tx != nil {
			if err := r.rollbackAll(); err != nil {
				return err
			}
		}
		language := s.set.language
		s.set = defaultSettings()
		if s.o.Login.Language != "" {
			s.set.language = s.o.Login.Language
		}
		s.revertTo(0)
		s.rowCount, s.lastError, s.identity, s.contextInfo, s.sessionState = 0, 0, sqltype.Value{}, "", nil
		clear(s.prepared)
		s.closeTemps()
		s.cursors, s.fetchStatus, s.cursorRows = nil, 0, 0
		if language != s.set.language {
			if err := out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvLanguage, New: s.set.language, Old: language}); err != nil {
				return err
			}
		}
		if s.tx != nil || s.db.Name() == s.loginDB {
			return nil
		}
		if err := s.enter(s.loginDB); err != nil {
			return nil //nolint:nilerr // the database of the login is gone: the session stays where it is
		}
		return out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvDatabase, New: s.db.Name()})
	})
}

// enter changes the current database.
func (s *Session) enter(name string) error {
	d, err := s.e.o.Databases.Enter(name, s.caller())
	if err != nil {
		return err
	}
	s.e.o.Databases.Leave(s.db)
	s.db = d
	return nil
}
