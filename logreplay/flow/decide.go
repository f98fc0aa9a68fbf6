package flow

import (
	"fmt"
	"slices"
	"strings"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/lsn"
)

// File is one file of the folder, as far as its headers were read.
type File struct {
	Name string
	// Items are the backup sets in it.
	Items []chain.Item
	// Problem says why it could not be read; "" when it could.
	Problem string
	// Unsettled tells that it has changed of late: a problem may be that it is not whole yet.
	Unsettled bool
}

// Database is how far a database has been restored.
type Database struct {
	// End is where what was restored ends; Base the id of the full backup it began with, Fork the recovery fork it is on.
	End        lsn.LSN
	Base, Fork bak.GUID
}

// State is all there is to decide on.
type State struct {
	Files []File
	// Database is nil before the first full backup is restored.
	Database *Database
	// Done are the ids of the sets restored so far.
	Done []bak.GUID
	// Last is the file after which the database is opened; "" means that more is waited for. With Closed the folder is whole
	// from the beginning: what is missing, or newer than Last, is a failure.
	Last   string
	Closed bool
}

// Decision is what is to be done. At most one of Next, Recover and Fault is set; with none of them the replay waits.
type Decision struct {
	// Next is the set to restore.
	Next *chain.Set
	// Recover opens the database: everything up to the last backup was restored.
	Recover bool
	// Fault ends the replay.
	Fault string
	// Block says what is waited for, "" when merely for the next file.
	Block string
	// Missed are sets that the database holds already without being among Done: what was restored just before a crash.
	Missed []*chain.Set
	// Files are in the order of State.Files.
	Files []FileState
	// Queue are the sets that wait, in the order of their LSNs.
	Queue []*chain.Set
}

// Decide tells what is to be done.
func Decide(s State) Decision {
	p := newPlan(s)
	var d Decision
	d.Missed = p.missed()
	for _, m := range d.Missed {
		p.done[m.Header.SetGUID] = true
	}
	p.choose(&d)
	for i := range s.Files {
		d.Files = append(d.Files, p.file(&s.Files[i]))
	}
	for _, set := range p.sets {
		if set != d.Next && p.set(set).Fate == Queued && set.Problem == "" {
			d.Queue = append(d.Queue, set)
		}
	}
	return d
}

// plan is a State taken apart.
type plan struct {
	State
	sets []*chain.Set // by LastLSN
	done map[bak.GUID]bool
	// foreign are the sets that SQL Server wrote.
	foreign map[bak.GUID]bool
	// unsettled are files that may not be whole yet.
	unsettled map[string]bool
	// target is the set of the file Last; nil when it is not there.
	target *chain.Set
	// family is the database's, when it is known.
	family bak.GUID
	// first is the sequence that begins the restore, while there is no database.
	first *chain.Plan
}

func newPlan(s State) *plan {
	p := &plan{State: s, done: map[bak.GUID]bool{}, foreign: map[bak.GUID]bool{}, unsettled: map[string]bool{}}
	for _, id := range s.Done {
		p.done[id] = true
	}
	var items []chain.Item
	for _, f := range s.Files {
		p.unsettled[f.Name] = f.Unsettled
		for _, it := range f.Items {
			items = append(items, it)
			p.foreign[it.Header.SetGUID] = it.Family.Software != bak.SoftwareLinkspan
		}
	}
	p.sets = setsOf(chain.Find(items, chain.Options{}))
	for _, set := range p.sets {
		if slices.ContainsFunc(set.Parts, func(q chain.Part) bool { return strings.EqualFold(q.File, s.Last) }) {
			p.target = set // the last one of a file with several
		}
		if s.Database != nil && set.Header.SetGUID == s.Database.Base {
			p.family = set.Header.FamilyGUID
		}
	}
	if p.target != nil && p.family.IsZero() {
		p.family = p.target.Header.FamilyGUID
	}
	return p
}

