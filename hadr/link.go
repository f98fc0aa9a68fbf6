package hadr

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// link is the life of one link on this side: one goroutine that feeds the state machine and carries out what it says.
type link struct {
	m        *Manager
	name     string
	database string
	// dials tells side 2 of the link: the managed instance.
	dials bool
	spec  LinkSpec // of side 2 as it joined

	group *startstop.Group
	inbox chan func()

	// The loop's own.
	core    *agcore.Link
	queue   []agcore.Event
	busy    bool
	session *endpoint.Session
	control *control
	gen     uint64 // counts connections, so that news of old ones are told
	flow    *startstop.Group
	config  *hadrwire.Config // target: the source's last
	ended   bool
	// rotating waits for the peer's answer to a new certificate.
	rotating chan bool

	// asking is the one whose statement is being begun, waiter the one whose failover is under way.
	asking, waiter chan error
	// lastRole and lastLoss are those that the error log has; lossKnown tells that what was stored was looked at.
	lastRole  agcore.Role
	lastLoss  *agcore.Loss
	lossKnown bool
	// lastAct is closed when the last change of role that was begun is over.
	lastAct chan struct{}
	// fencedAt is when the last FENCE was written or seen here, and pause how long no writer was let in after it.
	fencedAt atomic.Int64
	pause    atomic.Int64
	// failovers and digests count since the start: changes of role, and digests of the peer's that were equal to ours.
	failovers, digests atomic.Int64

	// For readers.
	gate   gate
	snap   atomic.Pointer[snapshot]
	move   movement
	seed   seeding.Progress
	teller atomic.Pointer[teller] // where progress is told
	joined chan error             // target: the answer to the first join, once

	stopOnce sync.Once
}

// teller is a connection's control stream, for the flows.
type teller struct {
	control *control
	gen     uint64
}

// defaultTimeout is the session timeout until the source has told its own.
const defaultTimeout = 10 * time.Second

// snapshot is what readers see of the loop's state.
type snapshot struct {
	phase     agcore.Phase
	role      agcore.Role
	work      agcore.Work
	standing  agcore.Standing
	sync      agcore.SyncState
	connected bool
	split     agcore.Fault
	fault     agcore.Fault
	faultAt   time.Time
	state     agcore.LinkState
}

// newLink makes a link from what is stored and starts its goroutine; the caller puts it into m.links.
func (m *Manager) newLink(name, database string, dials bool, state agcore.LinkState) *link {
	l := &link{m: m, name: name, database: database, dials: dials, group: startstop.New(context.Background()), inbox: make(chan func()), joined: make(chan error, 1)}
	o := l.coreOptions(m.config.Group(name))
	if o.Required {
		l.gate.close() // no commit slips through before the machine has begun
	}
	l.core = agcore.NewLink(o, state)
	l.publish()
	return l
}

// coreOptions are what the machine is told of the group, which may not be there yet.
func (l *link) coreOptions(g *agcore.Group) agcore.LinkOptions {
	o := agcore.LinkOptions{Side: agcore.Side1, Dials: l.dials, Name: l.name, Database: l.database, SessionTimeout: defaultTimeout,
		JoinTimeout: l.m.opts.JoinTimeout, FailoverTimeout: FailoverTimeout}
	if l.dials {
		o.Side = agcore.Side2
	}
	if g != nil && g.Member(false) != nil {
		o.SessionTimeout, o.Classic = g.SessionTimeout(), !g.IsLink()
		o.Synchronous, o.Required = modesOf(g)
	}
	return o
}

// startLink starts the link of a stored distributed group.
func (m *Manager) startLink(g *agcore.Group) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.started || m.closed || m.links[fold(g.Name)] != nil || g.Member(true) == nil || g.Member(false) == nil {
		return
	}
	database := ""
	if len(g.Databases) > 0 {
		database = g.Databases[0].Name
	}
	l := m.newLink(g.Name, database, sideOf(g) == agcore.Side2, *g.Link)
	l.spec = LinkSpec{Name: g.Name, Database: database, SourceEndpoint: g.Link.Endpoint, PartnerGroup: g.Member(false).Name, OwnGroup: g.Member(true).Name}
	m.links[fold(g.Name)] = l
	l.run()
}

