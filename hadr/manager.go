package hadr

import (
	"context"
	"errors"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqlerr"
)

// Manager is the replica manager of one instance. Its methods are safe for concurrent use; statements are carried out one
// at a time.
type Manager struct{}

// Open reads the stored configuration. It touches no database and no network: Retain may be called from now on, so that
// databases can be opened.
func Open(ctx context.Context, o Options) (*Manager, error) { return nil, errors.ErrUnsupported }

// Start starts the endpoint, if its state is STARTED, and every link. Call it when the databases are open. A port that
// cannot be bound is no error: it is written to the error log (9692), as SQL Server does.
func (m *Manager) Start(ctx context.Context) error { return errors.ErrUnsupported }

// Close ends every connection and waits. It returns the storage handles of copies that are being seeded in a state to be
// continued. Idempotent.
func (m *Manager) Close() error { return nil }

// Retain is the storage option of the same name for a database: the LSN after which a link still wants its log, or
// lsn.Max.
func (m *Manager) Retain(database string) lsn.LSN { return lsn.Max }

// CreateEndpoint is CREATE ENDPOINT … FOR DATABASE_MIRRORING. Errors: 7862 there is one, 15151 no such certificate, 28055
// certificate unusable, 9692 port in use (the endpoint is made all the same only when the port can be bound).
func (m *Manager) CreateEndpoint(ctx context.Context, s EndpointSpec) error {
	return errors.ErrUnsupported
}

// AlterEndpoint is ALTER ENDPOINT. Errors: 15151, 7863 nothing to change, and those of CreateEndpoint.
func (m *Manager) AlterEndpoint(ctx context.Context, s EndpointSpec) error {
	return errors.ErrUnsupported
}

// DropEndpoint is DROP ENDPOINT. Error: 15151.
func (m *Manager) DropEndpoint(ctx context.Context, name string) error { return errors.ErrUnsupported }

// Endpoint describes the endpoint; false when there is none.
func (m *Manager) Endpoint() (EndpointInfo, bool) { return EndpointInfo{}, false }

// EndpointCertificate is the public key that sp_get_endpoint_certificate gives for a type: nil for one that is neither 3
// nor 4. Errors: 47505 no endpoint of the type, 47506 no certificate.
func (m *Manager) EndpointCertificate(endpointType int) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// EnsureManaged makes what a managed instance has from its first start: a master key, an endpoint certificate and the
// mirroring endpoint on the port, started. It is safe to call at every start.
func (m *Manager) EnsureManaged(ctx context.Context, port int) error { return errors.ErrUnsupported }

// CreateGroup is CREATE AVAILABILITY GROUP … REPLICA ON. The messages are for the user.
func (m *Manager) CreateGroup(ctx context.Context, s agcore.GroupSpec) ([]*sqlerr.Error, error) {
	return nil, errors.ErrUnsupported
}

// CreateDistributed is CREATE AVAILABILITY GROUP … WITH (DISTRIBUTED).
func (m *Manager) CreateDistributed(ctx context.Context, s agcore.DistributedSpec) ([]*sqlerr.Error, error) {
	return nil, errors.ErrUnsupported
}

// AlterGroup is ALTER AVAILABILITY GROUP.
func (m *Manager) AlterGroup(ctx context.Context, c agcore.Change) error {
	return errors.ErrUnsupported
}

// DropGroup is DROP AVAILABILITY GROUP, of either kind. Databases stay as they are, online. Error: 15151.
func (m *Manager) DropGroup(ctx context.Context, name string) error { return errors.ErrUnsupported }

// Suspend is ALTER DATABASE … SET HADR SUSPEND, Resume … RESUME. Error: 35242 the database is in no group.
func (m *Manager) Suspend(ctx context.Context, database string) error { return errors.ErrUnsupported }

// Resume reverses Suspend, and lets a copy that was suspended by a fault try again.
func (m *Manager) Resume(ctx context.Context, database string) error { return errors.ErrUnsupported }

// Member tells whether a database is in a group, and its ids for sys.databases (replica_id, group_database_id).
func (m *Manager) Member(database string) (group string, replica, groupDatabase agcore.ID, ok bool) {
	return "", agcore.ID{}, agcore.ID{}, false
}

// JoinLink makes this managed instance join a link, and returns when the source has accepted it and the database is
// registered as restoring; the seeding goes on in the background. Refused, nothing is left behind. Joining a link that is
// there already with the same parts does nothing. Errors: 1801 database name taken, 41106 a group of that name, 19499 bad
// URL, 41973, 41974, 41976, 41977, 41986, 41962, 35203.
func (m *Manager) JoinLink(ctx context.Context, s LinkSpec) error { return errors.ErrUnsupported }

// DropLink ends a link on the managed instance. A whole copy becomes an ordinary database, ONLINE and read-write; one
// that is still being seeded is discarded. Error: 15151.
func (m *Manager) DropLink(ctx context.Context, name string) error { return errors.ErrUnsupported }

// Links lists the links by name, on either side.
func (m *Manager) Links() []LinkStatus { return nil }

// Link describes one link; false when there is none of that name.
func (m *Manager) Link(name string) (LinkStatus, bool) { return LinkStatus{}, false }

// Views are the catalog and dynamic management views of this package: sys.certificates, sys.symmetric_keys,
// sys.endpoints, sys.tcp_endpoints, sys.database_mirroring_endpoints, sys.availability_groups,
// sys.availability_replicas, sys.availability_databases_cluster, sys.dm_hadr_availability_group_states,
// sys.dm_hadr_availability_replica_states, sys.dm_hadr_database_replica_states, sys.dm_hadr_automatic_seeding and
// sys.dm_hadr_physical_seeding_stats. The instance's other endpoints (TSQL) are not in them.
func (m *Manager) Views() []rel.View { return nil }
