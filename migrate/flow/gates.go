package flow

import (
	"fmt"
	"slices"
	"strings"
)

// Gate is a condition of the cutover.
type Gate struct {
	// Name is one of chain-complete, logins-present, source-open, all-restored, tail-restored.
	Name string
	// Lacks says what is missing; "" when the gate holds. Start: it is needed to start a cutover, not only to apply one.
	Lacks string
	Start bool
}

// gates are listed in the order in which they are usually come through.
var gates = []struct {
	name  string
	start bool
	lacks func(*Migration) string
}{
	{"chain-complete", true, (*Migration).chainLacks},
	{"logins-present", true, (*Migration).loginsLack},
	{"source-open", true, (*Migration).sourceLacks},
	{"all-restored", false, (*Migration).restoreLacks},
	{"tail-restored", false, (*Migration).tailLacks},
}

// Gates lists the conditions of the cutover, each with what it lacks.
func (m *Migration) Gates() []Gate {
	out := make([]Gate, len(gates))
	for i, g := range gates {
		out[i] = Gate{g.name, g.lacks(m), g.start}
	}
	return out
}

// closed joins what the gates lack: those of the start, or all.
func (m *Migration) closed(all bool) string {
	var out []string
	for _, g := range m.Gates() {
		if g.Lacks != "" && (all || g.Start) {
			out = append(out, g.Name+": "+g.Lacks)
		}
	}
	return strings.Join(out, "; ")
}

func (m *Migration) chainLacks() string {
	if m.base() == nil {
		return "no full backup"
	}
	var out []string
	for _, w := range m.Waits() {
		if w.ID != "trouble" && w.ID != "file" {
			out = append(out, w.Text)
		}
	}
	return strings.Join(out, "; ")
}

func (m *Migration) loginsLack() string {
	switch {
	case !m.LoginsSeen:
		return "the logins of both sides have not been compared"
	case len(m.MissingLogins) > 0:
		return "not on the target: " + strings.Join(m.MissingLogins, ", ")
	}
	return ""
}

func (m *Migration) sourceLacks() string {
	if m.Cutover.Fence == FenceGivingBack {
		return "the source is being opened again after the last cutover"
	}
	return ""
}

func (m *Migration) restoreLacks() string {
	if b := m.base(); b == nil || !m.all(b, FileRestored) {
		return "the full backup is not restored"
	}
	if n := m.Pending(); n > 0 {
		return fmt.Sprintf("%d pending changes", n)
	}
	return ""
}

func (m *Migration) tailLacks() string {
	c := m.Cutover
	if c.TakeTail {
		switch {
		case c.Fence != FenceHeld:
			return "the tail-log backup has not been taken"
		case m.set(c.Tail) == nil:
			return "the tail-log backup is not on the share yet"
		}
	} else if !m.tailCame() && (c.LastFile == "" || c.LastFile != m.lastFile()) {
		return "no log backup WITH NORECOVERY has come in this cutover, and Confirm names no last file"
	}
	if tail := m.set(c.Tail); tail != nil && m.restored().Less(tail.Last) {
		return "the tail-log backup is not restored"
	}
	return ""
}

// tailCame reports whether a backup that closed the source came in this cutover, and is the last thing the chain holds. It
// may hold nothing new.
func (m *Migration) tailCame() bool {
	end := m.end()
	for i := min(m.Cutover.Known, len(m.Sets)); i < len(m.Sets); i++ {
		if s := &m.Sets[i]; end != nil && s.Tail && m.usable(s) && follows(s, end) && s.Last == end.Last {
			return true
		}
	}
	return false
}

// Guard is a condition of a row of the table.
type Guard struct {
	Name string
	// lacks says why it does not hold; "" when it does.
	lacks func(*Migration, Event) string
}

// when makes a guard of a condition.
func when(name string, ok func(*Migration, Event) bool) *Guard {
	return &Guard{name, func(m *Migration, e Event) string {
		if ok(m, e) {
			return ""
		}
		return "not: " + name
	}}
}

