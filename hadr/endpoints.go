package hadr

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"linkspan/hadr/endpoint"
	"linkspan/sqlerr"
	"linkspan/trust"
)

// firstEndpointID is the id of the first endpoint a user makes.
const firstEndpointID = 65536

var errEndpointStopped = errors.New("the mirroring endpoint was stopped")

// hasCertificate reports whether an order includes CERTIFICATE.
func (a AuthOrder) hasCertificate() bool {
	return a >= AuthCertificate && a <= AuthCertificateNegotiate
}

// hasAES reports whether an encryption includes AES.
func (e Encryption) hasAES() bool {
	switch e {
	case EncryptAES, EncryptNoneAES, EncryptRC4AES, EncryptAESRC4, EncryptNoneRC4AES, EncryptNoneAESRC4:
		return true
	default:
		return false
	}
}

// Endpoint describes the endpoint; false when there is none.
func (m *Manager) Endpoint() (EndpointInfo, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.endpoint == nil {
		return EndpointInfo{}, false
	}
	return *m.endpoint, true
}

// CreateEndpoint is CREATE ENDPOINT … FOR DATABASE_MIRRORING. Errors: 7862 there is one, 15151 no such certificate, 28055
// certificate unusable, 9692 port in use; the endpoint is not made then.
func (m *Manager) CreateEndpoint(ctx context.Context, s EndpointSpec) error {
	m.write.Lock()
	defer m.write.Unlock()
	if _, ok := m.Endpoint(); ok {
		return sqlerr.New(7862)
	}
	e := EndpointInfo{ID: firstEndpointID, Name: s.Name, State: EndpointStopped, Role: RoleAll, Auth: AuthNegotiate, Encryption: EncryptAES}
	if err := m.applyEndpoint(&e, s); err != nil {
		return err
	}
	return m.setEndpoint(ctx, nil, &e)
}

// AlterEndpoint is ALTER ENDPOINT. Errors: 15151, 7863 nothing to change, and those of CreateEndpoint. A new certificate
// is announced to the peers of live links first, so that they bind it; then those links connect anew with it. The warnings
// (58004, 58005) are for the user: they name the links that go on without it.
func (m *Manager) AlterEndpoint(ctx context.Context, s EndpointSpec) ([]*sqlerr.Error, error) {
	next := m.nextCertificate(s)
	var peers []announced
	if next != nil {
		peers = m.announce(ctx, next)
	}
	if err := m.alterEndpoint(ctx, s); err != nil || next == nil {
		return nil, err
	}
	return m.turn(next, peers), nil
}

// nextCertificate is the usable certificate that a statement names, or nil. It may be the present one: then peers that did
// not know it are told again.
func (m *Manager) nextCertificate(s EndpointSpec) *trust.Certificate {
	c := m.opts.Keeper.ByName(s.Certificate)
	if _, ok := m.Endpoint(); !ok || s.Auth == nil || c == nil || m.opts.Keeper.CheckEndpoint(c) != nil {
		return nil
	}
	return c
}

func (m *Manager) alterEndpoint(ctx context.Context, s EndpointSpec) error {
	m.write.Lock()
	defer m.write.Unlock()
	old, ok := m.Endpoint()
	if !ok || fold(old.Name) != fold(s.Name) {
		return sqlerr.New(15151, "alter", "endpoint", s.Name)
	}
	if s.State == nil && s.Port == nil && s.Address == nil && s.Auth == nil && s.Certificate == "" && s.Encryption == nil && s.Role == nil {
		return sqlerr.New(7863)
	}
	e := old
	if err := m.applyEndpoint(&e, s); err != nil {
		return err
	}
	return m.setEndpoint(ctx, &old, &e)
}

// DropEndpoint is DROP ENDPOINT. Error: 15151.
func (m *Manager) DropEndpoint(ctx context.Context, name string) error {
	m.write.Lock()
	defer m.write.Unlock()
	old, ok := m.Endpoint()
	if !ok || fold(old.Name) != fold(name) {
		return sqlerr.New(15151, "drop", "endpoint", name)
	}
	if err := m.opts.Store.Delete(ctx, kindEndpoint, "endpoint"); err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	m.mu.Lock()
	m.endpoint = nil
	m.mu.Unlock()
	m.ep.Unlisten(errEndpointStopped)
	m.ep.Recheck()
	return nil
}

