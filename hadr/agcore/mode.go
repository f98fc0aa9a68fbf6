package agcore

// AvailabilityMode says when a primary acknowledges a commit (sys.availability_replicas.availability_mode).
type AvailabilityMode uint8

// The modes; the values are the view's.
const (
	Asynchronous      AvailabilityMode = 0
	Synchronous       AvailabilityMode = 1
	ConfigurationOnly AvailabilityMode = 4
)

// String is the view's description.
func (m AvailabilityMode) String() string {
	switch m {
	case Synchronous:
		return "SYNCHRONOUS_COMMIT"
	case ConfigurationOnly:
		return "CONFIGURATION_ONLY"
	default:
		return "ASYNCHRONOUS_COMMIT"
	}
}

// FailoverMode says who fails a group over.
type FailoverMode uint8

// The modes; the values are the view's.
const (
	FailoverAutomatic FailoverMode = 0
	FailoverManual    FailoverMode = 1
	FailoverExternal  FailoverMode = 2
)

// String is the view's description.
func (m FailoverMode) String() string { return pick(int(m), "AUTOMATIC", "MANUAL", "EXTERNAL") }

// SeedingMode says how a secondary gets its first copy.
type SeedingMode uint8

// The modes; the values are the view's.
const (
	SeedingAutomatic SeedingMode = 0
	SeedingManual    SeedingMode = 1
)

// String is the view's description.
func (m SeedingMode) String() string { return pick(int(m), "AUTOMATIC", "MANUAL") }

// ClusterType says what cluster manager a group has.
type ClusterType uint8

// The types; the values are the view's.
const (
	ClusterWSFC     ClusterType = 0
	ClusterExternal ClusterType = 1
	ClusterNone     ClusterType = 2
)

// String is the view's description.
func (t ClusterType) String() string { return pick(int(t), "WSFC", "EXTERNAL", "NONE") }

// BackupPreference says where backups should run; it is kept and shown.
type BackupPreference uint8

// The preferences; the values are the view's.
const (
	BackupPrimary       BackupPreference = 0
	BackupSecondaryOnly BackupPreference = 1
	BackupSecondary     BackupPreference = 2
	BackupNone          BackupPreference = 3
)

// String is the view's description.
func (p BackupPreference) String() string {
	return pick(int(p), "PRIMARY", "SECONDARY_ONLY", "SECONDARY", "NONE")
}

// SecondaryAccess says who may connect to a secondary's databases.
type SecondaryAccess uint8

// The values are those of secondary_role_allow_connections.
const (
	SecondaryNo       SecondaryAccess = 0
	SecondaryReadOnly SecondaryAccess = 1
	SecondaryAll      SecondaryAccess = 2
)

// String is the view's description.
func (a SecondaryAccess) String() string { return pick(int(a), "NO", "READ_ONLY", "ALL") }

// PrimaryAccess says who may connect to a primary's databases.
type PrimaryAccess uint8

// The values are those of primary_role_allow_connections.
const (
	PrimaryAll       PrimaryAccess = 2
	PrimaryReadWrite PrimaryAccess = 3
)

// String is the view's description.
func (a PrimaryAccess) String() string {
	if a == PrimaryReadWrite {
		return "READ_WRITE"
	}
	return "ALL"
}

// Role is the part an instance plays in a group.
type Role uint8

// The roles; the values are those of dm_hadr_availability_replica_states.role.
const (
	Resolving Role = 0
	Primary   Role = 1
	Secondary Role = 2
)

// String is the view's description.
func (r Role) String() string { return pick(int(r), "RESOLVING", "PRIMARY", "SECONDARY") }

// SyncState is how far a database's copy follows.
type SyncState uint8

// The states; the values are those of dm_hadr_database_replica_states.synchronization_state.
const (
	NotSynchronizing SyncState = 0
	Synchronizing    SyncState = 1
	Synchronized     SyncState = 2
	Reverting        SyncState = 3
	Initializing     SyncState = 4
)

// String is the view's description.
func (s SyncState) String() string {
	return pick(int(s), "NOT SYNCHRONIZING", "SYNCHRONIZING", "SYNCHRONIZED", "REVERTING", "INITIALIZING")
}

// Health is a judgement on a SyncState.
type Health uint8

// The judgements; the values are the views'.
const (
	NotHealthy       Health = 0
	PartiallyHealthy Health = 1
	Healthy          Health = 2
)

// String is the views' description.
func (h Health) String() string { return pick(int(h), "NOT_HEALTHY", "PARTIALLY_HEALTHY", "HEALTHY") }

// HealthOf judges a state in a mode: an asynchronous copy is healthy when it follows, a synchronous one when it is
// synchronized.
func HealthOf(s SyncState, m AvailabilityMode) Health {
	switch {
	case s == Synchronized, s == Synchronizing && m == Asynchronous:
		return Healthy
	case s == Synchronizing:
		return PartiallyHealthy
	default:
		return NotHealthy
	}
}

// SuspendReason says who stopped data movement.
type SuspendReason uint8

// The reasons; the values are those of dm_hadr_database_replica_states.suspend_reason.
const (
	SuspendUser    SuspendReason = 0
	SuspendPartner SuspendReason = 1
	SuspendRedo    SuspendReason = 2
	SuspendCapture SuspendReason = 3
	SuspendApply   SuspendReason = 4
	SuspendRestart SuspendReason = 5
	SuspendUndo    SuspendReason = 6
)

// String is the view's description.
func (r SuspendReason) String() string {
	return "SUSPEND_FROM_" + pick(int(r), "USER", "PARTNER", "REDO", "CAPTURE", "APPLY", "RESTART", "UNDO")
}

func pick(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return "UNKNOWN"
}
