package hadr

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/internal/clock"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/trust"
)

// Options configures a Manager.
type Options struct {
	// ServerName is @@SERVERNAME: the short name of a SQL Server, the fully qualified one of a managed instance.
	ServerName string
	// ShortName is the managed instance's short name, which a listener URL gives as ";Server=[name]"; on a SQL Server
	// it is not used.
	ShortName string
	// Managed tells a managed instance from a SQL Server.
	Managed bool
	// Collation is the instance's collation and CollationTable the version of the tables behind collations: links
	// between different ones are refused.
	Collation      string
	CollationTable uint32
	// Addresses are the IP addresses that LISTENER_IP = ALL means; none means loopback.
	Addresses []netip.Addr
	// Resolve finds the addresses of a host name; IP addresses in URLs are not asked for. nil resolves nothing.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Store keeps our documents in master, Keeper the certificates.
	Store  trust.Store
	Keeper *trust.Keeper
	// Databases is the instance's registry of databases.
	Databases Databases
	// ErrorLog receives what SQL Server writes to its error log; nil discards. It must not block.
	ErrorLog func(*sqlerr.Error)
	// Rescue writes what a database has after the order's Fork, or beside its Other, to a file, durably, BEFORE that is taken
	// back; nil writes nothing. storage.ErrLogGone: it is called again with an Other.
	Rescue func(ctx context.Context, db *storage.DB, o RescueOrder) (Rescued, error)
	// Seedings is how many copies are sent their pages at once, those beyond wait (LIMIT_CONCURRENT_BACKUPS); 0 means no
	// bound. SeedingBytes is how many bytes a second these take together; 0 means as many as there are.
	Seedings     int
	SeedingBytes int64
	// JoinTimeout is how long JoinLink tries to reach a source that does not answer; 0 means 30 seconds.
	JoinTimeout time.Duration
	// Clock, Rand and Log as everywhere; nil means the system's, crypto/rand and discard.
	Clock clock.Clock
	Rand  io.Reader
	Log   *slog.Logger
}

// RescueOrder says what is to be rescued of a database that another primary outlived.
type RescueOrder struct {
	Server, Link, Database string
	// Fork is the last LSN that both sides have, Tail the end of the log here.
	Fork, Tail lsn.LSN
	// TailEpoch is the database's epoch, OpenedEpoch the one that the other side was opened in.
	TailEpoch, OpenedEpoch uint32
	// Other, when set, sees the version OtherAt of the other side, with which the tail is to be compared: the log here does
	// not give the fork back. It is the caller's.
	Other   *storage.Conn
	OtherAt lsn.LSN
}

// Rescued says what was.
type Rescued struct {
	File   string
	Rows   int64
	Tables int
	// Partial: it was compared with the other side as it was then, so that rows which that changed are among them.
	Partial bool
}

// State is what a link makes of a database.
type State uint8

// The states.
const (
	// Restoring: the copy is being made; nobody can open it (927).
	Restoring State = iota + 1
	// OnlineReadOnly: the copy follows and can be read (3906 on a write).
	OnlineReadOnly
	// OnlineReadWrite: an ordinary database.
	OnlineReadWrite
)

// Databases is the instance's registry, as this package needs it. It is called without locks of the Manager held, except
// Facts, which must not call back.
type Databases interface {
	// Facts describes a database; false when there is none of that name. Names compare without case.
	Facts(name string) (agcore.Facts, bool)
	// Open returns the open storage of an online database, its id (database_id) and the release that must be called
	// when it is not used any more. The instance does not close the storage before. It may also fail for a moment, as
	// while the database is started; the caller tries again.
	Open(ctx context.Context, name string) (db *storage.DB, release func(), err error)
	// Inspect is Open for looking at pages only: also of a database that has stopped because of what was found in it.
	Inspect(name string) (db *storage.DB, release func(), err error)
	// CreateRestoring registers a new database in state Restoring, durably, and returns the storage options to make its
	// copy with. 1801 when the name is taken. A database that this link registered before is found by RestoringOptions.
	CreateRestoring(ctx context.Context, name string) (storage.Options, error)
	// RestoringOptions returns the storage options of a database that is in state Restoring; 911 when there is none.
	RestoringOptions(ctx context.Context, name string) (storage.Options, error)
	// Online takes over the storage of a copy that is whole and shows the database in the state OnlineReadOnly, durably:
	// from then on the instance opens it at start and hands it out by Open.
	Online(ctx context.Context, name string, db *storage.DB) error
	// Release makes a copy an ordinary database (OnlineReadWrite), durably, after its storage was promoted.
	Release(ctx context.Context, name string) error
	// Reseed puts a copy that is online back into the state Restoring, durably, keeping its folder, and returns the storage
	// options to make it anew with.
	Reseed(ctx context.Context, name string) (storage.Options, error)
	// PageOwners names the tables and indexes that pages belong to, as far as can be told; a page that it says nothing of is
	// not in the result. It may read the whole database, until ctx ends.
	PageOwners(ctx context.Context, name string, pages []uint32) map[uint32]string
	// Opening is called BEFORE a copy becomes the primary, and after log was taken back: what is known of its rows beside
	// the storage (identity counters) is found out anew.
	Opening(name string)
	// EndWriters ends the sessions that have a writing transaction open in the database, as ROLLBACK IMMEDIATE does.
	EndWriters(name string)
	// Discard removes a database in state Restoring with its files.
	Discard(ctx context.Context, name string) error
	// ID is the database_id of a name, or 0.
	ID(name string) int
	// List names every user database, for the views.
	List() []string
}