// applyEndpoint takes over and checks what was given.
func (m *Manager) applyEndpoint(e *EndpointInfo, s EndpointSpec) error {
	set(&e.State, s.State)
	set(&e.Port, s.Port)
	set(&e.Address, s.Address)
	set(&e.Role, s.Role)
	set(&e.Encryption, s.Encryption)
	if s.Auth != nil {
		e.Auth, e.Certificate = *s.Auth, s.Certificate
	}
	if !e.Auth.hasCertificate() {
		e.Certificate = ""
		return nil
	}
	c := m.opts.Keeper.ByName(e.Certificate)
	if c == nil {
		return sqlerr.New(15151, "find", "certificate", e.Certificate)
	}
	e.Certificate = c.Name
	if s.Auth != nil {
		return m.opts.Keeper.CheckEndpoint(c)
	}
	return nil
}

func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}

// setEndpoint listens as the endpoint says and stores it; the caller holds write. When the port cannot be bound nothing
// changes.
func (m *Manager) setEndpoint(ctx context.Context, old, e *EndpointInfo) error {
	moved := old == nil || old.Port != e.Port || old.Address != e.Address || (old.State == EndpointStarted) != (e.State == EndpointStarted)
	if moved {
		m.ep.Unlisten(errEndpointStopped)
		if e.State == EndpointStarted {
			if err := m.listen(e); err != nil {
				if old != nil && old.State == EndpointStarted {
					err = errors.Join(err, m.listen(old))
				}
				return err
			}
		}
	}
	doc, err := json.Marshal(e)
	if err == nil {
		err = m.opts.Store.Put(ctx, kindEndpoint, "endpoint", doc)
	}
	if err != nil {
		if moved && old == nil {
			m.ep.Unlisten(errEndpointStopped)
		}
		return fmt.Errorf("store endpoint: %w", err)
	}
	m.mu.Lock()
	m.endpoint = e
	m.mu.Unlock()
	m.noticed()
	return nil
}

// listen binds the endpoint's port; port 0 becomes the one that was found.
func (m *Manager) listen(e *EndpointInfo) error {
	addrs := m.opts.Addresses
	if e.Address.IsValid() {
		addrs = []netip.Addr{e.Address}
	}
	if err := m.ep.Listen(addrs, uint16(e.Port)); err != nil {
		return err
	}
	e.Port = int(m.ep.Port())
	m.errorLog(sqlerr.New(9690, "Database Mirroring"))
	return nil
}

// local is the address that connections are made from.
func (m *Manager) local() netip.Addr {
	if a := m.opts.Addresses[0]; !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}

// identity is the endpoint's certificate with its key.
func (m *Manager) identity() (*endpoint.Identity, error) {
	e, ok := m.Endpoint()
	switch {
	case !ok || e.State != EndpointStarted:
		return nil, sqlerr.New(28080, "Database Mirroring", 1)
	case !e.Auth.hasCertificate():
		return nil, sqlerr.New(28027, "authentication protocol", 1)
	case !e.Encryption.hasAES():
		return nil, sqlerr.New(28027, "encryption algorithm", 1)
	}
	c := m.opts.Keeper.ByName(e.Certificate)
	if c == nil {
		return nil, sqlerr.New(28036, e.Certificate, 1)
	}
	key, err := m.opts.Keeper.PrivateKey(c)
	if err != nil {
		return nil, err
	}
	return &endpoint.Identity{DER: c.DER, Key: key, Start: c.Start(), End: c.Expiry()}, nil
}

