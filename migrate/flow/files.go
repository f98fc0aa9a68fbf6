package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"linkspan/lsn"
)

// Kind is the kind of a backup set.
type Kind string

// The kinds that a migration takes.
const (
	Full         Kind = "full"
	Differential Kind = "differential"
	Log          Kind = "log"
)

// Set is one backup set as its header tells.
type Set struct {
	// ID is the set's id in the header; stripes share it.
	ID       string `json:"id"`
	Kind     Kind   `json:"kind"`
	Database string `json:"database"`
	// First and Last are the header's FirstLSN and LastLSN.
	First lsn.LSN `json:"first"`
	Last  lsn.LSN `json:"last"`
	// Base is the id of the full that a differential builds on.
	Base string `json:"base,omitempty"`
	// Fork is the recovery fork at its end; when it began on another one, that is FirstFork, left at ForkPoint.
	Fork      string  `json:"fork,omitempty"`
	FirstFork string  `json:"firstFork,omitempty"`
	ForkPoint lsn.LSN `json:"forkPoint,omitzero"`
	// Checksum: made WITH CHECKSUM. Tail: the backup left the source restoring (WITH NORECOVERY).
	Checksum bool      `json:"checksum"`
	Tail     bool      `json:"tail,omitempty"`
	Stripes  int       `json:"stripes"`
	Finished time.Time `json:"finished,omitzero"`
	// Unusable is why the target cannot restore it, in its words.
	Unusable string `json:"unusable,omitempty"`
}

// File is one file of the source in one version.
type File struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Size    int64  `json:"size"`
	// Set is the id of the set of which this is stripe Sequence; "" when it holds none that can be used.
	Set      string    `json:"set,omitempty"`
	Sequence int       `json:"sequence,omitempty"`
	State    FileState `json:"state"`
	// Done are the bytes that are in storage.
	Done int64 `json:"done,omitempty"`
	// Reason says why it is Ignored or Cancelled; Bad: nothing that comes can change that.
	Reason string `json:"reason,omitempty"`
	Bad    bool   `json:"bad,omitempty"`
}

// set finds a set by its id; nil when it is not known.
func (m *Migration) set(id string) *Set {
	if i, ok := m.index().sets[id]; ok {
		return &m.Sets[i]
	}
	return nil
}

// places finds sets and files by id and name; it is made anew when they come or go. Weeks of logs are tens of thousands.
type places struct {
	sets  map[string]int
	files map[string][]int // by set
	names map[[2]string]int
}

func (m *Migration) index() *places {
	if m.at != nil && len(m.at.sets) == len(m.Sets) && len(m.at.names) == len(m.Files) {
		return m.at
	}
	p := &places{map[string]int{}, map[string][]int{}, map[[2]string]int{}}
	for i := range m.Sets {
		p.sets[m.Sets[i].ID] = i
	}
	for i := range m.Files {
		f := &m.Files[i]
		p.files[f.Set] = append(p.files[f.Set], i)
		p.names[[2]string{f.Name, f.Version}] = i
	}
	m.at = p
	return p
}

// file finds a file in a version; nil when it is not known.
func (m *Migration) file(name, version string) *File {
	if i, ok := m.index().names[[2]string{name, version}]; ok {
		return &m.Files[i]
	}
	return nil
}

// parts are the files of a set that count, by stripe; nil where one is missing.
func (m *Migration) parts(s *Set) []*File {
	out := make([]*File, max(s.Stripes, 1))
	for _, i := range m.index().files[s.ID] {
		f := &m.Files[i]
		if !f.Bad && f.State != FileCancelled && f.Sequence >= 1 && f.Sequence <= len(out) {
			out[f.Sequence-1] = f
		}
	}
	return out
}

// lacking are the stripes of a set that are not here.
func (m *Migration) lacking(s *Set) []int {
	var out []int
	for i, f := range m.parts(s) {
		if f == nil {
			out = append(out, i+1)
		}
	}
	return out
}

// all reports whether every stripe is here in one of the states.
func (m *Migration) all(s *Set, states ...FileState) bool {
	for _, f := range m.parts(s) {
		if f == nil || !slices.Contains(states, f.State) {
			return false
		}
	}
	return true
}

