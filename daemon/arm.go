package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"linkspan/arm"
	"linkspan/armtypes"
	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/logreplay"
)

func caFile(dir string) string { return filepath.Join(dir, arm.CAFile) }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// armStore keeps the endpoint's identity: the authority, which the TDS port shares, in its own folder.
type armStore struct {
	own arm.FileStore
	ca  string
}

// Load implements arm.Store.
func (s armStore) Load(name string) ([]byte, error) {
	if name == arm.CAFile || name == caKeyFile {
		return os.ReadFile(filepath.Join(s.ca, name))
	}
	return s.own.Load(name)
}

// Save implements arm.Store.
func (s armStore) Save(name string, data []byte, secret bool) error {
	if name == arm.CAFile || name == caKeyFile {
		return fmt.Errorf("the certificate authority in %s does not fit together or has expired: remove %s and %s, and a new one is made at the next start", s.ca, arm.CAFile, caKeyFile)
	}
	return s.own.Save(name, data, secret)
}

func (d *Daemon) startARM() error {
	c := d.config.ARM
	creds := armCredentials{Tenant: c.Tenant, ClientID: c.ClientID, ClientSecret: c.ClientSecret}
	if creds.ClientSecret == "" {
		var err error
		if creds, err = openSecret(c.Credentials, func() (armCredentials, error) { return freshARM(c) }); err != nil {
			return err
		}
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if host != "localhost" && host != "127.0.0.1" {
		hosts = append(hosts, host)
	}
	identity, err := arm.OpenIdentity(armStore{arm.FileStore{FS: fsx.OS{}, Dir: filepath.Join(d.config.Dir, "arm")}, d.config.CA}, hosts, clock.System.Now())
	if err != nil {
		return err
	}
	d.replays, err = logreplay.Open(context.Background(), logreplay.Options{Target: replayTarget{d.instance}, Log: d.log.With("component", "logreplay")})
	if err != nil {
		return err
	}
	server, err := arm.New(arm.Options{
		Subscription: c.Subscription, Tenant: c.Tenant, Clients: []arm.Client{{ID: creds.ClientID, Secret: creds.ClientSecret}},
		Audiences: []string{"https://management.azure.com", "https://management.core.windows.net"}, Identity: identity,
		Instances: []arm.Instance{d.armInstance()}, Log: d.log.With("component", "arm"),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the ARM endpoint on %s: %w", c.Listen, err), server.Close())
	}
	_, port, _ = net.SplitHostPort(l.Addr().String()) // a bound address has a port
	d.armURL = "https://" + net.JoinHostPort(host, port)
	if err := server.SetBaseURL(d.armURL); err != nil {
		return errors.Join(err, l.Close(), server.Close())
	}
	d.arm = server
	d.group.Go(func(context.Context) {
		if err := server.Serve(l); err != nil {
			d.log.Error("ARM endpoint ended", "reason", err)
		}
	})
	return nil
}

func (d *Daemon) armInstance() arm.Instance {
	c, a := d.config, armAdapter{d.instance, d.replays}
	return arm.Instance{
		Name: c.Name, ResourceGroup: c.ARM.ResourceGroup, Location: c.ARM.Location,
		Describe: func(context.Context) (arm.InstanceInfo, error) {
			return arm.InstanceInfo{FQDN: c.FQDN, AdministratorLogin: "sa", Collation: c.Collation}, nil
		},
		TrustCertificates: a, EndpointCertificates: a, Links: a, Databases: a, LogReplay: d.replays,
	}
}

// armAdapter shows an instance as the ARM endpoint asks for it.
type armAdapter struct {
	in      *instance.Instance
	replays *logreplay.Manager
}

// TrustCertificates implements arm.TrustCertificates.
func (a armAdapter) TrustCertificates(context.Context) ([]arm.TrustCertificate, error) {
	var out []arm.TrustCertificate
	for _, c := range a.in.PartnerCertificates() {
		out = append(out, arm.TrustCertificate{Name: c.Name, DER: c.DER})
	}
	return out, nil
}

// PutTrustCertificate implements arm.TrustCertificates.
func (a armAdapter) PutTrustCertificate(ctx context.Context, name string, der []byte) error {
	return a.in.TrustPartner(ctx, name, der)
}

// DeleteTrustCertificate implements arm.TrustCertificates.
func (a armAdapter) DeleteTrustCertificate(ctx context.Context, name string) error {
	return a.in.ForgetPartner(ctx, name)
}

// MirroringCertificate implements arm.EndpointCertificates.
func (a armAdapter) MirroringCertificate(context.Context) ([]byte, error) {
	return a.in.Replicas().EndpointCertificate(4)
}

// Links implements arm.Links.
func (a armAdapter) Links(context.Context) ([]armtypes.Link, error) {
	var out []armtypes.Link
	for _, l := range a.in.Replicas().Links() {
		out = append(out, armLink(l))
	}
	return out, nil
}

// CreateLink implements arm.Links.
func (a armAdapter) CreateLink(ctx context.Context, s armtypes.LinkSpec) error {
	if s.InstanceRole == armtypes.Primary {
		return errors.New("a link with the managed instance as its first primary is not supported yet: create it from SQL Server")
	}
	return a.in.Replicas().JoinLink(ctx, hadr.LinkSpec{Name: s.Name, Database: s.Databases[0], SourceEndpoint: s.PartnerEndpoint,
		PartnerGroup: s.PartnerAG, OwnGroup: s.InstanceAG})
}

// SetReplicationMode implements arm.Links: it is MODIFY AVAILABILITY GROUP ON for both groups.
func (a armAdapter) SetReplicationMode(ctx context.Context, name, mode string) error {
	l, ok := a.in.Replicas().Link(name)
	if !ok {
		return arm.ErrNotFound
	}
	to := agcore.Asynchronous
	if mode == armtypes.Sync {
		to = agcore.Synchronous
	}
	return a.in.Replicas().AlterGroup(ctx, agcore.Change{Name: l.Spec.Name, ModifyMembers: []agcore.MemberSpec{
		{Name: l.Spec.PartnerGroup, Mode: &to}, {Name: l.Spec.OwnGroup, Mode: &to}}})
}

// FailoverLink implements arm.Failover.
func (a armAdapter) FailoverLink(ctx context.Context, name string, allowDataLoss bool) error {
	if allowDataLoss {
		return a.in.Replicas().ForceFailover(ctx, name)
	}
	return a.in.Replicas().RequestFailover(ctx, name)
}

// FollowLink implements arm.Failover.
func (a armAdapter) FollowLink(ctx context.Context, name string) error {
	return a.in.Replicas().SetRoleSecondary(ctx, name)
}

// DeleteLink implements arm.Links.
func (a armAdapter) DeleteLink(ctx context.Context, name string) error {
	if _, ok := a.in.Replicas().Link(name); !ok {
		return nil
	}
	return a.in.Replicas().DropLink(ctx, name)
}

// Databases implements arm.Databases.
func (a armAdapter) Databases(context.Context) ([]arm.Database, error) {
	var out []arm.Database
	for _, d := range a.in.UserDatabases() {
		status := map[instance.State]string{instance.Online: "Online", instance.Restoring: "Restoring", instance.Offline: "Offline"}[d.State]
		if status == "" {
			status = "Inaccessible"
		}
		out = append(out, arm.Database{Name: d.Name, Status: status, Collation: d.Collation, Created: d.Created})
	}
	return withReplays(out, a.replays), nil
}