// AuthOrder is an endpoint's authentication (sys.database_mirroring_endpoints.connection_auth).
type AuthOrder uint8

// The orders; the values are the view's.
const (
	AuthNTLM                 AuthOrder = 1
	AuthKerberos             AuthOrder = 2
	AuthNegotiate            AuthOrder = 3
	AuthCertificate          AuthOrder = 4
	AuthNTLMCertificate      AuthOrder = 5
	AuthKerberosCertificate  AuthOrder = 6
	AuthNegotiateCertificate AuthOrder = 7
	AuthCertificateNTLM      AuthOrder = 8
	AuthCertificateKerberos  AuthOrder = 9
	AuthCertificateNegotiate AuthOrder = 10
)

// Encryption is an endpoint's encryption (encryption_algorithm).
type Encryption uint8

// The encryptions; the values are the view's. "None, …" is ENCRYPTION = SUPPORTED.
const (
	EncryptNone       Encryption = 0
	EncryptRC4        Encryption = 1
	EncryptAES        Encryption = 2
	EncryptNoneRC4    Encryption = 3
	EncryptNoneAES    Encryption = 4
	EncryptRC4AES     Encryption = 5
	EncryptAESRC4     Encryption = 6
	EncryptNoneRC4AES Encryption = 7
	EncryptNoneAESRC4 Encryption = 8
)

// EndpointRole is ROLE of an endpoint.
type EndpointRole uint8

// The roles; the values are the view's.
const (
	RolePartner EndpointRole = 1
	RoleWitness EndpointRole = 2
	RoleAll     EndpointRole = 3
)

// EndpointState is STATE of an endpoint.
type EndpointState uint8

// The states; the values are the view's.
const (
	EndpointStarted  EndpointState = 0
	EndpointStopped  EndpointState = 1
	EndpointDisabled EndpointState = 2
)

// EndpointSpec is CREATE ENDPOINT, and ALTER ENDPOINT where a nil field stays as it is. In CREATE a nil State is STOPPED,
// a nil Address ALL, a nil Auth WINDOWS NEGOTIATE, a nil Encryption REQUIRED AES; Port and Role must be given.
type EndpointSpec struct {
	Name  string
	State *EndpointState
	Port  *int
	// Address is LISTENER_IP; the zero netip.Addr is ALL.
	Address *netip.Addr
	Auth    *AuthOrder
	// Certificate is the name after CERTIFICATE, with an Auth that has one.
	Certificate string
	Encryption  *Encryption
	Role        *EndpointRole
}

// LinkSpec is what the managed instance is asked to join: a link, by the ARM request.
type LinkSpec struct {
	// Name is the distributed availability group's.
	Name string
	// Database is the database's name, the same on both sides.
	Database string
	// SourceEndpoint is the URL of the source's endpoint: TCP://host:port.
	SourceEndpoint string
	// PartnerGroup is the availability group on the source, OwnGroup that on the managed instance.
	PartnerGroup, OwnGroup string
}

// LinkStatus is what can be said of a link on this side.
type LinkStatus struct {
	Spec LinkSpec
	// LinkID and SourceReplicaID, TargetReplicaID are the ids of the distributed group and of its members; zero before
	// the source has answered.
	LinkID, SourceReplicaID, TargetReplicaID agcore.ID
	Phase                                    agcore.Phase
	Role                                     agcore.Role
	Connected                                bool
	// Sync is the copy's state, Health the judgement on it.
	Sync   agcore.SyncState
	Health agcore.Health
	// Mode is the replication mode of the remote member.
	Mode agcore.AvailabilityMode
	// LastError is the last failure to connect or to go on; zero when there was none since the last connection.
	LastError   agcore.Fault
	LastErrorAt time.Time
	// Reason says in words why data movement is suspended or cannot go on; "" otherwise.
	Reason string
	// SeededBytes of SeedBytes have arrived; both zero before seeding and kept after it.
	SeededBytes, SeedBytes int64
	// Hardened and Published are this side's positions.
	Hardened, Published lsn.LSN
	// Standing is how the database stands here, FailoverPhase what a change of roles is at, "" for none.
	Standing      agcore.Standing
	FailoverPhase string
	// Split is set while both sides are primary and this one outlived the other (58016), as far as they told each other.
	Split agcore.Fault
	// Pause is how long no writer was let in at the last failover, as this side saw it; 0: there was none since the start.
	Pause time.Duration
	// Failovers and Digests count since the start: changes of this database's role, and digests of the other side's that
	// were compared with our own pages' and equal.
	Failovers, Digests int64
	// Loss is what the last forced failover left out, or nil. Divergence says where this copy differs, or "".
	Loss       *agcore.Loss
	Divergence string
	Created    time.Time
}

// EndpointInfo is the endpoint as the catalog shows it.
type EndpointInfo struct {
	ID          int
	Name        string
	State       EndpointState
	Port        int
	Address     netip.Addr
	Role        EndpointRole
	Auth        AuthOrder
	Certificate string
	Encryption  Encryption
}
