package flow

import (
	"maps"
	"slices"
)

// Clone is a copy that shares nothing with m. Its methods that only read may be called by several goroutines at once until
// its next Step.
func (m *Migration) Clone() *Migration {
	c := *m
	c.at = nil
	c.Files, c.Sets, c.Chain = slices.Clone(m.Files), slices.Clone(m.Sets), slices.Clone(m.Chain)
	c.MissingLogins, c.Orphans, c.Troubles = slices.Clone(m.MissingLogins), slices.Clone(m.Orphans), maps.Clone(m.Troubles)
	c.index()
	return &c
}

// Ended reports whether nothing will ever be done again.
func (m *Migration) Ended() bool { return m.State == Completed || m.State == Cancelled }