func (l *link) run() { l.group.Go(l.loop) }

// post has f run by the loop; it gives up when the link ends.
func (l *link) post(f func()) {
	select {
	case l.inbox <- f:
	case <-l.group.Context().Done():
	}
}

// call is post that waits until f has run.
func (l *link) call(f func()) {
	done := make(chan struct{})
	l.post(func() { defer close(done); f() })
	select {
	case <-done:
	case <-l.group.Context().Done():
	}
}

// news is post for those that a connection or a flow started: it gives up when ctx ends, and f does not run when the
// connection is not the present one any more.
func (l *link) news(ctx context.Context, gen uint64, f func()) {
	select {
	case l.inbox <- func() {
		if gen == l.gen {
			f()
		}
	}:
	case <-ctx.Done():
	}
}

// offer hands something over to the loop: take runs there when the connection gen is the present one; otherwise, or when
// ctx ends first, leave runs.
func (l *link) offer(ctx context.Context, gen uint64, take, leave func()) {
	select {
	case l.inbox <- func() {
		if gen == l.gen {
			take()
		} else {
			leave()
		}
	}:
	case <-ctx.Done():
		leave()
	}
}

func (l *link) loop(ctx context.Context) {
	defer l.disconnect(startstop.ErrStopped)
	l.step(agcore.Event{Kind: agcore.Start, Mine: l.standing(ctx)})
	if g := l.m.group(l.name); g != nil && l.core.State().HoldAfter.IsZero() {
		l.m.hold(g, lsn.Max)
	}
	for !l.ended {
		var tick <-chan time.Time
		stop := func() {}
		if at := l.core.Deadline(); !at.IsZero() {
			tick, stop = l.m.opts.Clock.After(at.Sub(l.m.now()))
		}
		select {
		case f := <-l.inbox:
			f()
		case <-tick:
			l.step(agcore.Event{Kind: agcore.Tick})
		case <-ctx.Done():
			stop()
			return
		}
		stop()
	}
}

// step feeds an event to the machine and carries out what it says. Events that come up meanwhile wait their turn.
func (l *link) step(e agcore.Event) {
	l.queue = append(l.queue, e)
	if l.busy {
		return
	}
	l.busy = true
	for len(l.queue) > 0 {
		e := l.queue[0]
		l.queue = l.queue[1:]
		l.carryOut(l.core.Step(l.m.now(), e))
		if e.Kind == agcore.Start && !l.core.Together() {
			l.gate.open() // it may be closed for the machine before this one
		}
	}
	l.busy = false
	l.publish()
	l.noteRole()
}

// carryOut performs the actions of one event, up to a state that cannot be stored.
func (l *link) carryOut(actions []agcore.Action) {
	l.publish()
	for _, a := range actions {
		if err := l.perform(a); err != nil {
			l.m.opts.Log.Error("state of a link cannot be stored; the link starts anew", "link", l.name, "error", err)
			l.anew()
			return
		}
	}
}

// anew goes back to what is stored, after a change that could not be.
func (l *link) anew() {
	l.disconnect(errStore)
	g := l.m.group(l.name)
	if g == nil || g.Link == nil {
		l.ended = true
		return
	}
	l.core, l.queue = agcore.NewLink(l.coreOptions(g), *g.Link), nil
	l.answered(errStore)
	l.acting(func(ctx context.Context) agcore.Event {
		c, stop := l.m.opts.Clock.After(time.Second)
		defer stop()
		select {
		case <-c:
		case <-ctx.Done():
			return agcore.Event{}
		}
		return agcore.Event{Kind: agcore.Start, Mine: l.standing(ctx)}
	})
}

var errStore = errors.New("the state of the link cannot be stored")

func (l *link) publish() {
	s := &snapshot{phase: l.core.Phase(), sync: l.core.Sync(), role: l.core.Role(), work: l.core.Work(), standing: l.core.Standing(), connected: l.core.Connected(), split: l.core.Split(), state: l.core.State()}
	s.fault, s.faultAt = l.core.LastFault()
	l.snap.Store(s)
}

