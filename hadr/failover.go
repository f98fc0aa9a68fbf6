package hadr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
)

// FailoverTimeout is how long a planned failover may take when its caller says nothing; then it is taken back.
const FailoverTimeout = 30 * time.Second

// maxTurnQueue is the most log, in bytes, that may be unsent or unapplied when a planned failover begins: writers wait
// while it moves.
const maxTurnQueue = 32 << 20

// Failover is ALTER AVAILABILITY GROUP … FAILOVER on the primary of a link: the copy becomes the primary and this side its
// copy, without loss. It returns when the other side takes writers, or when everything is as before. Transactions that are
// open when it begins are waited for a moment and then rolled back. Errors: 15151 no such group, 19504 or 47511 not a link,
// 47513 one is under way, 47514 the copy does not follow, 47515 and 47516 too much log is on its way, 47517 this side is not
// the primary, 58010 the database is in a second link.
func (m *Manager) Failover(ctx context.Context, group string) error {
	l, err := m.forFailover(group)
	if err != nil {
		return err
	}
	if m.roleOf(m.group(l.name)) != agcore.Primary {
		return sqlerr.New(47517, l.name)
	}
	return l.askFollowing(ctx, func() agcore.Event { return l.failoverEvent(ctx) })
}

// RequestFailover is Failover asked on the copy, by its management: the primary is asked over the link, and does it as if
// the statement had been run there. On the primary it is Failover. Errors: also 35250 not connected.
func (m *Manager) RequestFailover(ctx context.Context, group string) error {
	l, err := m.forFailover(group)
	if err != nil {
		return err
	}
	return l.askFollowing(ctx, func() agcore.Event {
		e := l.failoverEvent(ctx)
		e.On = true
		return e
	})
}

// flowWait is how long a planned failover waits for log to flow, before it is refused: after a RESUME, a restart or another
// failover that takes a moment.
const flowWait = 10 * time.Second

// askFollowing is ask of a planned failover; it is asked again while the copy is about to follow.
func (l *link) askFollowing(ctx context.Context, event func() agcore.Event) error {
	until := l.m.now().Add(flowWait)
	for {
		l.awaitFlow(ctx, until)
		err := l.ask(ctx, event)
		early := sqlerr.Number(err) == 47514 && strings.Contains(err.Error(), agcore.NotFollowing)
		if !early || !l.m.now().Before(until) || !l.following() || !l.moment(ctx) {
			return err
		}
	}
}

// following reports whether log flows, or is about to.
func (l *link) following() bool {
	p := l.snap.Load().phase
	return p == agcore.PhaseNotSynchronizing || p == agcore.PhaseSynchronizing
}

// awaitFlow waits while the copy is about to follow.
func (l *link) awaitFlow(ctx context.Context, until time.Time) {
	for l.snap.Load().phase == agcore.PhaseNotSynchronizing && l.m.now().Before(until) && l.moment(ctx) {
	}
}

// moment waits a little; false when ctx or the link ended.
func (l *link) moment(ctx context.Context) bool {
	tick, stop := l.m.opts.Clock.After(5 * time.Millisecond)
	defer stop()
	select {
	case <-tick:
		return true
	case <-ctx.Done():
	case <-l.group.Context().Done():
	}
	return false
}

func (m *Manager) forFailover(group string) (*link, error) {
	g, l := m.group(group), m.link(group)
	switch {
	case g == nil:
		return nil, sqlerr.New(15151, "alter", "availability group", group)
	case !g.Distributed && g.Options.ClusterType == agcore.ClusterNone:
		return nil, sqlerr.New(47122, g.Name)
	case !g.Distributed:
		return nil, sqlerr.New(47511, g.Name)
	case !g.IsLink():
		return nil, sqlerr.New(19504, g.Name)
	case l == nil:
		return nil, sqlerr.New(47514, g.Name, "the link does not run")
	}
	return l, nil
}

