package ast

// CreateGroup is CREATE AVAILABILITY GROUP in both its forms.
type CreateGroup struct {
	Pos
	Name string
	// Options are those of WITH (…).
	Options GroupOptions
	// Databases are those of FOR DATABASE.
	Databases []Ident
	// Replicas are those of REPLICA ON; empty for a distributed group.
	Replicas []Replica
	// Members are those of AVAILABILITY GROUP ON of a distributed group; empty otherwise.
	Members []GroupMember
	// Listener is LISTENER 'name' (…), nil when absent.
	Listener *GroupListener
}

// GroupOptions are the options of a group; what was not said is "" or nil.
type GroupOptions struct {
	Pos
	BackupPreference string // AUTOMATED_BACKUP_PREFERENCE: "PRIMARY", "SECONDARY_ONLY", "SECONDARY", "NONE"
	FailureLevel     *int64 // FAILURE_CONDITION_LEVEL
	HealthTimeout    *int64 // HEALTH_CHECK_TIMEOUT, milliseconds
	DBFailover       string // "ON", "OFF"
	DTCSupport       string // "PER_DB", "NONE"
	Basic            bool
	Distributed      bool
	Contained        bool
	ReuseSystemDBs   bool   // CONTAINED REUSE_SYSTEM_DATABASES
	RequiredSync     *int64 // REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT
	ClusterType      string // "WSFC", "EXTERNAL", "NONE"
	// Role is that of ALTER … SET (ROLE = SECONDARY): "SECONDARY".
	Role string
}

// Replica is 'server' WITH (…) of REPLICA ON; what was not said is "" or nil.
type Replica struct {
	Pos
	Server               string
	EndpointURL          *string
	AvailabilityMode     string // "SYNCHRONOUS_COMMIT", "ASYNCHRONOUS_COMMIT", "CONFIGURATION_ONLY"
	FailoverMode         string // "AUTOMATIC", "MANUAL", "EXTERNAL"
	SeedingMode          string // "AUTOMATIC", "MANUAL"
	BackupPriority       *int64
	SecondaryConnections string // SECONDARY_ROLE (ALLOW_CONNECTIONS = …): "NO", "READ_ONLY", "ALL"
	SecondaryReadOnlyURL *string
	PrimaryConnections   string // PRIMARY_ROLE (ALLOW_CONNECTIONS = …): "READ_WRITE", "ALL"
	ReadOnlyRoutingList  [][]string
	ReadOnlyRoutingNone  bool
	PrimaryReadWriteURL  *string
	SessionTimeout       *int64 // seconds
}

// GroupMember is 'group' WITH (…) of AVAILABILITY GROUP ON; what was not said is "" or nil.
type GroupMember struct {
	Pos
	Name             string
	ListenerURL      *string
	AvailabilityMode string
	FailoverMode     string
	SeedingMode      string
	SessionTimeout   *int64
}

// GroupListener is LISTENER 'dns' (WITH DHCP | WITH IP (…), PORT = n).
type GroupListener struct {
	Pos
	Name string
	DHCP bool
	// IPs are address and mask pairs, or one address for IPv6.
	IPs  [][]string
	Port *int64
}

// AlterGroup is ALTER AVAILABILITY GROUP. Verb says which of the other fields count:
//
//	"SET"               Options (one of them, or Role)
//	"ADD DATABASE", "REMOVE DATABASE"                     Databases
//	"ADD REPLICA", "MODIFY REPLICA"                       Replicas
//	"REMOVE REPLICA"                                      Servers
//	"JOIN"                                                Options.ClusterType
//	"JOIN GROUP"        Members, of JOIN AVAILABILITY GROUP ON
//	"MODIFY GROUP"      Members, of MODIFY AVAILABILITY GROUP ON
//	"GRANT", "DENY"     CREATE ANY DATABASE
//	"FAILOVER", "FORCE_FAILOVER_ALLOW_DATA_LOSS", "OFFLINE"
//	"ADD LISTENER", "MODIFY LISTENER"                     Listener
//	"RESTART LISTENER", "REMOVE LISTENER"                 Listener.Name
type AlterGroup struct {
	Pos
	Name      string
	Verb      string
	Options   GroupOptions
	Databases []Ident
	Replicas  []Replica
	Servers   []string
	Members   []GroupMember
	Listener  *GroupListener
}

// DropGroup is DROP AVAILABILITY GROUP.
type DropGroup struct {
	Pos
	Name string
}

func (*CreateGroup) statement() {}
func (*AlterGroup) statement()  {}
func (*DropGroup) statement()   {}