// perform carries out one action. Its only error is a state that cannot be stored.
func (l *link) perform(a agcore.Action) error {
	switch a.Kind {
	case agcore.Dial:
		l.dial()
	case agcore.SendHello:
		l.send(l.hello())
	case agcore.SendConfig:
		l.sendConfig()
	case agcore.SendHeartbeat:
		l.send(&hadrwire.Heartbeat{Sent: l.m.now()})
	case agcore.SendSuspend:
		s := l.core.State()
		l.send(&hadrwire.Suspend{Reason: uint8(s.Reason), Text: s.Text})
	case agcore.SendResume:
		l.send(&hadrwire.Resume{})
	case agcore.Disconnect:
		l.disconnect(nil)
	case agcore.Persist:
		return l.persist()
	case agcore.CreateCopy:
		l.createCopy()
	case agcore.StartSeed:
		l.startFlow(l.receiveSeed)
	case agcore.StartLog:
		l.startFlow(l.receiveLog)
	case agcore.StopFlow:
		l.stopFlow()
	case agcore.JoinDone:
		l.joined <- nil
	case agcore.JoinFailed:
		l.m.forget(l)
		l.joined <- errorOf(a.Fault)
	case agcore.Log:
		l.m.errorLog(errorOf(a.Fault))
	case agcore.End:
		l.ended = true
	default:
		l.turn(a)
	}
	return nil
}

// disconnect closes the present connection, if any; news of it do not count any more.
func (l *link) disconnect(cause error) {
	l.stopFlow()
	l.gen++
	if l.session != nil {
		l.session.Close(cause)
		l.control.stop()
		l.session, l.control = nil, nil
		l.teller.Store(nil)
	}
}

// startFlow runs f until StopFlow or the end of the connection. f reports through news.
func (l *link) startFlow(f func(ctx context.Context, gen uint64, s *endpoint.Session)) {
	if l.session == nil {
		return
	}
	if l.flow == nil {
		l.flow = startstop.New(l.group.Context())
	}
	gen, s := l.gen, l.session
	l.flow.Go(func(ctx context.Context) { f(ctx, gen, s) })
}

func (l *link) stopFlow() {
	if l.flow != nil {
		l.flow.Stop()
		l.flow = nil
	}
}

// persist stores the machine's state with the group.
func (l *link) persist() error {
	state := l.core.State()
	return l.m.edit(context.WithoutCancel(l.group.Context()), l.name, func(g *agcore.Group) {
		dropping := g.Link != nil && g.Link.Dropping
		s := state
		s.Dropping = dropping
		g.Link = &s
		if s.HoldAfter.IsZero() {
			l.m.hold(g, lsn.Max) // a copy keeps nothing for its primary
		} else {
			l.m.holdIfNone(g, s.HoldAfter)
		}
		if r := l.core.Role(); r != agcore.Resolving {
			g.Role = r
		}
	})
}

// note is persist for what may be lost.
func (l *link) note() {
	if err := l.persist(); err != nil {
		l.m.opts.Log.Error("state of a link cannot be stored", "link", l.name, "error", err)
	}
}

// send puts a message on the control stream.
func (l *link) send(m hadrwire.Message) {
	if l.control != nil {
		l.control.send(m)
	}
}

// lost is the fault of a connection that ended with err.
func (l *link) lost(s *endpoint.Session, err error) agcore.Fault {
	select {
	case <-s.Done():
		if cause := s.Cause(); !errors.Is(cause, io.EOF) {
			err = cause
		}
	default:
	}
	var r *endpoint.Refusal
	if errors.As(err, &r) {
		return faultOf(r.Err)
	}
	near, far := "primary", "secondary"
	if l.core.Copy() {
		near, far = far, near
	}
	_, id := l.replicaIDs()
	return faultOf(sqlerr.New(35267, far, near, l.database, l.snap.Load().state.Peer, id))
}

// stop ends the link's goroutines and waits; the link is as after a restart.
func (l *link) stop() { l.stopOnce.Do(l.group.Stop) }

// drop lets the machine say good-bye and ends the link.
func (l *link) drop() {
	l.call(func() { l.step(agcore.Event{Kind: agcore.Drop}) })
	l.stop()
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.m.links[fold(l.name)] == l {
		delete(l.m.links, fold(l.name))
	}
}
