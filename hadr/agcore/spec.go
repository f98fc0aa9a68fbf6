package agcore

// Defaults and ranges of options ("CREATE AVAILABILITY GROUP (Transact-SQL)").
const (
	defaultSessionTimeout = 10
	minSessionTimeout     = 5
	defaultHealthTimeout  = 30_000
	minHealthTimeout      = 15_000
	defaultFailureLevel   = 3
	defaultBackupPriority = 50
	maxReplicas           = 9
	maxName               = 128
)

// GroupSpec is CREATE AVAILABILITY GROUP … FOR DATABASE … REPLICA ON. A nil pointer means that the option was not given.
type GroupSpec struct {
	Name      string
	Databases []string
	Replicas  []ReplicaSpec
	OptionSpec
}

// OptionSpec are the options of a group, for CREATE (WITH) and ALTER (SET).
type OptionSpec struct {
	BackupPreference   *BackupPreference
	FailureLevel       *int
	HealthCheckTimeout *int64
	DBFailover         *bool
	DTCPerDB           *bool
	Basic              *bool
	Contained          *bool
	RequiredSync       *int
	ClusterType        *ClusterType
}

// ReplicaSpec is one replica after REPLICA ON, or the changes to one in MODIFY REPLICA.
type ReplicaSpec struct {
	// Name is the server's name as written.
	Name            string
	EndpointURL     *string
	Mode            *AvailabilityMode
	Failover        *FailoverMode
	Seeding         *SeedingMode
	SessionTimeout  *int
	BackupPriority  *int
	SecondaryAccess *SecondaryAccess
	PrimaryAccess   *PrimaryAccess
	ReadOnlyRouting *string
	WriteRouting    *string
}

// DistributedSpec is CREATE AVAILABILITY GROUP … AVAILABILITY GROUP ON.
type DistributedSpec struct {
	Name string
	// Distributed tells that WITH (DISTRIBUTED) was written, OtherOptions that something else was, too.
	Distributed, OtherOptions bool
	Members                   []MemberSpec
}

// MemberSpec is one group after AVAILABILITY GROUP ON, or the changes to one in MODIFY AVAILABILITY GROUP ON.
type MemberSpec struct {
	Name           string
	ListenerURL    *string
	Mode           *AvailabilityMode
	Failover       *FailoverMode
	Seeding        *SeedingMode
	SessionTimeout *int
}

// Change is ALTER AVAILABILITY GROUP. Exactly one of its parts is set.
type Change struct {
	Name            string
	Set             *OptionSpec
	AddDatabases    []string
	RemoveDatabases []string
	ModifyReplicas  []ReplicaSpec
	ModifyMembers   []MemberSpec
	// CreateAnyDatabase is GRANT (true) or DENY (false) CREATE ANY DATABASE.
	CreateAnyDatabase *bool
	// Unsupported names a form that is understood but not served, for the error: "FAILOVER", "JOIN", "ADD LISTENER".
	Unsupported string
}

// Facts is what the checks must know of a database.
type Facts struct {
	// Name is as the instance spells it.
	Name string
	// System tells master, model, msdb and tempdb.
	System        bool
	ReadOnly      bool
	AutoClose     bool
	Online        bool
	FullRecovery  bool
	HasFullBackup bool
}

// Env is what the checks need of the instance.
type Env struct {
	// ServerName is @@SERVERNAME.
	ServerName string
	// Managed tells a managed instance, where groups come with links only.
	Managed bool
	// Disabled tells that Always On is switched off.
	Disabled bool
	// Database describes a database by name.
	Database func(name string) (Facts, bool)
	// NewID makes a random id.
	NewID func() ID
}
