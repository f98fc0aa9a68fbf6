package migrate

import (
	"context"
	"errors"
	"time"

	"linkspan/migrate/ledger"
)

// Who asks: the name of a person or of a token, and from where ("console", or a client's address). Both go into the audit.
type Who struct {
	Name, From string
}

// SpecSource is a spec as it was given.
type SpecSource struct {
	// Text is the YAML. Base is the folder against which relative paths in it are resolved; absolute.
	Text []byte
	Base string
}

// Plan is what would be done, and what stands in its way. It is the document's migration summary.
type Plan struct {
	Activity  string            `json:"activity"`
	Source    string            `json:"source"`
	Share     string            `json:"share"`
	Storage   string            `json:"storage"`
	Target    string            `json:"target"`
	Databases []PlannedDatabase `json:"databases"`
	Logins    []PlannedLogin    `json:"logins"`
	// Settings are shown as the spec has them, with the defaults filled in.
	Settings []Setting `json:"settings"`
	// NotMoved are objects that a migration by backups leaves behind, by name.
	NotMoved []string `json:"notMoved,omitempty"`
	// Findings are what was found to stand in the way (Blocks), or should be known.
	Findings []Finding `json:"findings,omitempty"`
}

// Blocked reports whether anything stands in the way.
func (p *Plan) Blocked() bool {
	for _, f := range p.Findings {
		if f.Blocks {
			return true
		}
	}
	return false
}

// PlannedDatabase is one database of a plan.
type PlannedDatabase struct {
	Name       string `json:"name"`
	TargetName string `json:"targetName"`
	// SizeBytes is the size of its data files on the source; 0 when it could not be asked. Recovery is its recovery model.
	SizeBytes int64  `json:"sizeBytes,omitempty"`
	Recovery  string `json:"recovery,omitempty"`
	// Folder is where its backups are looked for. Full is the newest full backup file there, "" when there is none yet;
	// Files counts the usable files, and Chain says in a sentence how far they reach.
	Folder string `json:"folder"`
	Full   string `json:"full,omitempty"`
	Files  int    `json:"files"`
	Chain  string `json:"chain"`
}

// PlannedLogin is one login of a plan.
type PlannedLogin struct {
	Name    string `json:"name"`
	Windows bool   `json:"windows,omitempty"`
	// Action says what happens to it, or why it is left.
	Action string `json:"action"`
}

// Setting is one line of a plan's settings.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Finding is one thing that the preflight found.
type Finding struct {
	// ID names the kind. At is the database, or source, share, storage, target, spec.
	ID string `json:"id"`
	At string `json:"at"`
	// Text is cause and evidence, Fix the next step.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
	// Blocks: a migration is not started before it is mended.
	Blocks bool `json:"blocks"`
}

// BlockedError is why Start did not start: its plan has findings that block.
type BlockedError struct {
	Plan Plan
}

// Error says how many.
func (e *BlockedError) Error() string {
	return "the plan has findings that stand in the way; nothing was started"
}

// DifferentError is why Start did not start: an activity of this name has another spec.
type DifferentError struct {
	Activity string
	// Lines are those that differ, "- " before what is stored and "+ " before what was given.
	Lines []string
}

// Error names the activity.
func (e *DifferentError) Error() string {
	return "activity " + e.Activity + " was started with another spec; give this one another name, or cancel that one"
}

// ErrRunning is what Engage returns when another process works on the state folder.
var ErrRunning = errors.New("another process works on this state folder")

// CutoverOptions say how a cutover is done.
type CutoverOptions struct {
	// Apply: it is confirmed as soon as every gate holds; otherwise Confirm is waited for.
	Apply bool `json:"apply,omitempty"`
	// UserTail: the tail-log backup is put on the share by the user; nil is what the spec says.
	UserTail *bool `json:"userTail,omitempty"`
	// MaxPause ends it when the source was closed this long; 0 is what the spec says.
	MaxPause time.Duration `json:"maxPauseNanoseconds,omitempty"`
}

// Asks are the changes that a running migration takes. databases names them as on the source; none means all of the
// activity. The error is a *Refusals when some could not be asked: the others were.
type Asks interface {
	Cutover(ctx context.Context, activity string, databases []string, o CutoverOptions, who Who) error
	// Confirm is the point of no return. lastFile names the last file to be restored when the user took the tail; "" is the
	// newest one.
	Confirm(ctx context.Context, activity string, databases []string, lastFile string, who Who) error
	GiveUp(ctx context.Context, activity string, databases []string, who Who) error
	Cancel(ctx context.Context, activity string, databases []string, who Who) error
	Retry(ctx context.Context, activity string, databases []string, who Who) error
	AcceptNoChecksum(ctx context.Context, activity string, databases []string, who Who) error
}

// Views are what may be looked at.
type Views interface {
	List(ctx context.Context) ([]ledger.Summary, error)
	Status(ctx context.Context, activity string, files bool) (ledger.Status, error)
	// Timeline gives at most limit entries after a number, oldest first; database "" means all.
	Timeline(ctx context.Context, activity, database string, after int64, limit int) ([]ledger.Entry, error)
	Audit(ctx context.Context, after int64, limit int) ([]ledger.AuditEntry, error)
}

// Refused is one database for which something that was asked cannot be.
type Refused struct {
	Database string `json:"database"`
	// Lacks is what is missing.
	Lacks string `json:"lacks"`
}

// Refusals are the databases for which something could not be asked.
type Refusals struct {
	Asked   string    `json:"asked"`
	Refused []Refused `json:"refused"`
}

// Error names each with what it lacks.
func (r *Refusals) Error() string {
	s := r.Asked + " is refused"
	for i, d := range r.Refused {
		if i > 0 {
			s += ";"
		}
		s += " for " + d.Database + ": " + d.Lacks
	}
	return s
}

// UnknownError is an activity or database that there is none of.
type UnknownError struct {
	What, Name string
}

// Error names it.
func (e *UnknownError) Error() string { return "there is no " + e.What + " " + e.Name }
