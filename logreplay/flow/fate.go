package flow

import (
	"fmt"
	"slices"

	"linkspan/bak"
	"linkspan/bak/chain"
)

// Fate is what becomes of a file.
type Fate string

// The fates, in the words of the Log Replay Service.
const (
	Restored     Fate = "Restored"
	Queued       Fate = "Queued"
	Skipped      Fate = "Skipped"
	Unrestorable Fate = "Unrestorable"
)

// FileState is a file's fate, with the reason where it is not restored.
type FileState struct {
	Name   string
	Fate   Fate
	Reason string
}

// file is the fate of a file: that of its sets, of which one that waits comes first.
func (p *plan) file(f *File) FileState {
	switch {
	case f.Unsettled && (f.Problem != "" || len(f.Items) == 0):
		return FileState{f.Name, Queued, "it may not be whole yet"}
	case f.Problem != "" && len(f.Items) == 0:
		return FileState{f.Name, Unrestorable, f.Problem}
	case len(f.Items) == 0:
		return FileState{f.Name, Unrestorable, "it holds no backup"}
	}
	var best FileState
	order := []Fate{Queued, Restored, Unrestorable, Skipped}
	for _, it := range f.Items {
		i := slices.IndexFunc(p.sets, func(s *chain.Set) bool { return s.Header.SetGUID == it.Header.SetGUID })
		if i < 0 {
			continue
		}
		own := p.set(p.sets[i])
		if it.Problem != "" && own.Fate == Skipped {
			own = FileState{Fate: Unrestorable, Reason: it.Problem}
		}
		if best.Fate == "" || slices.Index(order, own.Fate) < slices.Index(order, best.Fate) {
			best = own
		}
	}
	best.Name = f.Name
	return best
}

// set is the fate of a backup set.
func (p *plan) set(s *chain.Set) FileState {
	h := s.Header
	bad := func(format string, args ...any) FileState {
		return FileState{Fate: Unrestorable, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case p.done[h.SetGUID]:
		return FileState{Fate: Restored}
	case s.Problem != "" && (len(s.Parts) < s.Stripes || p.growing(s)):
		return FileState{Fate: Queued, Reason: s.Problem}
	case s.Problem != "":
		return bad("%s", s.Problem)
	case !p.mine(s):
		return bad("it is a backup of another database (%s)", h.Database)
	case p.foreign[h.SetGUID] && h.Type == bak.Log:
		return bad("the log of SQL Server is not replayed here: take full and differential backups")
	case p.beyond(s):
		return FileState{Fate: Skipped, Reason: "it is newer than the last backup"}
	case p.Database == nil:
		return p.before(s)
	}
	return p.after(s)
}

func (p *plan) growing(s *chain.Set) bool {
	return slices.ContainsFunc(s.Parts, func(q chain.Part) bool { return p.unsettled[q.File] })
}

// before is the fate of a set while nothing is restored.
func (p *plan) before(s *chain.Set) FileState {
	if p.first == nil || slices.ContainsFunc(p.first.Sets, func(o *chain.Set) bool { return o.Header.SetGUID == s.Header.SetGUID }) || p.first.Reach.Less(s.Header.LastLSN) {
		return FileState{Fate: Queued}
	}
	return FileState{Fate: Skipped, Reason: "the sequence gets there without it"}
}

// after is the fate of a set beside what is restored.
func (p *plan) after(s *chain.Set) FileState {
	h := s.Header
	switch {
	case h.Type == bak.Full:
		return FileState{Fate: Skipped, Reason: "the restore has begun with another full backup"}
	case !p.Database.End.Less(h.LastLSN):
		return FileState{Fate: Skipped, Reason: "the database holds what is in it"}
	case h.Type == bak.Differential && h.DifferentialBaseGUID != p.Database.Base:
		return FileState{Fate: Skipped, Reason: "it builds on another full backup"}
	case h.Type == bak.Log && h.RecoveryForkID != p.Database.Fork && h.FirstForkID != p.Database.Fork:
		return FileState{Fate: Unrestorable, Reason: fmt.Sprintf("it is of another recovery fork (%s)", h.RecoveryForkID)}
	}
	return FileState{Fate: Queued}
}
