package chain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
)

// Draw writes the result for a person: for each database what can be restored, with which files in which order, what is
// missing and what is not needed.
func (r *Result) Draw(w io.Writer) error {
	d := &drawing{w: w}
	for i, l := range r.Lives {
		if i > 0 {
			d.line("")
		}
		d.life(l)
	}
	if len(r.Lives) == 0 {
		d.line("no backup sets")
	}
	return d.err
}

type drawing struct {
	w   io.Writer
	err error
}

func (d *drawing) line(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format+"\n", args...)
	}
}

func (d *drawing) life(l *Life) {
	title := fmt.Sprintf("%s on %s, recovery model %s, recovery fork %s", l.Database, l.Server, l.Model, l.Fork)
	if !l.Current {
		title += " (an older life of the database)"
	}
	d.line("%s", title)
	switch {
	case l.Plan == nil:
		d.line("  ✗ nothing can be restored: %s", l.Broken)
	case l.Broken != "":
		d.line("  ✗ broken: %s", l.Broken)
		d.line("  what can be restored, to LSN %s, %s:", l.Plan.Reach.Decimal(), stamp(l.Plan.At))
	default:
		d.line("  ✓ restores to LSN %s, %s, with %d %s:", l.Plan.Reach.Decimal(), stamp(l.Plan.At), len(l.Plan.Sets), plural(len(l.Plan.Sets), "set"))
	}
	if l.Note != "" {
		d.line("  note: %s", l.Note)
	}
	d.plan(l)
	for _, g := range l.Gaps {
		d.line("  ✗ gap %s", g)
	}
	d.windows(l)
	if !l.NextLog.IsZero() {
		d.line("  the next log backup must begin at LSN %s or before", l.NextLog.Decimal())
	}
	d.outside(l)
}

func (d *drawing) plan(l *Life) {
	if l.Plan == nil {
		return
	}
	end := lsn.Zero
	for i, s := range l.Plan.Sets {
		h := s.Header
		branch := "├─"
		switch {
		case i == 0:
			branch = "●─"
		case i == len(l.Plan.Sets)-1:
			branch = "└─"
		}
		from := h.FirstLSN
		if h.Type == bak.Log && !end.IsZero() && from.Less(end) {
			from = end
		}
		d.line("    %s %-12s %s  %s → %s  %s", branch, kind(h.Type), stamp(h.Finished), from.Decimal(), h.LastLSN.Decimal(), partNames(s))
		end = lsn.Latest(end, h.LastLSN)
	}
}

// partNames lists the files of a set, with FILE = n where a file holds several.
func partNames(s *Set) string {
	names := make([]string, len(s.Parts))
	for i, p := range s.Parts {
		names[i] = p.File
		if p.Position > 1 {
			names[i] += fmt.Sprintf(" (FILE = %d)", p.Position)
		}
	}
	return strings.Join(names, " + ")
}

// String describes the gap: LSN range, time window and what closes it.
func (g Gap) String() string {
	s := ""
	switch {
	case g.From.IsZero():
		s = "before LSN " + g.To.Decimal()
	case g.From == g.To:
		s = "at LSN " + g.From.Decimal()
	default:
		s = fmt.Sprintf("from LSN %s to %s", g.From.Decimal(), g.To.Decimal())
	}
	switch {
	case !g.After.IsZero() && !g.Before.IsZero():
		s += fmt.Sprintf(", written between %s and %s", stamp(g.After), stamp(g.Before))
	case !g.Before.IsZero():
		s += ", before " + stamp(g.Before)
	}
	return s + ": missing " + g.Closes
}

func (d *drawing) windows(l *Life) {
	for _, w := range l.Windows {
		if w.From == w.To || !w.Continuous {
			d.line("  can be restored to %s", stamp(w.To))
			continue
		}
		d.line("  any moment from %s to %s can be restored", stamp(w.From), stamp(w.To))
	}
}

func (d *drawing) outside(l *Life) {
	for _, o := range l.Outside {
		mark := "unused"
		if !o.Usable {
			mark = "unusable"
		}
		d.line("  %s: %s of %s, %s: %s", mark, kind(o.Set.Header.Type), stamp(o.Set.Header.Finished), partNames(o.Set), o.Reason)
	}
	for _, s := range l.sets {
		for _, p := range s.Duplicates {
			d.line("  copy: %s holds the same backup as %s", p.File, partNames(s))
		}
	}
}

// Document is the result for a JSON document.
type Document struct {
	// Broken is true when the current life of some database does not give what was asked.
	Broken    bool           `json:"broken"`
	Databases []LifeDocument `json:"databases"`
}

