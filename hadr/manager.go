package hadr

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/seeding"
	"linkspan/internal/clock"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// The kinds of documents kept here.
const (
	kindEndpoint = "mirroring_endpoint"
	kindGroup    = "availability_group"
)

// Manager is the replica manager of one instance. Its methods are safe for concurrent use.
//
// Locks, outermost first: write, then mu or holdMu. Databases is called with write held at most, Store likewise.
type Manager struct {
	opts Options
	ep   *endpoint.Endpoint

	write sync.Mutex // one change of the configuration at a time, with its storing

	mu       sync.RWMutex // protects what follows
	config   agcore.Config
	links    map[string]*link // by folded name of the distributed group
	endpoint *EndpointInfo
	started  bool
	closed   bool

	// changed wakes the watch over the certificates, which runs in watching.
	changed  chan struct{}
	watching *startstop.Group

	// resolving bounds the refusals whose links are looked for, for which names are resolved.
	resolving chan struct{}

	// seedSlots and seedLimit bound what seedings take of this instance.
	seedSlots *seeding.Slots
	seedLimit *seeding.Limit

	holdMu sync.Mutex
	holds  map[string]map[string]lsn.LSN // database → link → LSN, both folded
}

// maxResolving is how many refusals at a time may look for the links that they are about.
const maxResolving = 8

// Validate reports every problem and fills in defaults.
func (o *Options) Validate() error {
	var errs []error
	if o.ServerName == "" {
		errs = append(errs, errors.New("hadr options: no server name"))
	}
	if o.Store == nil || o.Keeper == nil || o.Databases == nil {
		errs = append(errs, errors.New("hadr options: no store, keeper or databases"))
	}
	if o.ShortName == "" {
		o.ShortName = o.ServerName
	}
	if len(o.Addresses) == 0 {
		o.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	if o.Resolve == nil {
		o.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, fmt.Errorf("host %q is not known", host)
		}
	}
	if o.ErrorLog == nil {
		o.ErrorLog = func(*sqlerr.Error) {}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.JoinTimeout == 0 {
		o.JoinTimeout = 30 * time.Second
	}
	return errors.Join(errs...)
}

// Open reads the stored configuration. It touches no database and no network: Retain may be called from now on, so that
// databases can be opened.
func Open(ctx context.Context, o Options) (*Manager, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	m := &Manager{opts: o, links: make(map[string]*link), holds: make(map[string]map[string]lsn.LSN), resolving: make(chan struct{}, maxResolving),
		changed: make(chan struct{}, 1), watching: startstop.New(context.WithoutCancel(ctx))}
	if o.Seedings > 0 {
		m.seedSlots = seeding.NewSlots(o.Seedings)
	}
	m.seedLimit = seeding.NewLimit(m.opts.Clock, o.SeedingBytes)
	if err := m.load(ctx); err != nil {
		return nil, err
	}
	var err error
	m.ep, err = endpoint.New(endpoint.Options{Identity: m.identity, Peer: m.peer, Own: m.own, Accept: m.accept, Refused: m.refused, Local: m.local(), Clock: o.Clock, Log: o.Log})
	if err != nil {
		return nil, err
	}
	o.Keeper.Watch(m.noticed)
	o.Keeper.Guard(m.guard)
	return m, nil
}

func (m *Manager) load(ctx context.Context) error {
	docs, err := m.opts.Store.Load(ctx, kindEndpoint)
	if err != nil {
		return fmt.Errorf("load endpoint: %w", err)
	}
	for name, doc := range docs {
		m.endpoint = new(EndpointInfo)
		if err := json.Unmarshal(doc, m.endpoint); err != nil {
			return fmt.Errorf("read stored endpoint %q: %w", name, err)
		}
	}
	if docs, err = m.opts.Store.Load(ctx, kindGroup); err != nil {
		return fmt.Errorf("load availability groups: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		g := new(agcore.Group)
		if err := json.Unmarshal(docs[name], g); err != nil {
			return fmt.Errorf("read stored availability group %q: %w", name, err)
		}
		m.config.Put(g)
		if g.Link != nil && (g.Link.Seeded || !g.Link.HoldAfter.IsZero()) {
			m.hold(g, g.Link.HoldAfter) // where it is not known yet, everything, until the link runs
		}
	}
	return nil
}

// Start starts the endpoint, if its state is STARTED, and every link. Call it when the databases are open. A port that
// cannot be bound is no error: it is written to the error log (9692), as SQL Server does.
func (m *Manager) Start(ctx context.Context) error {
	m.write.Lock()
	defer m.write.Unlock()
	if e, ok := m.Endpoint(); ok && e.State == EndpointStarted {
		if err := m.listen(&e); err != nil {
			m.errorLog(sqlerr.From(err))
		}
	}
	m.watching.Go(m.watchCertificates)
	m.mu.Lock()
	m.started = true
	var distributed []*agcore.Group
	for _, g := range m.config.Groups {
		if g.Distributed {
			distributed = append(distributed, g)
		}
	}
	m.mu.Unlock()
	for _, g := range distributed {
		if g.Link.Dropping {
			if err := m.finishDrop(ctx, g); err != nil {
				return fmt.Errorf("finish dropping link %q: %w", g.Name, err)
			}
			continue
		}
		m.startLink(g)
	}
	return nil
}

// Close ends every connection and waits. Copies that are being seeded can be continued. Idempotent.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	links := slices.Collect(maps.Values(m.links))
	m.mu.Unlock()
	m.watching.Stop()
	m.ep.Unlisten(errEndpointStopped)
	for _, l := range links {
		l.stop()
	}
	m.ep.Close()
	return nil
}

// errorLog writes to SQL Server's error log.
func (m *Manager) errorLog(e *sqlerr.Error) { m.opts.ErrorLog(e) }

func fold(name string) string { return strings.ToLower(name) }

// newID makes a random uniqueidentifier (version 4).
func (m *Manager) newID() agcore.ID {
	var id agcore.ID
	if _, err := io.ReadFull(m.opts.Rand, id[:]); err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails; tests' sources must not either
	}
	id[7] = id[7]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func (m *Manager) env() agcore.Env {
	return agcore.Env{ServerName: m.opts.ServerName, Managed: m.opts.Managed, Database: m.opts.Databases.Facts, NewID: m.newID}
}

func (m *Manager) now() time.Time { return m.opts.Clock.Now().UTC() }

// group returns a group as it is now; it is not changed afterwards.
func (m *Manager) group(name string) *agcore.Group {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.config.Group(name)
}

// groups lists them.
func (m *Manager) groups() []*agcore.Group {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.config.Groups)
}

