package flow

// Row is one transition.
type Row struct {
	From []State
	On   EventKind
	// If are the guards; all must hold. The first row that fits is taken.
	If []*Guard
	// To is the state afterwards; "" keeps it.
	To State
	// Does is what is noted, in words; do notes it.
	Does string
	do   func(*Migration, Event)
}

// Duty is what has to be done in some states, as long as its guard holds.
type Duty struct {
	In      []State
	While   *Guard
	Effects []EffectKind
	effects func(*Migration) []Effect
}

// Stop is what Cancel leaves in a state.
type Stop struct {
	State   State
	Meaning string
	// Cancel says what a cancellation leaves, or why it is refused.
	Cancel string
}

// Sets of states.
var (
	watching  = []State{Initial, FullUploading, FullUploaded, LogsUploading, CutoverInProgress}
	copying   = []State{FullUploading, FullUploaded, LogsUploading, CutoverInProgress}
	restoring = []State{FullUploaded, LogsUploading, CutoverInProgress, CutoverInitiated}
	live      = []State{Initial, FullUploading, FullUploaded, LogsUploading, CutoverInProgress, CutoverInitiated, CutoverCompleted, Cancelling, Failed}
)

// States lists every state with its meaning and what Cancel leaves there.
var States = []Stop{
	{Initial, "planned; once started: the target is asked, a full backup is waited for", "nothing was done"},
	{FullUploading, "the full backup is being copied to storage", "what was copied stays in storage; nothing was begun on the target"},
	{FullUploaded, "the target restores the full backup; log backups are copied", "the restoring database is deleted on the target"},
	{LogsUploading, "log backups are copied and restored as they come; a cutover may be started", "the restoring database is deleted on the target"},
	{CutoverInProgress, "stop the traffic; the tail of the log comes and is restored", "a source that our tail-log backup closed is opened again; the restoring database is deleted"},
	{CutoverInitiated, "the target was told to open its database: the point of no return", "refused: the target may have writers"},
	{CutoverCompleted, "the target is open; users are mapped, both sides compared, the report written", "refused: the target may have writers"},
	{Completed, "done", "refused: it is done"},
	{Cancelling, "what was begun is taken back", "nothing more"},
	{Cancelled, "given up", "nothing more"},
	{Failed, "it cannot go on until somebody acts; Retry goes on where it failed", "as in the state in which it failed; an open database on the target stays, and the source is opened again"},
}