// setsOf lists every set once, by where it ends.
func setsOf(r *chain.Result) []*chain.Set {
	var all []*chain.Set
	seen := map[bak.GUID]bool{}
	add := func(s *chain.Set) {
		if !seen[s.Header.SetGUID] {
			seen[s.Header.SetGUID] = true
			all = append(all, s)
		}
	}
	for _, l := range r.Lives {
		if l.Plan != nil {
			for _, s := range l.Plan.Sets {
				add(s)
			}
		}
		for _, o := range l.Outside {
			add(o.Set)
		}
	}
	slices.SortStableFunc(all, func(a, b *chain.Set) int {
		if c := a.Header.LastLSN.Compare(b.Header.LastLSN); c != 0 {
			return c
		}
		return a.Header.Finished.Compare(b.Header.Finished)
	})
	return all
}

// missed are the sets that the database shows to hold.
func (p *plan) missed() []*chain.Set {
	if p.Database == nil {
		return nil
	}
	var base, last *chain.Set
	known := false
	for _, s := range p.sets {
		switch id := s.Header.SetGUID; {
		case id == p.Database.Base && !p.done[id]:
			base = s
		case s.Header.LastLSN == p.Database.End && p.mine(s) && s.Problem == "" && s.Header.Type != bak.Full:
			known = known || p.done[id]
			last = s
		}
		known = known || s.Header.SetGUID == p.Database.Base && s.Header.LastLSN == p.Database.End
	}
	var out []*chain.Set
	if base != nil {
		out = append(out, base)
	}
	if last != nil && !known {
		out = append(out, last)
	}
	return out
}

// mine reports whether a set is of the database that is restored, as far as that is known.
func (p *plan) mine(s *chain.Set) bool { return p.family.IsZero() || s.Header.FamilyGUID == p.family }

// beyond reports whether a set ends behind the last backup.
func (p *plan) beyond(s *chain.Set) bool {
	return p.target != nil && p.mine(s) && p.target.Header.LastLSN.Less(s.Header.LastLSN)
}

// usable reports whether a set may be restored at some time.
func (p *plan) usable(s *chain.Set) bool {
	return s.Problem == "" && p.mine(s) && !p.beyond(s) && !(p.foreign[s.Header.SetGUID] && s.Header.Type == bak.Log)
}

func (p *plan) choose(d *Decision) {
	if p.Last != "" && p.target == nil {
		p.absent(d, fmt.Sprintf("the last backup %s is not in the folder", p.Last))
		return
	}
	if p.target != nil && p.target.Problem != "" {
		p.absent(d, fmt.Sprintf("the last backup %s cannot be restored: %s", p.Last, p.target.Problem))
		return
	}
	if p.Database == nil {
		p.begin(d)
	} else {
		p.goOn(d)
	}
}

// absent blocks, or ends the replay when nothing more will come.
func (p *plan) absent(d *Decision, why string) {
	for _, u := range p.unsettled {
		if u {
			d.Block = why
			return
		}
	}
	if p.Closed {
		d.Fault = why
		return
	}
	d.Block = why
}

