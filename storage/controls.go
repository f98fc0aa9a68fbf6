package storage

import (
	"fmt"
	"slices"

	"linkspan/lsn"
)

// Earlier control records are kept beside the latest of each kind, so that a database that is rewound knows what counted
// then: at most so many, of so many bytes together.
const (
	maxEarlier      = 16
	maxEarlierBytes = 16 << 10
)

// keepControl remembers the control record, as the latest of its kind, and tells Options.Control; with dry it only says
// whether it could.
func (db *DB) keepControl(c Control, dry bool) error {
	db.controlMu.Lock()
	defer db.controlMu.Unlock()
	kinds := latestControls(db.controls)
	if len(kinds) >= maxControls && !slices.ContainsFunc(kinds, func(k Control) bool { return k.Kind == c.Kind }) {
		return fmt.Errorf("control record of kind %d: there are %d kinds already", c.Kind, maxControls)
	}
	if dry {
		return nil
	}
	if db.o.Control != nil {
		db.o.Control(c)
	}
	c.Payload = slices.Clone(c.Payload)
	db.controls = retained(append(db.controls, c))
	return nil
}

// loadControls starts with the control records of a state, and tells Options.Control the latest of each kind.
func (db *DB) loadControls(list []Control) {
	db.controlMu.Lock()
	defer db.controlMu.Unlock()
	db.controls = slices.Clone(list)
	if db.o.Control != nil {
		for _, c := range latestControls(list) {
			db.o.Control(c)
		}
	}
}

// retained drops the oldest of those that are not the latest of their kind, as far as they are too many.
func retained(list []Control) []Control {
	latest := map[uint16]lsn.LSN{}
	for _, c := range list {
		latest[c.Kind] = c.LSN
	}
	n, size := 0, 0
	out := make([]Control, 0, len(list))
	for _, c := range slices.Backward(list) {
		if latest[c.Kind] != c.LSN {
			n, size = n+1, size+len(c.Payload)
			if n > maxEarlier || size > maxEarlierBytes {
				continue
			}
		}
		out = append(out, c)
	}
	slices.Reverse(out)
	return out
}

// latestControls returns the last record of each kind in the list, in order.
func latestControls(list []Control) []Control {
	last := map[uint16]int{}
	for i, c := range list {
		last[c.Kind] = i
	}
	var out []Control
	for i, c := range list {
		if last[c.Kind] == i {
			out = append(out, c)
		}
	}
	return out
}

// upTo returns the records of the list at or before the LSN.
func upTo(list []Control, at lsn.LSN) []Control {
	var out []Control
	for _, c := range list {
		if !at.Less(c.LSN) {
			out = append(out, c)
		}
	}
	return out
}

// controlsUpTo returns the control records kept that are at or before the LSN.
func (db *DB) controlsUpTo(at lsn.LSN) []Control {
	db.controlMu.Lock()
	defer db.controlMu.Unlock()
	return upTo(db.controls, at)
}

// Controls returns the latest control record of each kind, appended here or received, in the order of the log. The result
// is the caller's.
func (db *DB) Controls() []Control {
	db.controlMu.Lock()
	defer db.controlMu.Unlock()
	out := latestControls(db.controls)
	for i := range out {
		out[i].Payload = slices.Clone(out[i].Payload)
	}
	return out
}
