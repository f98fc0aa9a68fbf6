package arm

import (
	"context"
	"errors"
	"time"

	"linkspan/armtypes"
)

// Instance is a managed instance behind the endpoint. Its parts are called concurrently.
type Instance struct {
	// Name is the short name ("sqlmi1"), ResourceGroup and Location where it shows itself.
	Name, ResourceGroup, Location string
	// Describe tells what changes or is known only to the instance.
	Describe func(ctx context.Context) (InstanceInfo, error)

	TrustCertificates    TrustCertificates
	EndpointCertificates EndpointCertificates
	Links                Links
	Databases            Databases
	// LogReplay may be nil: databases are then only shown.
	LogReplay LogReplay
}

// InstanceInfo describes a managed instance.
type InstanceInfo struct {
	// FQDN is the fully qualified name under which clients and partners know it.
	FQDN string
	// AdministratorLogin is the login's name.
	AdministratorLogin string
	Collation          string
	// Tags are shown as they are. May be nil.
	Tags map[string]string
}

// ErrNotFound is returned (wrapped) by a part that was asked to change what is not there.
var ErrNotFound = errors.New("not found")

// TrustCertificates keeps the certificates of partners, each under a name. Names are compared without regard to case.
type TrustCertificates interface {
	// TrustCertificates lists them.
	TrustCertificates(ctx context.Context) ([]TrustCertificate, error)
	// PutTrustCertificate adds or replaces one. der was checked to be exactly one X.509 certificate. It MUST be
	// idempotent.
	PutTrustCertificate(ctx context.Context, name string, der []byte) error
	// DeleteTrustCertificate removes one, or refuses while a link needs it.
	DeleteTrustCertificate(ctx context.Context, name string) error
}

// TrustCertificate is one trusted certificate.
type TrustCertificate struct {
	Name string
	DER  []byte
}

// EndpointCertificates shows the instance's own certificates.
type EndpointCertificates interface {
	// MirroringCertificate is the DER of the certificate at the instance's mirroring endpoint.
	MirroringCertificate(ctx context.Context) ([]byte, error)
}

// Links makes and ends links. Errors that carry an *sqlerr.Error reach the caller with its number and text.
type Links interface {
	// Links lists them with their states.
	Links(ctx context.Context) ([]armtypes.Link, error)
	// CreateLink has the instance join the partner's distributed availability group. It returns when the partner has
	// answered and agreed (seeding goes on by itself), or with what refused it: 41976 when the partner does not answer
	// for the group, and so on. The specification was normalised and checked. A link that exists with the same
	// specification is success. It runs as a long operation: ctx ends only with the server.
	CreateLink(ctx context.Context, s armtypes.LinkSpec) error
	// SetReplicationMode changes Async to Sync and back.
	SetReplicationMode(ctx context.Context, name, mode string) error
	// DeleteLink ends the link; the database becomes independent and writable. Deleting what is not there is success.
	DeleteLink(ctx context.Context, name string) error
}

// Failover is an optional extension of Links: without it, POST failover and setRole are refused as not supported. Both run
// as long operations.
type Failover interface {
	// FailoverLink, planned, has the two sides change their roles, whichever is the instance's now, and returns when that is
	// done; after an error the roles are as they were, or the link's state says what stands. With allowDataLoss it makes the
	// instance the primary without asking the partner.
	FailoverLink(ctx context.Context, name string, allowDataLoss bool) error
	// FollowLink makes the instance the copy of a partner that was opened by force; what only the instance has is written
	// to a file first.
	FollowLink(ctx context.Context, name string) error
}

// Databases shows the instance's databases.
type Databases interface {
	Databases(ctx context.Context) ([]Database, error)
}

// Database is one user database of the instance.
type Database struct {
	Name string
	// Status is Online, Restoring, Offline, Inaccessible, Creating or Updating.
	Status    string
	Collation string
	// Created may be zero.
	Created time.Time
	// Tags are those that a log replay was started with.
	Tags map[string]string
}
