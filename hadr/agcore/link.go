package agcore

import (
	"time"
)

// Times of a link.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
	// defaultFailover bounds a failover when nobody says otherwise.
	defaultFailover = 30 * time.Second
)

// LinkOptions are what a Link is told about itself.
type LinkOptions struct {
	// Side is ours; zero means 2 where Dials is set and 1 otherwise. Dials: this side makes the connections.
	Side  Side
	Dials bool
	// Classic: a distributed group of two SQL Servers. SET (ROLE = SECONDARY) closes its primary, and the other side opens
	// by FORCE_FAILOVER_ALLOW_DATA_LOSS alone.
	Classic bool
	// Name is the link's and Database its database's, for messages.
	Name, Database string
	// Synchronous: commits wait for the copy once it has caught up, when this side is primary. Required: also while it has
	// not, or is away (REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT).
	Synchronous, Required bool
	// FailoverTimeout bounds a failover that nobody waits for, as one found half done at a start; 0 means 30 seconds.
	FailoverTimeout time.Duration
	// SessionTimeout: a peer not heard of for so long is gone.
	SessionTimeout time.Duration
	// JoinTimeout: how long a first join tries to reach the source.
	JoinTimeout time.Duration
}

// Link is the state machine of one link on one side. It is not safe for concurrent use.
type Link struct {
	opts  LinkOptions
	state LinkState

	// mine is how the database stands as last told; theirs what the peer said of itself last, met that it said so on the
	// present connection.
	mine, theirs Standing
	met          bool

	connected bool // the peers have shaken hands
	waiting   bool // side 2: a dial or a handshake is under way
	said      bool // side 2: its hello said that data movement is stopped here
	seeding   bool
	flowing   bool
	ended     bool

	clock    time.Time // of the last step
	attempt  int       // dials since the last good connection
	failures int       // flows that failed on good connections, one after the other
	nextDial time.Time // side 2, not connected: when to dial; zero: not at all
	giveUp   time.Time // side 2, not joined: when to give up
	heard    time.Time // connected or waiting: last sign of the peer
	nextBeat time.Time
	since    time.Time // flowing: since when

	change change
	commit commit

	fault   Fault
	faultAt time.Time
}

// NewLink makes the machine from what was stored of it.
func NewLink(o LinkOptions, s LinkState) *Link {
	if o.Side == 0 {
		o.Side = Side1
		if o.Dials {
			o.Side = Side2
		}
	}
	if o.FailoverTimeout <= 0 {
		o.FailoverTimeout = defaultFailover
	}
	return &Link{opts: o, state: s}
}

// State is what is to be stored.
func (l *Link) State() LinkState { return l.state }

// Update changes stored facts that the machine does not decide on (Bound, Peer, HoldAfter, Origin); the caller stores them.
func (l *Link) Update(f func(*LinkState)) { f(&l.state) }

// SetSessionTimeout changes the timeout from the next sign of the peer on.
func (l *Link) SetSessionTimeout(d time.Duration) { l.opts.SessionTimeout = d }

// Connected reports whether the peers have shaken hands.
func (l *Link) Connected() bool { return l.connected }

// LastFault is the last failure to connect since the last good connection, and when it was.
func (l *Link) LastFault() (Fault, time.Time) { return l.fault, l.faultAt }

// Phase is where the link stands.
func (l *Link) Phase() Phase {
	switch {
	case l.ended:
		return PhaseDropped
	case l.state.Broken != nil:
		return PhaseBroken
	case l.state.Suspended:
		return PhaseSuspended
	case l.flowing:
		return PhaseSynchronizing
	case l.seeding:
		return PhaseSeeding
	case l.state.Seeded:
		return PhaseNotSynchronizing
	case l.connected:
		return PhaseInitialising
	default:
		return PhaseCreated
	}
}

// Sync is the synchronization state of the copy.
func (l *Link) Sync() SyncState {
	if l.change.work == WorkRewinding {
		return Reverting
	}
	switch l.Phase() {
	case PhaseSynchronizing:
		if l.Copy() && l.commit.told || !l.Copy() && l.commit.synchronized {
			return Synchronized
		}
		return Synchronizing
	case PhaseSeeding, PhaseInitialising:
		return Initializing
	default:
		return NotSynchronizing
	}
}

// Copy reports whether the copy is on this side, as far as its storage goes.
func (l *Link) Copy() bool {
	if l.mine.Exists {
		return !l.mine.Primary
	}
	return l.opts.Dials || l.state.Reseed
}

// Role is the part this side plays: RESOLVING between a FENCE and what comes of it.
func (l *Link) Role() Role {
	switch {
	case l.Copy(), l.mine.Fenced() && l.mine.Last.Hold:
		return Secondary
	case l.mine.Last.Kind == RoleFence:
		return Resolving
	default:
		return Primary
	}
}

// Standing is how the database stands as last told, with what is stored of the link.
func (l *Link) Standing() Standing {
	s := l.mine
	s.Refused, s.Outdated, s.Synchronous = l.state.Refused, l.state.Outdated, l.opts.Synchronous
	s.Suspended = l.state.Suspended && l.state.Reason != SuspendPartner
	return s
}

// Deadline is when Tick is wanted next; zero when time changes nothing.
func (l *Link) Deadline() time.Time {
	var at time.Time
	add := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if l.ended {
		return at
	}
	add(l.change.due)
	if l.connected {
		add(l.nextBeat)
	}
	if l.connected || l.waiting {
		add(l.heard.Add(l.opts.SessionTimeout))
	} else {
		add(l.nextDial)
	}
	if !l.state.Joined && l.opts.Dials && !l.waiting {
		add(l.giveUp)
	}
	return at
}

// beat is the time between heartbeats: three may be lost before the session times out.
func (l *Link) beat() time.Duration { return l.opts.SessionTimeout / 4 }

// retry is the time before the next dial: longer with each one that failed, and with each good connection on which
// nothing moved.
func (l *Link) retry() time.Duration {
	d := firstRetry
	for range max(l.attempt, l.failures) {
		if d *= 2; d >= lastRetry {
			return lastRetry
		}
	}
	return d
}
