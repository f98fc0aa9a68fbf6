package flow

import (
	"time"

	"linkspan/lsn"
)

// EventKind says what happened.
type EventKind string

// What the user asks. One that cannot be is refused with what lacks.
const (
	Start        EventKind = "Start"
	CutoverStart EventKind = "CutoverStart"
	// Confirm is the document's Confirm and Apply: the point of no return.
	Confirm EventKind = "Confirm"
	// GiveUp ends a cutover before the point of no return; the migration goes on.
	GiveUp EventKind = "GiveUp"
	Cancel EventKind = "Cancel"
	// AcceptNoChecksum takes backups made without CHECKSUM from here on.
	AcceptNoChecksum EventKind = "AcceptNoChecksum"
	// Retry leaves FAILED, after the cause was mended.
	Retry EventKind = "Retry"
)

// What is reported. Reports that come late, or twice, change nothing.
const (
	// TargetChecked: the target was asked for a database of this name; Taken: there is one that is not ours.
	TargetChecked EventKind = "TargetChecked"
	// Scanned: Files is everything that is in the source now. MUST NOT be sent when the source could not be read whole:
	// what is not listed counts as deleted.
	Scanned EventKind = "Scanned"
	// BlockStored: the first Done bytes of File in Version are in storage. FileSealed: all of it is, and its checksum was
	// read back and is right.
	BlockStored EventKind = "BlockStored"
	FileSealed  EventKind = "FileSealed"
	// RestoreSeen: what the target says of the restore. See Restore.
	RestoreSeen EventKind = "RestoreSeen"
	// LoginsCompared: Missing are logins that users of the database need and the target lacks.
	LoginsCompared EventKind = "LoginsCompared"
	// TailTaken: our tail-log backup Set was written and the source is closed. SourceBack: the source takes writers, or was
	// never closed.
	TailTaken  EventKind = "TailTaken"
	SourceBack EventKind = "SourceBack"
	// PauseExpired: the time of Deadline has come.
	PauseExpired EventKind = "PauseExpired"
	// TargetGone: our database was deleted on the target and is no more.
	TargetGone EventKind = "TargetGone"
	// UsersMapped: users of the open database were given their logins; Missing are those that none fits.
	UsersMapped EventKind = "UsersMapped"
	// Compared: both sides were compared at the final LSN; Equal or not, Text says how. ReportWritten: the report is on disk.
	Compared      EventKind = "Compared"
	ReportWritten EventKind = "ReportWritten"
	// Trouble: something at Where does not work now and is tried again; Text is cause and fix. Cleared: it works.
	Trouble EventKind = "Trouble"
	Cleared EventKind = "Cleared"
	// Broken: Text is why it cannot go on until somebody acts.
	Broken EventKind = "Broken"
)

// always is the event of rows that are taken as soon as their guards hold.
const always EventKind = "as soon as it is so"

// asked tells what users ask.
var asked = map[EventKind]bool{Start: true, CutoverStart: true, Confirm: true, GiveUp: true, Cancel: true, AcceptNoChecksum: true, Retry: true}

// Asked reports whether users ask it; the others are reported by those who carry effects out.
func (k EventKind) Asked() bool { return asked[k] }

// Event is one thing that happened. Which fields count depends on Kind.
type Event struct {
	Kind EventKind
	// At is when; every event has it.
	At    time.Time
	Files []Seen
	// File and Version name a file, Done the bytes of it.
	File, Version string
	Done          int64
	// Attempt of a report on the target is that of the effect it answers; reports of an earlier attempt are dropped.
	Attempt int
	Restore Restore
	// Cutover of CutoverStart: TakeTail, Apply, MaxPause. Set of TailTaken is the backup's id. LastFile of Confirm is the last
	// file as the user names it.
	TakeTail, Apply bool
	MaxPause        time.Duration
	Set, LastFile   string
	Taken, Equal    bool
	Missing         []string
	Where, Text     string
}

// Seen is one file as it lies in the source.
type Seen struct {
	// Name is its path there; Version changes when its content may have (time and size).
	Name, Version string
	Size          int64
	// Growing: it is still being written. Such a file is not taken.
	Growing bool
	// Problem says why it holds no backup that can be used; "" when it does.
	Problem string
	// Sets are the backups in it; more than one is refused. Sequence is the file's place among the Stripes of the set.
	Sets              []Set
	Sequence, Stripes int
}

// Restore is what the target says. Sets are given by their ids.
type Restore struct {
	Restored []string
	// Restoring is the one in work. Unusable is one that the target cannot restore, Why its words.
	Restoring     string
	Unusable, Why string
	// Reached is the last LSN applied, when the target tells; Opened: the database is recovered and open.
	Reached lsn.LSN
	Opened  bool
}