// rows is the table.
var rows = []Row{
	{From: []State{Initial}, On: Start, Does: "it begins", do: func(m *Migration, _ Event) { m.Started = true }},
	{From: []State{Initial}, On: TargetChecked, If: []*Guard{taken}, To: Failed, Does: "the reason", do: failedFor("the target has a database of this name that this migration did not make: delete it, or choose another name")},
	{From: []State{Initial}, On: TargetChecked, If: []*Guard{free}, Does: "the target is free", do: func(m *Migration, _ Event) {
		if m.Target == TargetUnknown {
			m.Target = TargetFree
		}
	}},
	{From: watching, On: Scanned, Does: "files that came, went or changed; the chain grows", do: func(m *Migration, e Event) { m.scan(e.Files) }},
	{From: watching, On: AcceptNoChecksum, Does: "backups without CHECKSUM are taken", do: acceptNoChecksum},
	{From: []State{Initial}, On: always, If: []*Guard{fullHere}, To: FullUploading, Does: "the full backup is chosen", do: func(m *Migration, _ Event) { m.begin() }},
	{From: copying, On: BlockStored, Does: "how far the file is", do: blockStored},
	{From: copying, On: FileSealed, Does: "the file is Uploaded", do: fileSealed},
	{From: []State{FullUploading}, On: always, If: []*Guard{fullLost}, To: Initial, Does: "", do: nothing},
	{From: []State{FullUploading}, On: always, If: []*Guard{fullStored}, To: FullUploaded, Does: "a restore of ours is on the target", do: beginRestore},
	{From: restoring, On: RestoreSeen, If: []*Guard{current}, Does: "files Restoring and Restored; whether it is open", do: restoreSeen},
	{From: []State{FullUploaded}, On: always, If: []*Guard{fullBack}, Does: "a full backup is chosen anew", do: func(m *Migration, _ Event) { m.begin() }},
	{From: []State{FullUploaded}, On: always, If: []*Guard{fullRestored}, To: LogsUploading, Does: "", do: nothing},
	{From: watching, On: LoginsCompared, Does: "logins that the target lacks", do: func(m *Migration, e Event) { m.LoginsSeen, m.MissingLogins = true, e.Missing }},

	{From: []State{LogsUploading}, On: CutoverStart, If: []*Guard{startGates}, To: CutoverInProgress, Does: "what was asked; with the user's own tail the pause begins", do: startCutover},
	{From: []State{CutoverInProgress}, On: always, If: []*Guard{quiet}, Does: "the tail is to be taken; the pause begins", do: askTail},
	{From: []State{CutoverInProgress}, On: TailTaken, If: []*Guard{asksTail}, Does: "the source is closed", do: tailTaken},
	{From: []State{CutoverInProgress}, On: PauseExpired, If: []*Guard{expired}, To: LogsUploading, Does: "the source is to be given back", do: givenUp("the pause was longer than allowed")},
	{From: []State{CutoverInProgress}, On: GiveUp, To: LogsUploading, Does: "the source is to be given back", do: givenUp("the cutover was given up")},
	{From: []State{CutoverInProgress}, On: Confirm, If: []*Guard{allGates}, To: CutoverInitiated, Does: "the last file", do: confirmed},
	{From: []State{CutoverInProgress}, On: always, If: []*Guard{applies}, To: CutoverInitiated, Does: "the last file", do: confirmed},
	{From: []State{CutoverInitiated}, On: Confirm, Does: "nothing", do: nothing},
	{From: []State{CutoverInitiated}, On: always, If: []*Guard{opened}, To: CutoverCompleted, Does: "the pause ends", do: func(m *Migration, e Event) { m.Cutover.OpenedAt = e.At }},

	{From: []State{CutoverCompleted}, On: UsersMapped, Does: "users that no login fits", do: func(m *Migration, e Event) { m.Mapped, m.Orphans = true, e.Missing }},
	{From: []State{CutoverCompleted}, On: Compared, If: []*Guard{unequal}, To: Failed, Does: "how they differ", do: failed},
	{From: []State{CutoverCompleted}, On: Compared, If: []*Guard{equal}, Does: "they are equal", do: func(m *Migration, _ Event) { m.Verified = true }},
	{From: []State{CutoverCompleted}, On: ReportWritten, Does: "it is written", do: func(m *Migration, _ Event) { m.Reported = true }},
	{From: []State{CutoverCompleted}, On: always, If: []*Guard{proved}, To: Completed, Does: "", do: func(m *Migration, _ Event) { m.Troubles = nil }},

	{From: live, On: SourceBack, If: []*Guard{givesBack}, Does: "the source is open", do: func(m *Migration, _ Event) { m.Cutover.Fence = FenceNone }},
	{From: live, On: Trouble, Does: "what does not work, where", do: trouble},
	{From: live, On: Cleared, Does: "it works again", do: func(m *Migration, e Event) { delete(m.Troubles, e.Where) }},
	{From: []State{Initial, FullUploading, FullUploaded, LogsUploading, CutoverInProgress, CutoverCompleted}, On: Broken, To: Failed, Does: "the reason; before the point of no return the source is to be given back", do: failed},
	{From: []State{CutoverInitiated}, On: Broken, Does: "as Trouble: nobody knows whether the target opened", do: trouble},
	{From: restoring, On: TargetGone, If: []*Guard{current}, To: Failed, Does: "the reason; the source is to be given back", do: targetGone},

	{From: []State{Initial, FullUploading, FullUploaded, LogsUploading, CutoverInProgress, Failed}, On: Cancel, To: Cancelling, Does: "files Cancelled; the source is to be given back", do: cancelled},
	{From: []State{Cancelling, Cancelled}, On: Cancel, Does: "nothing", do: nothing},
	{From: []State{Cancelling}, On: TargetGone, Does: "the restoring database is gone", do: func(m *Migration, _ Event) { m.Target = TargetDropped }},
	{From: []State{Cancelling}, On: always, If: []*Guard{cleared}, To: Cancelled, Does: "", do: nothing},

	{From: []State{Failed}, On: Retry, If: []*Guard{was("", TargetDropped)}, To: FullUploaded, Does: "the restore begins anew from what is in storage", do: restoreAgain},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(Initial)}, To: Initial, Does: "the target is asked again", do: retried},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(FullUploading)}, To: FullUploading, Does: "", do: retried},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(FullUploaded)}, To: FullUploaded, Does: "", do: retried},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(LogsUploading)}, To: LogsUploading, Does: "", do: retried},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(CutoverInProgress)}, To: LogsUploading, Does: "the cutover has to be started anew", do: retried},
	{From: []State{Failed}, On: Retry, If: []*Guard{was(CutoverCompleted)}, To: CutoverCompleted, Does: "", do: retried},
}

// duties is what each state owes.
var duties = []Duty{
	{[]State{Initial}, unchecked, []EffectKind{CheckTarget}, simple(CheckTarget)},
	{[]State{Initial}, started, []EffectKind{Scan}, repeating(Scan)},
	{copying, nil, []EffectKind{Scan}, repeating(Scan)},
	{copying, nil, []EffectKind{CopyBlock, SealFile}, copies},
	{copying, nil, []EffectKind{CompareLogins}, repeating(CompareLogins)},
	{[]State{FullUploaded}, nil, []EffectKind{StartRestore}, simple(StartRestore)},
	{restoring, nil, []EffectKind{FollowRestore}, repeating(FollowRestore)},
	{[]State{CutoverInProgress}, asksTail, []EffectKind{TakeTail}, perCutover(TakeTail)},
	{[]State{CutoverInitiated}, nil, []EffectKind{CompleteRestore}, complete},
	{[]State{CutoverCompleted}, unmapped, []EffectKind{MapUsers}, simple(MapUsers)},
	{[]State{CutoverCompleted}, unproved, []EffectKind{Compare}, simple(Compare)},
	{[]State{CutoverCompleted}, unwritten, []EffectKind{WriteReport}, simple(WriteReport)},
	{[]State{FullUploaded, LogsUploading, Cancelling, Failed}, givesBack, []EffectKind{ReopenSource}, perCutover(ReopenSource)},
	{[]State{Cancelling}, holdsCopy, []EffectKind{DropTarget}, simple(DropTarget)},
}

// Table is a copy of the transitions, for documents and tests.
func Table() []Row { return append([]Row(nil), rows...) }

// Duties is a copy of what each state owes, for documents and tests.
func Duties() []Duty { return append([]Duty(nil), duties...) }