// peer recognises an imported certificate.
func (m *Manager) peer(x *x509.Certificate) (string, error) {
	c := m.opts.Keeper.ByDER(x.Raw)
	if c != nil && c.Encryption() == trust.NoPrivateKey {
		return c.Name, m.connects(c.Owner)
	}
	if c == nil && m.opts.Keeper.Impostor(x) != nil {
		return "", sqlerr.New(28045, 1)
	}
	return "", sqlerr.New(28035, "Certificate not found", 89)
}

// guard keeps a certificate that the endpoint shows from being dropped.
func (m *Manager) guard(c *trust.Certificate) error {
	if e, ok := m.Endpoint(); ok && e.Auth.hasCertificate() && fold(e.Certificate) == fold(c.Name) {
		return sqlerr.New(15352, "certificate")
	}
	return nil
}

// The types of sp_get_endpoint_certificate.
const (
	endpointBroker    = 3
	endpointMirroring = 4
)

// EndpointCertificate is the public key that sp_get_endpoint_certificate gives for a type: nil for one that is neither 3
// nor 4. Errors: 47505 no endpoint of the type, 47506 no certificate.
func (m *Manager) EndpointCertificate(endpointType int) ([]byte, error) {
	if endpointType != endpointBroker && endpointType != endpointMirroring {
		return nil, nil
	}
	e, ok := m.Endpoint()
	if !ok || endpointType == endpointBroker {
		return nil, sqlerr.New(47505, endpointType)
	}
	c := m.opts.Keeper.ByName(e.Certificate)
	if c == nil {
		return nil, sqlerr.New(47506, endpointType)
	}
	return c.DER, nil
}

// managedName names what a managed instance makes for itself.
const managedName = "hadr_endpoint"

// EnsureManaged makes what a managed instance has from its first start: a master key, an endpoint certificate (a new one
// when the old has expired) and the mirroring endpoint on the port, started; port 0 keeps the one it had, or picks one.
// It is safe to call at every start.
func (m *Manager) EnsureManaged(ctx context.Context, port int) error {
	k := m.opts.Keeper
	if k.MasterKey() == nil {
		if err := k.CreateMasterKey(ctx, ""); err != nil {
			return fmt.Errorf("create master key: %w", err)
		}
	}
	name, err := m.managedCertificate(ctx)
	if err != nil {
		return err
	}
	spec := EndpointSpec{Name: managedName, State: new(EndpointStarted), Port: &port, Auth: new(AuthCertificate), Certificate: name,
		Encryption: new(EncryptAES), Role: new(RoleAll)}
	old, ok := m.Endpoint()
	if !ok {
		return m.CreateEndpoint(ctx, spec)
	}
	listening := int(m.ep.Port())
	if listening != 0 && (port == 0 || port == listening) && old.Certificate == name && old.State == EndpointStarted {
		return nil
	}
	if listening == 0 { // Start could not bind the stored port
		stopped := spec
		stopped.State = new(EndpointStopped)
		stopped.Name = old.Name
		if err := m.alterEndpoint(ctx, stopped); err != nil {
			return err
		}
	}
	spec.Name = old.Name
	return m.alterEndpoint(ctx, spec)
}

func (m *Manager) managedCertificate(ctx context.Context) (string, error) {
	k, base := m.opts.Keeper, "Cert_"+m.opts.ShortName+"_endpoint"
	if e, ok := m.Endpoint(); ok { // the one it was rotated to, perhaps
		c := k.ByName(e.Certificate)
		// One that begins later was valid before: the clock is wrong, and nobody knows another certificate of ours.
		if c != nil && (k.CheckEndpoint(c) == nil || m.now().Before(c.Start())) {
			return c.Name, nil
		}
	}
	for i := 1; ; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s_%d", base, i)
		}
		c := k.ByName(name)
		if c != nil && k.CheckEndpoint(c) == nil {
			return name, nil
		}
		if c != nil {
			continue
		}
		_, err := k.CreateCertificate(ctx, trust.CertificateSpec{Name: name, Subject: m.opts.ServerName, Expiry: m.now().AddDate(5, 0, 0)})
		if err != nil {
			return "", fmt.Errorf("create endpoint certificate: %w", err)
		}
		return name, nil
	}
}
