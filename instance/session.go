package instance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/bind"
	"linkspan/tsql/exec"
	"linkspan/tsql/sqlfn"
)

// firstSession is the lowest @@SPID of a user; the numbers below are the system's.
const firstSession = 51

// The version announced: SQL Server 2022, and what a managed instance says of itself.
const (
	versionMajor, versionMinor, versionBuild = 16, 0, 4175
	managedMajor, managedMinor, managedBuild = 12, 0, 2000
)

// prepare makes the T-SQL functions known to a new SQLite connection.
func (in *Instance) prepare(c *sqlite3.Conn) error {
	if err := sqlfn.Register(c, new(sqlfn.Env)); err != nil {
		return err
	}
	return bind.Register(c)
}

// openEngine makes the T-SQL engine.
func (in *Instance) openEngine() error {
	e, err := exec.New(exec.Options{
		Databases: lookup{in}, Admin: admin{in}, Security: security{in}, Procedures: procedures(in), Functions: functions{in},
		ServerName: in.opts.serverName(), Version: in.versionText(), Service: "MSSQLSERVER", Clock: in.opts.Clock,
		Random: func(b []byte) { _, _ = in.opts.Rand.Read(b) }, // crypto/rand never fails
		Log:    in.opts.Log.With("component", "exec"),
	})
	in.engine = e
	return err
}

// ServerInfo implements sqlapi.Backend.
func (in *Instance) ServerInfo() sqlapi.ServerInfo {
	i := sqlapi.ServerInfo{Program: "Microsoft SQL Server", Major: versionMajor, Minor: versionMinor, Build: versionBuild}
	if in.opts.Kind == ManagedInstance {
		i.Major, i.Minor, i.Build = managedMajor, managedMinor, managedBuild
	}
	return i
}

// Login implements sqlapi.Backend.
func (in *Instance) Login(ctx context.Context, l sqlapi.Login, out sqlapi.ResultSink) (sqlapi.Session, error) {
	user, err := in.authenticate(l.User, l.Password)
	if err != nil {
		in.opts.Log.Warn("login failed", "login", prefix(l.User, maxName), "client", l.Remote)
		return nil, err
	}
	l.User, l.Password = user.Name, ""
	id, err := in.sessions.reserve(in.opts.MaxSessions)
	if err != nil {
		return nil, err
	}
	s, err := in.engine.Open(ctx, exec.SessionOptions{ID: id, Login: l, Principal: user.ID, Database: initialDatabase(l, user), Closed: func() { in.sessions.remove(id) }})
	if err != nil {
		in.sessions.remove(id)
		if l.Database == "" {
			return nil, sqlerr.New(4064).WithCause(err)
		}
		return nil, sqlerr.New(4060, l.Database).WithCause(err)
	}
	if err := in.sessions.add(id, &openSession{Session: s, login: l, principal: user.ID, since: in.opts.Clock.Now()}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Greet(out); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// sessionOptions are those of a session of the instance's own.
func sessionOptions(in *Instance, id int, database string) exec.SessionOptions {
	return exec.SessionOptions{ID: id, Login: sqlapi.Login{User: in.opts.Administrator, AppName: "linkspan"}, Database: database,
		Closed: func() { in.sessions.remove(id) }}
}

func initialDatabase(l sqlapi.Login, user *loginDoc) string {
	switch {
	case l.Database != "":
		return l.Database
	case user.Database != "":
		return user.Database
	default:
		return "master"
	}
}

// sessionList holds the open sessions by number.
type sessionList struct {
	mu     sync.Mutex // protects what follows
	list   map[int]*openSession
	closed bool
}

type openSession struct {
	*exec.Session
	login sqlapi.Login
	// principal is the number of the login it began with.
	principal int
	since     time.Time
}

// reserve takes the lowest free number, or refuses with 17809, and with 6005 once the instance closes.
func (l *sessionList) reserve(limit int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, sqlerr.New(6005)
	}
	if len(l.list) >= limit {
		return 0, sqlerr.New(17809, limit)
	}
	if l.list == nil {
		l.list = map[int]*openSession{}
	}
	for id := firstSession; ; id++ {
		if _, taken := l.list[id]; !taken {
			l.list[id] = nil
			return id, nil
		}
	}
}

// add shows a session under its number; 6005 when the instance closes, which the session would outlive.
func (l *sessionList) add(id int, s *openSession) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return sqlerr.New(6005)
	}
	l.list[id] = s
	return nil
}

func (l *sessionList) remove(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.list, id)
}

// find gives the session with a number, or nil.
func (l *sessionList) find(id int) *openSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[id]
}

// all lists the sessions by number.
func (l *sessionList) all() []*openSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*openSession
	for _, s := range l.list {
		if s != nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *openSession) int { return a.ID() - b.ID() })
	return out
}

// close ends every session and waits; no more are opened.
func (l *sessionList) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	var errs []error
	for _, s := range l.all() {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// visibleSessions are the sessions that a session may know of: all with VIEW SERVER STATE, its own otherwise.
func (in *Instance) visibleSessions(s rel.Scope) []*openSession {
	all := in.sessions.all()
	if in.sessionToken(s.SessionID).has("VIEW SERVER STATE") {
		return all
	}
	return slices.DeleteFunc(all, func(x *openSession) bool { return x.ID() != s.SessionID })
}

// sessionViews are sys.dm_exec_sessions and sys.dm_exec_connections.
func (in *Instance) sessionViews() []rel.View {
	s := rel.View{Schema: "sys", Name: "dm_exec_sessions"}
	s.Columns = append(s.Columns, key("session_id", tSmallInt), key("login_time", tDateTime), col("host_name", tSysname), col("program_name", tSysname),
		col("host_process_id", tInt), col("client_interface_name", nvarchar(32)), key("login_name", tSysname), key("database_id", tSmallInt),
		key("is_user_process", tBit))
	s.Rows = rows(func(_ context.Context, scope rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, x := range in.visibleSessions(scope) {
			all = append(all, []sqltype.Value{sqltype.IntOf(sqltype.SmallInt, int64(x.ID())), vTime(x.since), vText(x.login.Hostname),
				vText(x.login.AppName), vInt(x.login.ClientPID), vText(x.login.Library), vText(x.login.User),
				sqltype.IntOf(sqltype.SmallInt, int64(registry{in}.ID(x.Database()))), vBit(true)})
		}
		return all, nil
	})
	c := rel.View{Schema: "sys", Name: "dm_exec_connections"}
	c.Columns = append(c.Columns, col("session_id", tInt), key("connect_time", tDateTime), key("net_transport", nvarchar(40)),
		col("protocol_type", nvarchar(40)), key("encrypt_option", nvarchar(40)), key("auth_scheme", nvarchar(40)), col("client_net_address", nvarchar(48)))
	c.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, x := range in.sessions.all() {
			encrypted := "FALSE"
			if x.login.Encrypted {
				encrypted = "TRUE"
			}
			all = append(all, []sqltype.Value{vInt(x.ID()), vTime(x.since), vText("TCP"), vText("TSQL"), vText(encrypted), vText("SQL"), vText(x.login.Remote)})
		}
		return all, nil
	})
	return []rel.View{s, c}
}