// LifeDocument is one life of a database.
type LifeDocument struct {
	Database         string           `json:"database"`
	Server           string           `json:"server"`
	RecoveryModel    string           `json:"recoveryModel"`
	FamilyGUID       string           `json:"familyGUID"`
	RecoveryForkID   string           `json:"recoveryForkID"`
	Current          bool             `json:"current"`
	Broken           string           `json:"broken,omitempty"`
	Note             string           `json:"note,omitempty"`
	Exact            bool             `json:"stopsExactly"`
	RecoveryPoint    string           `json:"recoveryPoint,omitempty"`
	RecoveryPointLSN string           `json:"recoveryPointLSN,omitempty"`
	NextLogLSN       string           `json:"nextLogLSN,omitempty"`
	Plan             []SetDocument    `json:"plan"`
	Gaps             []GapDocument    `json:"gaps"`
	Windows          []WindowDocument `json:"windows"`
	Outside          []SetDocument    `json:"outside"`
}

// SetDocument is one backup set, with the reason why it is outside the plan when it is.
type SetDocument struct {
	Type           string `json:"type"`
	BackupSetGUID  string `json:"backupSetGUID"`
	FirstLSN       string `json:"firstLSN"`
	LastLSN        string `json:"lastLSN"`
	BackupStart    string `json:"backupStartDate"`
	BackupFinish   string `json:"backupFinishDate"`
	Files          []Part `json:"files"`
	Copies         []Part `json:"copies,omitempty"`
	MissingStripes []int  `json:"missingStripes,omitempty"`
	Usable         *bool  `json:"usable,omitempty"`
	Reason         string `json:"reason,omitempty"`
}

// GapDocument is a gap.
type GapDocument struct {
	FromLSN string `json:"fromLSN,omitempty"`
	ToLSN   string `json:"toLSN"`
	After   string `json:"after,omitempty"`
	Before  string `json:"before,omitempty"`
	Closes  string `json:"closedBy"`
}

// WindowDocument is a window.
type WindowDocument struct {
	From    string `json:"from"`
	To      string `json:"to"`
	FromLSN string `json:"fromLSN"`
	ToLSN   string `json:"toLSN"`
}

// Document gives the result for a JSON document.
func (r *Result) Document() Document {
	d := Document{Broken: r.Broken(), Databases: []LifeDocument{}}
	for _, l := range r.Lives {
		d.Databases = append(d.Databases, l.document())
	}
	return d
}

func (l *Life) document() LifeDocument {
	d := LifeDocument{Database: l.Database, Server: l.Server, RecoveryModel: l.Model, FamilyGUID: l.Family.String(), RecoveryForkID: l.Fork.String(),
		Current: l.Current, Broken: l.Broken, Note: l.Note, Plan: []SetDocument{}, Gaps: []GapDocument{}, Windows: []WindowDocument{}, Outside: []SetDocument{}}
	if l.Plan != nil {
		d.Exact, d.RecoveryPoint, d.RecoveryPointLSN = l.Plan.Exact, iso(l.Plan.At), decimal(l.Plan.Reach)
		for _, s := range l.Plan.Sets {
			d.Plan = append(d.Plan, s.document())
		}
	}
	d.NextLogLSN = decimal(l.NextLog)
	for _, g := range l.Gaps {
		d.Gaps = append(d.Gaps, GapDocument{decimal(g.From), decimal(g.To), iso(g.After), iso(g.Before), g.Closes})
	}
	for _, w := range l.Windows {
		d.Windows = append(d.Windows, WindowDocument{iso(w.From), iso(w.To), decimal(w.FromLSN), decimal(w.ToLSN)})
	}
	for _, o := range l.Outside {
		s := o.Set.document()
		s.Usable, s.Reason = &o.Usable, o.Reason
		d.Outside = append(d.Outside, s)
	}
	return d
}

func (s *Set) document() SetDocument {
	h := s.Header
	return SetDocument{Type: h.Type.String(), BackupSetGUID: h.SetGUID.String(), FirstLSN: h.FirstLSN.Decimal(), LastLSN: h.LastLSN.Decimal(),
		BackupStart: iso(h.Started), BackupFinish: iso(h.Finished), Files: s.Parts, Copies: s.Duplicates, MissingStripes: s.missing()}
}

func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05")
}

func decimal(l lsn.LSN) string {
	if l.IsZero() {
		return ""
	}
	return l.Decimal()
}