// scan takes in what is in the source now.
func (m *Migration) scan(seen []Seen) {
	now := make(map[string]string, len(seen))
	for _, s := range seen {
		now[s.Name] = s.Version
	}
	m.forget(now)
	for _, s := range seen {
		if !s.Growing {
			m.take(s)
		}
	}
	m.judge()
	if len(m.Chain) > 0 {
		m.plan()
	}
}

// forget takes files back that went away or were replaced before they were stored whole. What is in storage stays, but for
// what the target could not restore.
func (m *Migration) forget(now map[string]string) {
	keep := m.Files[:0:0]
	for _, f := range m.Files {
		version, there := now[f.Name]
		if there && version == f.Version {
			keep = append(keep, f)
			continue
		}
		why := "it was deleted from the source before it was copied whole"
		if there {
			why = "it was replaced by another file of this name before it was copied whole"
		}
		stored := f.State == FileUploaded || f.State == FileRestoring
		switch s := m.set(f.Set); {
		case f.State == FileArrived || f.State == FileIgnored:
			continue
		case f.State == FileQueued || f.State == FileUploading:
			m.cut(f.Set)
		case stored && there && s != nil && s.Unusable != "":
			s.Unusable, why = "", "the target cannot restore it, and another file of this name came"
			m.cut(f.Set)
		default:
			keep = append(keep, f)
			continue
		}
		f.State, f.Done, f.Reason = FileCancelled, 0, why
		keep = append(keep, f)
	}
	m.release(keep)
}

// release keeps the files, and puts those that the chain has let go back to Arrived.
func (m *Migration) release(files []File) {
	m.Files, m.at = files, nil
	in := make(map[string]bool, len(m.Chain))
	for _, id := range m.Chain {
		in[id] = true
	}
	for i := range m.Files {
		f := &m.Files[i]
		if (f.State == FileQueued || f.State == FileUploading) && !in[f.Set] {
			f.State = FileArrived
		}
	}
}

// cut takes a set, and what follows it, out of the chain.
func (m *Migration) cut(id string) {
	if i := slices.Index(m.Chain, id); i >= 0 {
		m.Chain = m.Chain[:i]
	}
}

// take adds one file, or lets one go on that came back.
func (m *Migration) take(s Seen) {
	if f := m.file(s.Name, s.Version); f != nil {
		if f.State == FileCancelled {
			f.State, f.Reason = FileArrived, ""
		}
		return
	}
	f := File{Name: s.Name, Version: s.Version, Size: s.Size, State: FileArrived}
	if f.Reason = m.unusable(s); f.Reason != "" {
		f.State, f.Bad = FileIgnored, true
	} else {
		set := s.Sets[0]
		set.Stripes = max(s.Stripes, 1)
		f.Set, f.Sequence = set.ID, max(s.Sequence, 1)
		if m.set(set.ID) == nil {
			m.index().sets[set.ID] = len(m.Sets)
			m.Sets = append(m.Sets, set)
		}
		if parts := m.parts(m.set(set.ID)); f.Sequence > len(parts) {
			f.State, f.Bad, f.Reason = FileIgnored, true, fmt.Sprintf("it says it is stripe %d of %d", f.Sequence, len(parts))
		} else if other := parts[f.Sequence-1]; other != nil {
			f.State, f.Bad, f.Reason = FileIgnored, true, "it is the same backup as "+other.Name
		}
	}
	p := m.index()
	p.files[f.Set] = append(p.files[f.Set], len(m.Files))
	p.names[[2]string{f.Name, f.Version}] = len(m.Files)
	m.Files = append(m.Files, f)
}

// unusable says why a file cannot be used, whatever else comes.
func (m *Migration) unusable(s Seen) string {
	switch {
	case s.Problem != "":
		return s.Problem
	case len(s.Sets) == 0:
		return "it holds no backup"
	case len(s.Sets) > 1:
		return fmt.Sprintf("it holds %d backup sets: write each backup to a file of its own", len(s.Sets))
	}
	set := s.Sets[0]
	switch {
	case !strings.EqualFold(set.Database, m.Options.Database):
		return fmt.Sprintf("it is a backup of database %q", set.Database)
	case set.Kind != Full && set.Kind != Differential && set.Kind != Log:
		return fmt.Sprintf("backups of kind %q are not taken: full, differential and log backups are", set.Kind)
	case set.Last.Less(set.First):
		return "its header is damaged: LastLSN comes before FirstLSN"
	}
	return ""
}