// begin finds the full backup to begin with.
func (p *plan) begin(d *Decision) {
	if names := p.databases(); len(names) > 1 {
		p.absent(d, fmt.Sprintf("the folder holds backups of %d databases (%s): a log replay takes a folder with one", len(names), strings.Join(names, ", ")))
		return
	}
	if p.Closed {
		for _, s := range p.sets {
			if p.beyond(s) && s.Problem == "" {
				d.Fault = fmt.Sprintf("%s is newer than the last backup %s: take it out of the folder, or name it as the last", s.Files()[0], p.Last)
				return
			}
		}
	}
	var items []chain.Item
	for _, f := range p.Files {
		for _, it := range f.Items {
			if i := slices.IndexFunc(p.sets, func(s *chain.Set) bool { return s.Header.SetGUID == it.Header.SetGUID }); i >= 0 && p.usable(p.sets[i]) {
				items = append(items, it)
			}
		}
	}
	for _, l := range chain.Find(items, chain.Options{}).Lives {
		if l.Plan != nil && (p.first == nil || p.first.Reach.Less(l.Plan.Reach)) {
			p.first = l.Plan
		}
	}
	switch {
	case p.first == nil && len(p.sets) == 0:
		p.absent(d, "there is no backup in the folder")
	case p.first == nil:
		p.absent(d, "there is no full backup that can be restored")
	case p.target != nil && p.Closed && p.first.Reach.Less(p.target.Header.LastLSN):
		p.absent(d, fmt.Sprintf("the chain to %s is broken at LSN %s: a log backup is missing that begins there or before", p.Last, p.first.Reach.Decimal()))
	default:
		d.Next = p.first.Sets[0]
	}
}

// databases are the names of those that have a usable full backup here.
func (p *plan) databases() []string {
	families, names := map[bak.GUID]bool{}, []string(nil)
	for _, s := range p.sets {
		if h := s.Header; p.usable(s) && h.Type == bak.Full && !families[h.FamilyGUID] {
			families[h.FamilyGUID] = true
			names = append(names, h.Database)
		}
	}
	slices.Sort(names)
	return names
}

// goOn finds what follows what was restored.
func (p *plan) goOn(d *Decision) {
	end := p.Database.End
	if p.target != nil {
		switch last := p.target.Header.LastLSN; {
		case last == end:
			d.Recover = true
			return
		case last.Less(end):
			d.Fault = fmt.Sprintf("the last backup %s ends at LSN %s, the database is at %s already", p.Last, last.Decimal(), end.Decimal())
			return
		}
	}
	var log, diff *chain.Set
	for _, s := range p.sets { // by LastLSN: the last that applies reaches farthest
		if !p.usable(s) || p.done[s.Header.SetGUID] {
			continue
		}
		switch {
		case !end.Less(s.Header.LastLSN):
		case s.Header.Type == bak.Log && !end.Less(s.Header.FirstLSN) && p.onFork(s.Header):
			log = s
		case s.Header.Type == bak.Differential && s.Header.DifferentialBaseGUID == p.Database.Base:
			diff = s
		}
	}
	switch {
	case diff != nil && (log == nil || log.Header.LastLSN.Less(diff.Header.LastLSN)):
		d.Next = diff
	case log != nil:
		d.Next = log
	default:
		p.wait(d)
	}
}

// onFork reports whether a log belongs to the recovery fork that the database is on, or forked from it later.
func (p *plan) onFork(h *bak.Header) bool {
	return h.RecoveryForkID == p.Database.Fork || h.FirstForkID == p.Database.Fork && !h.ForkPoint.Less(p.Database.End)
}

// wait says what is missing before the files that are there.
func (p *plan) wait(d *Decision) {
	for _, s := range p.sets {
		h := s.Header
		if h.Type == bak.Log && p.usable(s) && p.onFork(h) && p.Database.End.Less(h.FirstLSN) {
			p.absent(d, fmt.Sprintf("the log from LSN %s to %s is missing: a log backup that begins at %s or before, and comes before %s",
				p.Database.End.Decimal(), h.FirstLSN.Decimal(), p.Database.End.Decimal(), s.Files()[0]))
			return
		}
	}
	for _, s := range p.sets {
		if s.Problem != "" && p.mine(s) && !p.done[s.Header.SetGUID] && p.Database.End.Less(s.Header.LastLSN) {
			p.absent(d, fmt.Sprintf("%s cannot be restored: %s", s.Files()[0], s.Problem))
			return
		}
	}
	if p.target != nil {
		p.absent(d, fmt.Sprintf("nothing leads from LSN %s to the last backup %s, which ends at %s", p.Database.End.Decimal(), p.Last, p.target.Header.LastLSN.Decimal()))
	}
}