// The guards.
var (
	startGates = &Guard{"the gates of the start hold", func(m *Migration, _ Event) string { return m.closed(false) }}
	allGates   = &Guard{"every gate holds", func(m *Migration, e Event) string {
		trial := *m
		if e.Kind == Confirm && e.LastFile != "" {
			trial.Cutover.LastFile = e.LastFile
			if last := m.lastFile(); last != e.LastFile {
				return fmt.Sprintf("the last file is %s, not %s", last, e.LastFile)
			}
		}
		return trial.closed(true)
	}}
	fullHere   = when("started, the target is free, a full backup is here", func(m *Migration, _ Event) bool { return m.Started && m.Target == TargetFree && m.candidate() != nil })
	taken      = when("the name is taken", func(_ *Migration, e Event) bool { return e.Taken })
	free       = when("the name is free", func(_ *Migration, e Event) bool { return !e.Taken })
	fullLost   = when("the full backup went away", func(m *Migration, _ Event) bool { return m.base() == nil })
	fullBack   = when("the full backup was replaced", func(m *Migration, _ Event) bool { return m.base() == nil && m.candidate() != nil })
	fullStored = when("the full backup is in storage", func(m *Migration, _ Event) bool {
		return m.base() != nil && m.all(m.base(), FileUploaded, FileRestoring, FileRestored)
	})
	fullRestored = when("the full backup is restored", func(m *Migration, _ Event) bool { return m.base() != nil && m.all(m.base(), FileRestored) })
	quiet        = when("we take the tail, nothing is pending, no gap", func(m *Migration, _ Event) bool {
		c := m.Cutover
		return c.TakeTail && c.Fence == FenceNone && m.Pending() == 0 && m.chainLacks() == ""
	})
	applies = &Guard{"it is to apply by itself, every gate holds", func(m *Migration, e Event) string {
		if !m.Cutover.Apply {
			return "it waits for Confirm"
		}
		return m.closed(true)
	}}
	opened  = when("the target is open", func(m *Migration, _ Event) bool { return m.Target == TargetOpened })
	proved  = when("users mapped, sides equal, report written", func(m *Migration, _ Event) bool { return m.Mapped && m.Verified && m.Reported })
	equal   = when("the sides are equal", func(_ *Migration, e Event) bool { return e.Equal })
	unequal = when("the sides differ", func(_ *Migration, e Event) bool { return !e.Equal })
	expired = when("the longest pause is over", func(m *Migration, e Event) bool { d := m.Deadline(); return !d.IsZero() && !e.At.Before(d) })
	cleared = when("the target's copy is gone or was opened, the source is open", func(m *Migration, _ Event) bool {
		return m.Target != TargetStarted && m.Cutover.Fence != FenceGivingBack
	})
	current   = when("it answers this attempt", func(m *Migration, e Event) bool { return e.Attempt == m.Attempt })
	asksTail  = when("the tail is to be taken", func(m *Migration, _ Event) bool { return m.Cutover.Fence == FenceAsked })
	unchecked = when("started, the target was not asked", func(m *Migration, _ Event) bool { return m.Started && m.Target == TargetUnknown })
	started   = when("started", func(m *Migration, _ Event) bool { return m.Started })
	givesBack = when("the source is to be given back", func(m *Migration, _ Event) bool { return m.Cutover.Fence == FenceGivingBack })
	holdsCopy = when("a restoring database of ours is there", func(m *Migration, _ Event) bool { return m.Target == TargetStarted })
	unmapped  = when("users are not mapped", func(m *Migration, _ Event) bool { return !m.Mapped })
	unproved  = when("the sides are not compared", func(m *Migration, _ Event) bool { return !m.Verified })
	unwritten = when("compared and mapped, no report", func(m *Migration, _ Event) bool { return m.Mapped && m.Verified && !m.Reported })
)

// was is the guard that it failed in s, with the database on the target in one of the states.
func was(s State, targets ...Target) *Guard {
	name := "failed in " + string(s)
	if len(targets) > 0 && targets[0] == TargetDropped {
		name = "the target's database is gone"
		return when(name, func(m *Migration, _ Event) bool { return m.Target == TargetDropped })
	}
	return when(name, func(m *Migration, _ Event) bool {
		return m.Was == s && (len(targets) == 0 || slices.Contains(targets, m.Target))
	})
}