// link returns the running link of that name, or nil.
func (m *Manager) link(name string) *link {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.links[fold(name)]
}

// store stores a group; the caller holds write.
func (m *Manager) store(ctx context.Context, g *agcore.Group) error {
	doc, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode availability group: %w", err)
	}
	if err := m.opts.Store.Put(ctx, kindGroup, fold(g.Name), doc); err != nil {
		return fmt.Errorf("store availability group %q: %w", g.Name, err)
	}
	return nil
}

// edit changes a group and stores it; nothing happens when it is gone.
func (m *Manager) edit(ctx context.Context, name string, f func(*agcore.Group)) error {
	m.write.Lock()
	defer m.write.Unlock()
	g := m.group(name)
	if g == nil {
		return nil
	}
	g = g.Clone()
	f(g)
	if err := m.store(ctx, g); err != nil {
		return err
	}
	m.mu.Lock()
	m.config.Put(g)
	m.mu.Unlock()
	return nil
}

// remove deletes a group; the caller holds write.
func (m *Manager) remove(ctx context.Context, g *agcore.Group) error {
	if err := m.opts.Store.Delete(ctx, kindGroup, fold(g.Name)); err != nil {
		return fmt.Errorf("delete availability group %q: %w", g.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config.Groups = slices.DeleteFunc(slices.Clone(m.config.Groups), func(o *agcore.Group) bool { return fold(o.Name) == fold(g.Name) })
	return nil
}

// Retain is the storage option of the same name for a database: the LSN after which a link still wants its log, or
// lsn.Max. It may be called by the storage at any time.
func (m *Manager) Retain(database string) lsn.LSN {
	m.holdMu.Lock()
	defer m.holdMu.Unlock()
	at := lsn.Max
	for _, l := range m.holds[fold(database)] {
		at = lsn.Earliest(at, l)
	}
	return at
}

// holdIfNone is hold for a link that keeps nothing yet.
func (m *Manager) holdIfNone(g *agcore.Group, after lsn.LSN) {
	m.holdMu.Lock()
	kept := false
	for _, d := range g.Databases {
		_, kept = m.holds[fold(d.Name)][fold(g.Name)]
	}
	m.holdMu.Unlock()
	if !kept {
		m.hold(g, after)
	}
}

// hold keeps a database's log after the LSN for a link; lsn.Max lets it go.
func (m *Manager) hold(g *agcore.Group, after lsn.LSN) {
	m.holdMu.Lock()
	defer m.holdMu.Unlock()
	for _, d := range g.Databases {
		name := fold(d.Name)
		if after == lsn.Max {
			delete(m.holds[name], fold(g.Name))
			continue
		}
		if m.holds[name] == nil {
			m.holds[name] = make(map[string]lsn.LSN)
		}
		m.holds[name][fold(g.Name)] = after
	}
}
