package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Refusal is why something that was asked cannot be. Nothing has changed.
type Refusal struct {
	State State
	Asked EventKind
	// Lacks is what is missing, gate by gate.
	Lacks string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s is refused in state %s: %s", r.Asked, r.State, r.Lacks)
}

// Step takes an event in, and returns the effects that are outstanding now and were not before. The error is a *Refusal.
// The caller MUST store m before it carries an effect out, and MUST carry out the effects of one migration's target and
// source one after another.
func (m *Migration) Step(e Event) ([]Effect, error) {
	before := map[string]bool{}
	for _, x := range m.Outstanding() {
		before[x.Key] = true
	}
	row, lacks := m.find(e.Kind, e)
	if row == nil {
		if asked[e.Kind] {
			return nil, &Refusal{m.State, e.Kind, lacks}
		}
		return nil, nil
	}
	for ; row != nil; row, _ = m.find(always, e) {
		row.do(m, e)
		if row.To != "" {
			m.State = row.To
		}
	}
	var began []Effect
	for _, x := range m.Outstanding() {
		if !before[x.Key] {
			began = append(began, x)
		}
	}
	return began, nil
}

// find is the first row that fits; when there is none, what the rows for this event lack.
func (m *Migration) find(on EventKind, e Event) (*Row, string) {
	var lacks []string
	for i := range rows {
		r := &rows[i]
		if r.On != on || !slices.Contains(r.From, m.State) {
			continue
		}
		why := ""
		for _, g := range r.If {
			if why = g.lacks(m, e); why != "" {
				break
			}
		}
		if why == "" {
			return r, ""
		}
		lacks = append(lacks, why)
	}
	if len(lacks) == 0 {
		return nil, m.cannot(on)
	}
	return nil, strings.Join(lacks, "; ")
}

// cannot says why there is no row at all.
func (m *Migration) cannot(on EventKind) string {
	if on == Cancel {
		for _, s := range States {
			if s.State == m.State {
				return strings.TrimPrefix(s.Cancel, "refused: ")
			}
		}
	}
	var from []string
	for _, r := range rows {
		if r.On != on {
			continue
		}
		for _, s := range r.From {
			if !slices.Contains(from, string(s)) {
				from = append(from, string(s))
			}
		}
	}
	return "it can be asked in " + strings.Join(from, ", ")
}

func nothing(*Migration, Event) {}

func failedFor(reason string) func(*Migration, Event) {
	return func(m *Migration, e Event) { e.Text = reason; failed(m, e) }
}

// failed notes the reason. A source that was closed for a cutover that cannot come is given back.
func failed(m *Migration, e Event) {
	m.Was, m.Reason = m.State, e.Text
	if m.Target != TargetOpened {
		m.giveBack()
	}
}

func (m *Migration) giveBack() {
	if f := m.Cutover.Fence; f == FenceAsked || f == FenceHeld {
		m.Cutover.Fence = FenceGivingBack
	}
}

func targetGone(m *Migration, e Event) {
	e.Text = "the restoring database was deleted on the target; Retry restores again from what is in storage"
	m.Target = TargetDropped
	failed(m, e)
}

func acceptNoChecksum(m *Migration, _ Event) {
	m.Options.AcceptNoChecksum = true
	if len(m.Chain) > 0 {
		m.plan()
	}
}

func blockStored(m *Migration, e Event) {
	f := m.file(e.File, e.Version)
	if f == nil || f.State != FileQueued && f.State != FileUploading || e.Done <= f.Done || e.Done > f.Size {
		return
	}
	f.State, f.Done = FileUploading, e.Done
}

func fileSealed(m *Migration, e Event) {
	f := m.file(e.File, e.Version)
	if f == nil || f.State != FileQueued && f.State != FileUploading || f.Done < f.Size {
		return
	}
	f.State = FileUploaded
}

func beginRestore(m *Migration, _ Event) { m.Target, m.Attempt = TargetStarted, m.Attempt+1 }

// restoreSeen believes the target: a file that it does not show as restored any more has to be restored again. What comes
// before a restored set in the chain is applied, whether the target took it or one that reaches farther.
func restoreSeen(m *Migration, e Event) {
	r := e.Restore
	restored := make(map[string]bool, len(r.Restored))
	for _, id := range r.Restored {
		restored[id] = true
	}
	for i := len(m.Chain) - 1; i > 0; i-- {
		if restored[m.Chain[i]] {
			restored[m.Chain[i-1]] = true
		}
	}
	for i := range m.Files {
		f := &m.Files[i]
		if f.Bad || f.State != FileUploaded && f.State != FileRestoring && f.State != FileRestored {
			continue
		}
		switch {
		case restored[f.Set]:
			f.State = FileRestored
		case f.Set == r.Restoring:
			f.State = FileRestoring
		default:
			f.State = FileUploaded
		}
	}
	for i := range m.Sets {
		s := &m.Sets[i]
		s.Unusable = ""
		if s.ID == r.Unusable && !restored[s.ID] {
			s.Unusable = r.Why
		}
	}
	if r.Opened && m.State == CutoverInitiated {
		m.Target = TargetOpened
	}
}

func startCutover(m *Migration, e Event) {
	m.Cutover = Cutover{Number: m.Cutover.Number + 1, TakeTail: e.TakeTail, Apply: e.Apply, MaxPause: e.MaxPause, Known: len(m.Sets)}
	m.Reason = ""
	if !e.TakeTail {
		m.Cutover.PausedAt = e.At
	}
}

func askTail(m *Migration, e Event) { m.Cutover.Fence, m.Cutover.PausedAt = FenceAsked, e.At }

func tailTaken(m *Migration, e Event) { m.Cutover.Fence, m.Cutover.Tail = FenceHeld, e.Set }

func givenUp(why string) func(*Migration, Event) {
	return func(m *Migration, _ Event) {
		m.Reason = why
		if !m.Cutover.TakeTail {
			m.Reason += "; if your tail-log backup closed the source, open it: RESTORE DATABASE … WITH RECOVERY"
		}
		m.giveBack()
	}
}

// confirmed notes the file behind which the target opens.
func confirmed(m *Migration, _ Event) { m.Cutover.LastFile = m.lastFile() }

func trouble(m *Migration, e Event) {
	if m.Troubles == nil {
		m.Troubles = map[string]string{}
	}
	m.Troubles[e.Where] = e.Text
}

func cancelled(m *Migration, _ Event) {
	m.giveBack()
	for i := range m.Files {
		if f := &m.Files[i]; f.State != FileRestored && f.State != FileIgnored {
			f.State, f.Reason = FileCancelled, "the migration was cancelled"
		}
	}
	m.Troubles = nil
}

func retried(m *Migration, _ Event) {
	if m.Was == Initial {
		m.Target = TargetUnknown
	}
	m.Was, m.Reason, m.Troubles = "", "", nil
}

// restoreAgain begins the restore anew; nothing is copied twice.
func restoreAgain(m *Migration, e Event) {
	retried(m, e)
	for i := range m.Files {
		if f := &m.Files[i]; f.State == FileRestored || f.State == FileRestoring {
			f.State = FileUploaded
		}
	}
	beginRestore(m, e)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
