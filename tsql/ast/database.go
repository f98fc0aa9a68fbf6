package ast

// Use is USE database.
type Use struct {
	Pos
	Database string
}

// CreateDatabase is CREATE DATABASE.
type CreateDatabase struct {
	Pos
	Name      string
	Collation string
	// Files are those of ON and LOG ON, whose paths mean nothing here and are kept for display.
	Files []FileSpec
	// Options are those of WITH, and FOR ATTACH as the option "FOR ATTACH".
	Options []Option
	// SnapshotOf is the source of AS SNAPSHOT OF, refused by name; "" otherwise.
	SnapshotOf string
}

// FileSpec is (NAME = …, FILENAME = …, SIZE = …, …).
type FileSpec struct {
	Pos
	Log     bool
	Options []Option
}

// DropDatabase is DROP DATABASE [IF EXISTS] d, ….
type DropDatabase struct {
	Pos
	IfExists bool
	Names    []Ident
}

// AlterDatabase is ALTER DATABASE d|CURRENT …; one of Set, Hadr, ModifyFile, NewName, Collation and Other says what.
type AlterDatabase struct {
	Pos
	Name string // "" for CURRENT
	// Set are the options of SET, in order: RECOVERY with a *Keyword (FULL, SIMPLE, BULK_LOGGED), READ_ONLY, READ_WRITE,
	// SINGLE_USER, RESTRICTED_USER, MULTI_USER, ONLINE, OFFLINE, EMERGENCY as bare words; COMPATIBILITY_LEVEL = n,
	// AUTO_CLOSE ON and the like with their values.
	Set []Option
	// Termination is that of SET … WITH: "", "ROLLBACK IMMEDIATE", "ROLLBACK AFTER" (with Seconds) or "NO_WAIT".
	Termination string
	Seconds     int
	// Hadr is SET HADR …; nil otherwise.
	Hadr *HadrAction
	// ModifyFile are the properties of MODIFY FILE (NAME = …, MAXSIZE = …); a size's unit (KB, MB, GB, TB, %) is the
	// option's one argument.
	ModifyFile []Option
	NewName    string // MODIFY NAME
	Collation  string // COLLATE
	// Other is the first words of a form that is refused by name: "ADD FILE", "MODIFY FILEGROUP".
	Other string
}

// HadrAction is what ALTER DATABASE … SET HADR asks for.
type HadrAction struct {
	Pos
	// Verb is "JOIN", "OFF", "SUSPEND" or "RESUME".
	Verb string
	// Group is the availability group to join.
	Group string
	// Reason is that of SUSPEND FOR, "" when absent.
	Reason string
}

// Device is where a backup goes to or comes from: DISK = '…', URL = '…', or a logical device's name.
type Device struct {
	Pos
	Kind string // "DISK", "URL", "TAPE", "VIRTUAL_DEVICE", or "" for a logical device
	// Value is a *Literal or *Variable; for a logical device a *Literal with its name.
	Value Expr
}

// Backup is BACKUP DATABASE or BACKUP LOG.
type Backup struct {
	Pos
	Log      bool
	Database NameOrVariable
	// Files is what FILE = or FILEGROUP = names: partial backups, refused by name.
	Files []Option
	To    []Device
	// Mirrors are the MIRROR TO clauses.
	Mirrors [][]Device
	// Options hold every option as written, by its name: COPY_ONLY, DIFFERENTIAL, COMPRESSION, CHECKSUM, INIT, FORMAT,
	// NAME = …, STATS [= n], ENCRYPTION (ALGORITHM = …, SERVER CERTIFICATE = …), NORECOVERY, STANDBY = …, and so on.
	Options []Option
}

// Restore is RESTORE in all its forms.
type Restore struct {
	Pos
	// Kind is "DATABASE", "LOG", "HEADERONLY", "FILELISTONLY", "LABELONLY", "VERIFYONLY" or "REWINDONLY".
	Kind     string
	Database NameOrVariable // of DATABASE and LOG
	Files    []Option       // FILE =, FILEGROUP =, PAGE =
	From     []Device       // empty: RESTORE DATABASE d WITH RECOVERY
	Snapshot Expr           // FROM DATABASE_SNAPSHOT = …
	Options  []Option       // MOVE has Value and To
}

// Checkpoint is CHECKPOINT [seconds].
type Checkpoint struct {
	Pos
	Duration Expr
}

// Kill is KILL session.
type Kill struct {
	Pos
	Session Expr
	// StatusOnly is WITH STATUSONLY: how far a rollback is; nothing is killed.
	StatusOnly bool
}

// Shutdown is SHUTDOWN, which is refused.
type Shutdown struct {
	Pos
	NoWait bool
}

// DBCC is DBCC command [(args)] [WITH options].
type DBCC struct {
	Pos
	Command string // upper case
	Args    []Expr // *Literal, *Variable, *Unary, or *Keyword for a bare word
	Options []Option
}

// Reconfigure is RECONFIGURE [WITH OVERRIDE].
type Reconfigure struct {
	Pos
	Override bool
}

func (*Use) statement()            {}
func (*CreateDatabase) statement() {}
func (*DropDatabase) statement()   {}
func (*AlterDatabase) statement()  {}
func (*Backup) statement()         {}
func (*Restore) statement()        {}
func (*Checkpoint) statement()     {}
func (*Kill) statement()           {}
func (*Shutdown) statement()       {}
func (*DBCC) statement()           {}
func (*Reconfigure) statement()    {}
