package flow

import "time"

// State is where a database's migration stands.
type State string

// The states, in the words of the Database Migration Service, but for Cancelling.
const (
	Initial           State = "INITIAL"
	FullUploading     State = "FULL_BACKUP_UPLOADING"
	FullUploaded      State = "FULL_BACKUP_UPLOADED"
	LogsUploading     State = "LOG_FILES_UPLOADING"
	CutoverInProgress State = "CUTOVER_IN_PROGRESS"
	CutoverInitiated  State = "CUTOVER_INITIATED"
	CutoverCompleted  State = "CUTOVER_COMPLETED"
	Completed         State = "COMPLETED"
	Cancelling        State = "CANCELLING"
	Cancelled         State = "CANCELLED"
	Failed            State = "FAILED"
)

// FileState is where one backup file stands.
type FileState string

// The states of a file. Cancelled files were given up: the migration was cancelled, or the file went away or was replaced
// before it was stored whole. Ignored ones are not needed or cannot be used; File.Reason says why.
const (
	FileArrived   FileState = "Arrived"
	FileQueued    FileState = "Queued"
	FileUploading FileState = "Uploading"
	FileUploaded  FileState = "Uploaded"
	FileRestoring FileState = "Restoring"
	FileRestored  FileState = "Restored"
	FileCancelled FileState = "Cancelled"
	FileIgnored   FileState = "Ignored"
)

// Target is how far the database on the target is ours.
type Target string

// The target's states. Opened is the point behind which nothing may be taken back: the target may have writers.
const (
	TargetUnknown Target = ""
	TargetFree    Target = "FREE"
	TargetStarted Target = "STARTED"
	TargetOpened  Target = "OPENED"
	TargetDropped Target = "DROPPED"
)

// Fence is whether the source was closed for writing by a tail-log backup of ours.
type Fence string

// FenceAsked is stored before the backup is taken, so that a source that was closed just before a crash is given back.
const (
	FenceNone       Fence = ""
	FenceAsked      Fence = "ASKED"
	FenceHeld       Fence = "HELD"
	FenceGivingBack Fence = "GIVING_BACK"
)

// Options are fixed when a migration begins.
type Options struct {
	// Database is its name on the source; files of other databases are ignored, names compared without case.
	Database string `json:"database"`
	// Block is the size in bytes of one step of a copy; > 0. Parallel is how many files are copied at once; ≥ 1.
	Block    int64 `json:"block"`
	Parallel int   `json:"parallel"`
	// ScanEvery is how long the source is left alone at most; 0 leaves it to whoever looks.
	ScanEvery time.Duration `json:"scanEvery,omitempty"`
	// AcceptNoChecksum takes backups made without CHECKSUM: damage in them is found by nobody.
	AcceptNoChecksum bool `json:"acceptNoChecksum,omitempty"`
}

// Cutover is what was asked at CutoverStart, and how far it got. It is kept after a cutover that was given up.
type Cutover struct {
	// Number counts the cutovers that were begun.
	Number int `json:"number,omitempty"`
	// TakeTail: the tail-log backup is taken by us, WITH NORECOVERY; otherwise the user brings it.
	TakeTail bool `json:"takeTail,omitempty"`
	// Apply: no confirmation is waited for once every gate holds.
	Apply bool `json:"apply,omitempty"`
	// MaxPause is how long the source may be closed before the point of no return; 0 is no limit.
	MaxPause time.Duration `json:"maxPause,omitempty"`
	// Fence is the source's. PausedAt is when the pause began: before our tail-log backup is taken, or, when the user brings
	// it, when the cutover was started. OpenedAt is when the target was seen open.
	Fence    Fence     `json:"fence,omitempty"`
	PausedAt time.Time `json:"pausedAt,omitzero"`
	OpenedAt time.Time `json:"openedAt,omitzero"`
	// Known is how many sets had come when it was started: a tail of the user's is one that came later, because the source
	// may have taken writers after an earlier one.
	Known int `json:"known,omitempty"`
	// Tail is the id of the set that our tail-log backup made; LastFile is what the user named as the last one.
	Tail     string `json:"tail,omitempty"`
	LastFile string `json:"lastFile,omitempty"`
}

// Migration is the life of one database's migration. Make one with New. Fields are read by anybody and written by Step
// alone.
type Migration struct {
	Options Options `json:"options"`
	State   State   `json:"state"`
	// Started: the user had it begin.
	Started bool `json:"started,omitempty"`
	// Was is the state in which it failed; Reason why it failed or was given up.
	Was    State  `json:"was,omitempty"`
	Reason string `json:"reason,omitempty"`
	Files  []File `json:"files,omitempty"`
	Sets   []Set  `json:"sets,omitempty"`
	// Chain are the ids of the sets that are being brought to the target, in the order of restoring.
	Chain  []string `json:"chain,omitempty"`
	Target Target   `json:"target,omitempty"`
	// Attempt counts the restores that were begun; it is in the keys of their effects.
	Attempt int     `json:"attempt,omitempty"`
	Cutover Cutover `json:"cutover"`
	// LoginsSeen tells that both sides' logins were compared; MissingLogins are those without which the database's users
	// have no way in.
	LoginsSeen    bool     `json:"loginsSeen,omitempty"`
	MissingLogins []string `json:"missingLogins,omitempty"`
	// Troubles are what stands in the way now, by place; they go when it works again.
	Troubles map[string]string `json:"troubles,omitempty"`
	// Mapped, Verified and Reported are the duties after the cutover. Orphans are users that no login fits.
	Mapped   bool     `json:"mapped,omitempty"`
	Orphans  []string `json:"orphans,omitempty"`
	Verified bool     `json:"verified,omitempty"`
	Reported bool     `json:"reported,omitempty"`

	at *places // found again from the lists; see index
}

// New is a migration that was planned and not started.
func New(o Options) *Migration {
	o.Block, o.Parallel = max(o.Block, 1), max(o.Parallel, 1)
	return &Migration{Options: o, State: Initial}
}

// Pause is how long the source was closed in a cutover that is done; 0 before.
func (m *Migration) Pause() time.Duration {
	if m.Cutover.OpenedAt.IsZero() || m.Cutover.PausedAt.IsZero() {
		return 0
	}
	return m.Cutover.OpenedAt.Sub(m.Cutover.PausedAt)
}

// Deadline is when PauseExpired is due; the zero time when it is not.
func (m *Migration) Deadline() time.Time {
	c := m.Cutover
	if m.State != CutoverInProgress || c.MaxPause == 0 || c.PausedAt.IsZero() {
		return time.Time{}
	}
	return c.PausedAt.Add(c.MaxPause)
}
