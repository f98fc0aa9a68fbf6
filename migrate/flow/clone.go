package flow

import (
	"maps"
	"slices"
)

// Clone is a copy: a Step of the one changes nothing of the other. Methods that only read may be called by several goroutines
// at once, on either, until its next Step.
func (m *Migration) Clone() *Migration {
	m.index() // is shared: a scan, which alone changes it, makes its own
	c := *m
	c.Files, c.Sets, c.Chain = slices.Clone(m.Files), slices.Clone(m.Sets), slices.Clone(m.Chain)
	c.MissingLogins, c.Orphans, c.Troubles = slices.Clone(m.MissingLogins), slices.Clone(m.Orphans), maps.Clone(m.Troubles)
	return &c
}

// Indexed is m, made ready to be read by several goroutines at once.
func (m *Migration) Indexed() *Migration {
	m.index()
	return m
}

// Ended reports whether nothing will ever be done again.
func (m *Migration) Ended() bool { return m.State == Completed || m.State == Cancelled }
