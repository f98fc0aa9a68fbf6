package agcore

import "linkspan/lsn"

// commit is whether commits wait for the copy. On the way to SYNCHRONIZED the copy first reaches what the primary had
// when the log began to flow; then commits begin to wait; then the copy reaches what the primary had when they did.
type commit struct {
	together     bool
	synchronized bool
	// begun: the log began to flow, and goal is what the copy has to reach next. fresh: commits wait already, and the goal
	// is still to be told.
	begun bool
	fresh bool
	goal  lsn.LSN
	// reached is what the copy has hardened as last told.
	reached lsn.LSN
	// told, on the copy: the primary says that we are synchronized; mode: that commits wait for us.
	told, mode bool
}

// from notes that log flows from a primary whose hardened log ends at end.
func (c *commit) from(end lsn.LSN) {
	c.begun, c.synchronized = true, false // what the copy was told may be ahead of the flow
	c.goal, c.fresh, c.reached = end, c.together, lsn.Zero
}

// sync is synchronous commit.
func (l *Link) sync(e Event) []Action {
	switch e.Kind {
	case ModeSet:
		l.opts.Synchronous = e.On
		return l.modeSet()
	case PeerState:
		l.commit.mode, l.commit.told = e.On, e.Final
	case Progressed:
		return l.progressed(e)
	}
	return nil
}

// Together reports whether commits wait for the copy, as the actions said last.
func (l *Link) Together() bool { return l.commit.together }

// SetRequired changes LinkOptions.Required; a ModeSet follows.
func (l *Link) SetRequired(on bool) { l.opts.Required = on }

func (l *Link) modeSet() []Action {
	switch {
	case l.Copy():
		return nil
	case !l.opts.Synchronous:
		l.commit.synchronized = false
		return append(l.goAlone(), l.tellState()...)
	case l.opts.Required && !l.commit.together:
		return append(l.hold(), l.tellState()...)
	case !l.opts.Required && l.commit.together && !l.flowing:
		return append(l.goAlone(), l.tellState()...)
	case l.commit.together:
		return l.tellState()
	default: // an idle copy says nothing new
		return append(l.tellState(), l.progressed(Event{LSN: l.commit.reached})...)
	}
}

// hold lets commits wait, if they are to wait even without a copy.
func (l *Link) hold() []Action {
	if !l.opts.Synchronous || !l.opts.Required || l.commit.together || l.Copy() {
		return nil
	}
	l.commit.together, l.commit.fresh = true, true
	return []Action{{Kind: CommitTogether}}
}

// progressed: the copy has hardened up to e.LSN.
func (l *Link) progressed(e Event) []Action {
	c := &l.commit
	c.reached = e.LSN
	switch {
	case l.Copy() || !l.flowing || !c.begun || !l.opts.Synchronous || c.synchronized:
		return nil
	case c.fresh:
		c.goal, c.fresh = lsn.Latest(c.goal, e.End), false
	}
	switch {
	case e.LSN.Less(c.goal):
		return nil
	case !c.together:
		c.together, c.fresh = true, true
		return []Action{{Kind: CommitTogether}}
	}
	c.synchronized = true
	return l.tellState()
}

// alone: nothing flows. Commits go on without the copy, unless one is required. Those that wait on a primary that was
// outlived go on waiting: they are about to be taken back, and nobody may be told that they are safe.
func (l *Link) alone() []Action {
	c := &l.commit
	c.begun, c.synchronized, c.told = false, false, false
	return l.goAlone()
}

func (l *Link) goAlone() []Action {
	if !l.Copy() && (l.opts.Required && l.opts.Synchronous || l.state.Outdated > l.mine.Last.opened()) {
		return nil
	}
	return l.release()
}

// release lets those go that wait for the copy.
func (l *Link) release() []Action {
	if !l.commit.together {
		return nil
	}
	l.commit.together = false
	return []Action{{Kind: CommitAlone}}
}

func (l *Link) tellState() []Action {
	if !l.connected || l.Copy() {
		return nil
	}
	return []Action{{Kind: SendState, On: l.opts.Synchronous, Final: l.commit.synchronized}}
}
