package ledger

import (
	"time"

	"linkspan/migrate/flow"
)

// Status is an activity as people and programs see it. It holds no secrets. Its JSON form is the API's.
type Status struct {
	Activity string    `json:"activity"`
	Created  time.Time `json:"created"`
	// Source, Share, Storage and Target are shown as the spec names them.
	Source  string `json:"source"`
	Share   string `json:"share"`
	Storage string `json:"storage"`
	Target  string `json:"target"`
	// Running tells that an engine works on it now; without one nothing happens.
	Running   bool       `json:"running"`
	Databases []Database `json:"databases"`
	Logins    []Login    `json:"logins"`
}

// Database is one database's migration.
type Database struct {
	Name       string     `json:"name"`
	TargetName string     `json:"targetName"`
	State      flow.State `json:"state"`
	// Detail says in a sentence what happens, or what it waits for; Reason why it failed or was given up.
	Detail string `json:"detail"`
	Reason string `json:"reason,omitempty"`
	// PendingChanges are the log and differential backups that are here and not restored yet.
	PendingChanges int `json:"pendingChanges"`
	// Files counts the files by state. CopiedBytes of TotalBytes of those that are needed are in storage.
	Files       map[flow.FileState]int `json:"files"`
	CopiedBytes int64                  `json:"copiedBytes"`
	TotalBytes  int64                  `json:"totalBytes"`
	// LastRestored is the file that was restored last; it ends at LastLSN (decimal, as RESTORE HEADERONLY shows it), and was
	// finished on the source at LastBackup.
	LastRestored string    `json:"lastRestored,omitempty"`
	LastLSN      string    `json:"lastLSN,omitempty"`
	LastBackup   time.Time `json:"lastBackup,omitzero"`
	// Waits are what it waits for now, Gates the conditions of the cutover.
	Waits []Wait `json:"waits,omitempty"`
	Gates []Gate `json:"gates,omitempty"`
	// CutoverReady tells that a cutover may be started; CanConfirm that it may be confirmed now.
	CutoverReady bool     `json:"cutoverReady"`
	CanConfirm   bool     `json:"canConfirm"`
	Cutover      *Cutover `json:"cutover,omitempty"`
	// PredictedPauseSeconds is how long the source is expected to be closed by a cutover; 0 while nothing was restored to
	// judge by.
	PredictedPauseSeconds float64 `json:"predictedPauseSeconds,omitempty"`
	// Report is the path of the report file once it is written.
	Report string `json:"report,omitempty"`
	// FileList is filled in only where it is asked for.
	FileList []File `json:"fileList,omitempty"`
}

// Wait is something that a migration waits for.
type Wait struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Gate is a condition of the cutover; it holds when Lacks is "".
type Gate struct {
	Name  string `json:"name"`
	Lacks string `json:"lacks,omitempty"`
	// Start tells that it is needed to start a cutover, not only to confirm one.
	Start bool `json:"start"`
}

// Cutover is the cutover that runs or was done.
type Cutover struct {
	Number   int           `json:"number"`
	TakeTail bool          `json:"takeTail"`
	PausedAt time.Time     `json:"pausedAt,omitzero"`
	OpenedAt time.Time     `json:"openedAt,omitzero"`
	MaxPause time.Duration `json:"maxPauseNanoseconds,omitempty"`
	// PauseSeconds is how long the source was closed, of a cutover that is done.
	PauseSeconds float64 `json:"pauseSeconds,omitempty"`
}

// File is one backup file.
type File struct {
	Name    string         `json:"name"`
	Kind    flow.Kind      `json:"kind,omitempty"`
	State   flow.FileState `json:"state"`
	Size    int64          `json:"size"`
	Copied  int64          `json:"copied"`
	First   string         `json:"firstLSN,omitempty"`
	Last    string         `json:"lastLSN,omitempty"`
	Stripes int            `json:"stripes,omitempty"`
	Reason  string         `json:"reason,omitempty"`
}

// Login is one login's migration.
type Login struct {
	Name    string          `json:"name"`
	Windows bool            `json:"windows,omitempty"`
	State   flow.LoginState `json:"state"`
	Stage   flow.Stage      `json:"stage"`
	Detail  string          `json:"detail,omitempty"`
}

// Entry is one line of a timeline.
type Entry struct {
	// Number grows; it is unique in the ledger.
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	// Database is "" for what concerns the activity, Login "" for what concerns a database.
	Database string `json:"database,omitempty"`
	Login    string `json:"login,omitempty"`
	// Kind is a flow.EventKind, a flow.LoginEventKind, or "State" for a change of state.
	Kind string `json:"kind"`
	Text string `json:"text"`
	// By is who asked; "" when nobody did.
	By string `json:"by,omitempty"`
}

// Summary is an activity in a list.
type Summary struct {
	Activity string    `json:"activity"`
	Created  time.Time `json:"created"`
	Running  bool      `json:"running"`
	// States counts the databases by state.
	States map[flow.State]int `json:"states"`
}

// AuditEntry is one line of the audit: who changed what, from where.
type AuditEntry struct {
	Number   int64     `json:"number"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Activity string    `json:"activity,omitempty"`
	Database string    `json:"database,omitempty"`
	Action   string    `json:"action"`
	Text     string    `json:"text,omitempty"`
	// Hash is the line's own, over the one before it and all of the above: a line that was changed or taken out shows.
	Hash string `json:"hash"`
}