// failoverEvent checks what the machine cannot see; in the loop.
func (l *link) failoverEvent(ctx context.Context) agcore.Event {
	e := agcore.Event{Kind: agcore.FailoverAsked, By: l.m.now().Add(FailoverTimeout)}
	if by, ok := ctx.Deadline(); ok {
		if left := time.Until(by); left < FailoverTimeout { // a deadline is by the machine's clock, By by ours
			e.By = l.m.now().Add(left)
		}
	}
	if f := l.hindrance(); f != nil {
		e.Fault = faultOf(f)
	}
	return e
}

// hindrance is why a planned failover cannot begin now, as far as the machine does not see it.
func (l *link) hindrance() *sqlerr.Error {
	if n := len(l.m.runningOf(l.database)); n > 1 {
		return sqlerr.New(58010, l.database, n, l.name)
	}
	db, release, err := l.open(l.group.Context())
	if err != nil {
		return sqlerr.From(err)
	}
	defer release()
	if db.IsReplica() {
		return nil
	}
	st := db.Stats()
	queue := bytesBetween(l.move.acknowledged(), db.Hardened(), st.LogSize/int64(max(1, st.Segments)))
	if queue > maxTurnQueue {
		return sqlerr.New(47515, l.name, queue>>20)
	}
	return nil
}

// ForceFailover is ALTER AVAILABILITY GROUP … FORCE_FAILOVER_ALLOW_DATA_LOSS on the copy, or on a primary that waits for
// the other side after a failover that broke off: it becomes the primary at once. What may be missing is written down.
// Errors: 15151, 19512 not a distributed group, 41122 it is the primary already, 47513.
func (m *Manager) ForceFailover(ctx context.Context, group string) error {
	l, err := m.forForce(group)
	if err != nil {
		return err
	}
	return l.ask(ctx, func() agcore.Event {
		return agcore.Event{Kind: agcore.ForceAsked, Mine: l.standing(l.group.Context()), LSN: l.move.peer()}
	})
}

// SetRoleSecondary is ALTER AVAILABILITY GROUP … SET (ROLE = SECONDARY): on a primary that was outlived by a forced failover
// it takes back what the other side does not have, after writing it to a file, and makes it the copy; on the primary of a
// group of two SQL Servers it closes the database until the other side is opened. Errors: 15151, 19512, 35250 the other side
// is not connected, 47513, 58010 the database is in a second link.
func (m *Manager) SetRoleSecondary(ctx context.Context, group string) error {
	l, err := m.forForce(group)
	if err != nil {
		return err
	}
	if n := len(m.runningOf(l.database)); n > 1 { // what is taken back here, the others' copies would keep
		return sqlerr.New(58010, l.database, n, l.name)
	}
	return l.ask(ctx, func() agcore.Event {
		return agcore.Event{Kind: agcore.RoleAsked, Mine: l.standing(l.group.Context()), By: l.m.now().Add(FailoverTimeout)}
	})
}

func (m *Manager) forForce(group string) (*link, error) {
	g, l := m.group(group), m.link(group)
	switch {
	case g == nil:
		return nil, sqlerr.New(15151, "alter", "availability group", group)
	case !g.Distributed:
		return nil, sqlerr.New(19512, g.Name)
	case l == nil:
		return nil, sqlerr.New(41190, g.Name, "ALTER AVAILABILITY GROUP", "while the link does not run")
	}
	return l, nil
}

// ask feeds the event to the machine and waits for the answer. When ctx ends first, what was begun goes on.
func (l *link) ask(ctx context.Context, event func() agcore.Event) error {
	answer := make(chan error, 1)
	l.post(func() {
		l.asking = answer
		l.step(event())
		if l.asking != nil { // not answered at once: it takes its course
			l.waiter, l.asking = l.asking, nil
		}
	})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("fail over %q: it goes on, nobody waits for its end: %w", l.name, context.Cause(ctx))
	case <-l.group.Context().Done():
		return errLinkEnded
	}
}

var errLinkEnded = errors.New("the link ended before the failover did")

// answered tells the one who asked: of the statement just begun, or of the one under way.
func (l *link) answered(err error) {
	to := &l.waiter
	if l.asking != nil {
		to = &l.asking
	}
	if *to != nil {
		*to <- err
		*to = nil
	}
}
