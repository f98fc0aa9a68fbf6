package logins

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/sqlclient"
)

// Opener connects to one side as a login that may see and make logins (sysadmin). What it gives belongs to the caller.
type Opener func(ctx context.Context) (*sqlclient.Client, error)

// Dial connects to a server whatever the state of the login's default database. An address of the form server\INSTANCE is
// understood.
func Dial(t sqlclient.Target) Opener {
	if host, instance, named := strings.Cut(t.Address, `\`); named {
		t.Address, t.Instance = host, instance
	}
	t.Database = "master"
	return func(ctx context.Context) (*sqlclient.Client, error) { return sqlclient.Open(ctx, t) }
}

// Pair is a database by its names on both sides.
type Pair struct {
	Source, Target string
}

// Options say whose logins are moved.
type Options struct {
	Source, Target Opener
	// Databases are those of the migration.
	Databases []Pair
	// Scope is ScopeNeeded, ScopeAll or ScopeNone; "" means ScopeNeeded.
	Scope string
	// Clock tells when something was read; nil means the machine's.
	Clock clock.Clock
	// Log takes what is done on the target, without secrets; nil discards it.
	Log *slog.Logger
}

// Logins moves logins. Safe for concurrent use; stages are done one at a time.
type Logins struct {
	o      Options
	source *side
	target *side
	// reading lets one of many callers of Missing read for all. It is taken BEFORE mu.
	reading sync.Mutex
	do      sync.Mutex // one stage at a time: two would make the same server role

	mu    sync.Mutex // protects what follows
	known map[string][]user
	told  map[string]bool // databases that were logged as unreadable
	// last is what Missing read last, at a time: hundreds of databases are asked about one after the other.
	last   *sides
	lastAt time.Time
}

// fresh is how long Missing believes what it read of the servers. What is done on the target ends it.
const fresh = 3 * time.Second

// New makes one; it connects when something is asked of it.
func New(o Options) *Logins {
	if o.Scope == "" {
		o.Scope = ScopeNeeded
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return &Logins{o: o, source: &side{open: o.Source, at: flow.AtSource, clock: o.Clock}, target: &side{open: o.Target, at: flow.AtTarget, clock: o.Clock}, known: map[string][]user{}, told: map[string]bool{}}
}

// Close gives the connections up. Idempotent; what is asked afterwards connects again.
func (l *Logins) Close() error { return errors.Join(l.source.close(), l.target.close()) }

// Found is a login of the source. Skip says why it needs nothing or what somebody has to do instead; "" when it is to be
// moved. Every Windows login has one.
type Found struct {
	Name    string
	Windows bool
	Skip    string
}

// List gives the logins of the source that the scope takes in, in the order in which they are best moved. It may be asked
// again at any time: logins that came since are in it. With ScopeNeeded, logins that get into the databases without a user
// (sysadmin, guest) are in it as ones to skip, so that nobody is surprised. A database that cannot be read on the source
// adds none; Missing says so.
func (l *Logins) List(ctx context.Context) ([]Found, error) {
	if l.o.Scope == ScopeNone {
		return nil, nil
	}
	src, err := l.source.read(ctx)
	if err != nil {
		return nil, err
	}
	var users []user
	var guests []string
	if l.o.Scope == ScopeNeeded {
		if users, guests, err = l.usersOf(ctx, src, l.o.Databases); err != nil {
			return nil, err
		}
	}
	var out []Found
	for _, e := range listed(src, l.o.Scope, l.o.Databases, users, guests) {
		out = append(out, Found{Name: e.name, Windows: windows(e.principal), Skip: e.skip})
	}
	return out, nil
}

// usersOf reads the users of those databases of the source that can be read; of the others it gives those that were read
// last.
func (l *Logins) usersOf(ctx context.Context, src *server, pairs []Pair) (users []user, guests []string, err error) {
	var readable []string
	for _, p := range pairs {
		if d := src.database(p.Source); d != nil && d.open && !d.shy {
			readable = append(readable, d.name)
		}
	}
	read, guests, err := l.source.users(ctx, readable)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.known, read)
	for _, p := range pairs {
		if d := src.database(p.Source); d == nil || read[d.name] == nil {
			l.unreadable(p.Source)
		} else {
			delete(l.told, p.Source)
		}
	}
	for _, p := range pairs {
		if d := src.database(p.Source); d != nil {
			users = append(users, l.known[d.name]...)
		}
	}
	return users, guests, nil
}

// Missing lists the logins that users and the owner of a database of the source need and the target lacks, each with what
// is wrong when it is more than that. Logins that are not moved (Windows, system) are not among them, and with ScopeNone
// there are none. The error is a *flow.Hindrance when the database cannot be read and never was.
func (l *Logins) Missing(ctx context.Context, db string) ([]string, error) {
	if l.o.Scope == ScopeNone {
		return nil, nil
	}
	s, err := l.recent(ctx)
	if err != nil {
		return nil, err
	}
	d := s.src.database(db)
	if d == nil {
		return nil, &flow.Hindrance{At: flow.AtSource, What: "database " + quote(db) + " is not on the source " + s.src.name, Fix: "bring it back, or cancel its migration"}
	}
	if !d.open && !l.knows(d.name) {
		return nil, unread(db, d.state)
	}
	pair := Pair{d.name, s.target(d.name)}
	users, _, err := l.usersOf(ctx, s.src, []Pair{pair})
	if err != nil {
		return nil, err
	}
	if !l.knows(d.name) {
		return nil, unread(db, d.state)
	}
	var out []string
	for _, p := range needed(s.src, []Pair{pair}, users) {
		if text := s.missing(p); text != "" {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out, nil
}

// unreadable logs, once, that a database's users could not be read; mu is held.
func (l *Logins) unreadable(db string) {
	if !l.told[db] {
		l.told[db] = true
		l.o.Log.Warn("users of a database cannot be read on the source", "database", db)
	}
}

func unread(db, state string) error {
	return &flow.Hindrance{At: flow.AtSource, What: "the users of database " + quote(db) + " cannot be read on the source (" + state + ")", Fix: "open it for everybody; they are read when it can be"}
}

func (l *Logins) knows(db string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.known[db]
	return ok
}

// MapUsers gives the users of a database that is open on the target their logins, and the database its owner. Logins of
// its users that are on the target get what changed on the source since they were moved: their passwords, roles and
// permissions. What it returns are the users behind which no login stands, each with its reason. The database is named as on the source.
func (l *Logins) MapUsers(ctx context.Context, db string) ([]string, error) {
	l.do.Lock()
	defer l.do.Unlock()
	refused := map[string]string{}
	var all []mapping
	for range rounds {
		s, err := l.sides(ctx)
		if err != nil {
			return nil, err
		}
		pair := Pair{db, s.target(db)}
		s.pairs = []Pair{pair}
		if p := s.unready(); len(p.warnings) > 0 {
			return nil, &flow.Hindrance{At: flow.AtTarget, What: p.warnings[0], Fix: "open it on " + s.dst.name}
		}
		open, err := l.target.accounts(ctx, s, nil)
		if err != nil {
			return nil, err
		}
		all = nil
		var steps []step
		for i := range open {
			all = append(all, s.mappings(&open[i])...)
		}
		for _, m := range all {
			steps = append(steps, m.step)
		}
		if l.o.Scope != ScopeNone {
			steps = append(steps, s.latest(open)...)
		}
		more, err := l.run(ctx, steps, refused)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return orphans(all, refused), nil
}

// recent is sides, not older than fresh. Nobody changes what it gives.
func (l *Logins) recent(ctx context.Context) (*sides, error) {
	l.reading.Lock() // one reads, the others take what it read
	defer l.reading.Unlock()
	l.mu.Lock()
	s, at := l.last, l.lastAt
	l.mu.Unlock()
	if now := l.o.Clock.Now(); s != nil && now.Sub(at) < fresh {
		return s, nil
	}
	s, err := l.sides(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.last, l.lastAt = s, l.o.Clock.Now()
	l.mu.Unlock()
	return s, nil
}

// outdated ends what recent remembers.
func (l *Logins) outdated() {
	l.mu.Lock()
	l.last = nil
	l.mu.Unlock()
}

// sides reads both servers.
func (l *Logins) sides(ctx context.Context) (*sides, error) {
	src, err := l.source.read(ctx)
	if err != nil {
		return nil, err
	}
	dst, err := l.target.read(ctx)
	if err != nil {
		return nil, err
	}
	return &sides{src: src, dst: dst, pairs: l.o.Databases}, nil
}
