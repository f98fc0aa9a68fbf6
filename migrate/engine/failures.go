package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// failures knows what failed and when it is tried again. It is memory alone: after a restart everything is tried at once.
type failures struct {
	o  Options
	mu sync.Mutex
	of map[int64]map[string]*failure // by migration and the effect's name
}

type failure struct {
	attempts int
	next     time.Time
	place    string // where it is a Trouble
	told     string // what was told there; "" when another's was
}

func newFailures(o Options) *failures { return &failures{o: o, of: map[int64]map[string]*failure{}} }

// inCutover is how long is waited at most after an error while the source is closed, or will be soon.
const inCutover = 2 * time.Second

// hurried reports whether inCutover counts.
func hurried(m *flow.Migration) bool {
	return m.State == flow.CutoverInProgress || m.State == flow.CutoverInitiated
}

// keep forgets effects that are not outstanding any more, and has the others tried soon in a cutover.
func (f *failures) keep(s *ledger.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.of[s.ID]) == 0 {
		return
	}
	due := names(s.Migration)
	soon := f.o.Clock.Now().Add(inCutover)
	for n, x := range f.of[s.ID] {
		if !due[n] {
			delete(f.of[s.ID], n)
		} else if hurried(s.Migration) && x.next.After(soon) {
			x.next = soon
		}
	}
}

// next is when an effect may be tried; the zero time when it did not fail.
func (f *failures) next(migration int64, name string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.of[migration][name]; x != nil {
		return x.next
	}
	return time.Time{}
}

// failed notes a failure, and returns the wait before the next try and whether it is to be told: a place has one Trouble, and
// one that differs in its numbers alone (ports, times) is the same.
func (f *failures) failed(s *ledger.Snapshot, name, place, text string) (wait time.Duration, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of[s.ID] == nil {
		f.of[s.ID] = map[string]*failure{}
	}
	x := f.of[s.ID][name]
	if x == nil {
		x = &failure{}
		f.of[s.ID][name] = x
	}
	wait = min(f.o.Backoff<<min(x.attempts, 20), f.o.MaxBackoff)
	if hurried(s.Migration) {
		wait = min(wait, inCutover)
	}
	x.attempts, x.next, x.place = x.attempts+1, f.o.Clock.Now().Add(wait), place
	for other, y := range f.of[s.ID] {
		if other != name && y.place == place && y.told != "" && s.Migration.Troubles[place] != "" {
			return wait, false
		}
	}
	text = plain(text)
	now := plain(s.Migration.Troubles[place])
	tell = now == "" || text != x.told && text != now
	x.told = text
	return wait, tell
}

// plain is a text without its numbers.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// worked notes that an effect worked, and returns the places of troubles that are over: those that the effect touches, or
// reported, and that nothing else reports now.
func (f *failures) worked(s *ledger.Snapshot, e flow.Effect) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := touches(e.Kind)
	if x := f.of[s.ID][name(e)]; x != nil {
		mine = append(mine, x.place)
		delete(f.of[s.ID], name(e))
	}
	var over []string
	for place := range s.Migration.Troubles {
		held := slices.Contains(mine, place)
		for _, x := range f.of[s.ID] {
			held = held && x.place != place
		}
		if held {
			over = append(over, place)
		}
	}
	return over
}

// atActivity is the place of what concerns the making of an activity's Works.
const atActivity = "activity"

// touches are the places that must have worked when an effect did.
func touches(k flow.EffectKind) []string {
	at := map[flow.EffectKind][]flow.Place{
		flow.Scan: {flow.AtShare}, flow.CopyBlock: {flow.AtShare, flow.AtStorage}, flow.SealFile: {flow.AtStorage},
		flow.TakeTail: {flow.AtSource}, flow.ReopenSource: {flow.AtSource}, flow.CompareLogins: {flow.AtSource, flow.AtTarget},
		flow.Compare: {flow.AtSource, flow.AtTarget}, flow.WriteReport: {flow.AtReport},
	}[k]
	if at == nil {
		at = []flow.Place{flow.AtTarget}
	}
	out := []string{atActivity}
	for _, p := range at {
		out = append(out, string(p))
	}
	return out
}

// about is the place of an error that names none.
func about(k flow.EffectKind) string {
	switch k {
	case flow.CopyBlock:
		return string(flow.AtStorage)
	case flow.CompareLogins, flow.Compare:
		return string(flow.AtTarget)
	}
	return touches(k)[1]
}

// report makes the events of an error. A Halt says itself that it cannot go on; where that is no answer to be had (what was
// begun is being taken back), it is a Trouble.
func report(m *flow.Migration, e flow.Effect, err error) (events []flow.Event, place string) {
	var halt *flow.Halt
	var hindrance *flow.Hindrance
	switch {
	case errors.As(err, &halt):
		place = about(e.Kind)
		if m.State == flow.Cancelling || m.State == flow.Failed {
			return []flow.Event{{Kind: flow.Trouble, Where: place, Text: halt.Error()}}, place
		}
		return []flow.Event{{Kind: flow.Broken, Where: place, Text: halt.Error()}}, place
	case errors.As(err, &hindrance):
		place = string(hindrance.At)
		err = hindrance
	default:
		place = about(e.Kind)
	}
	return []flow.Event{{Kind: flow.Trouble, Where: place, Text: err.Error()}}, place
}
