package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linkspan/hadr"
	"linkspan/sqlerr"
	"linkspan/trust"
)

// Replicas is the instance's replica manager.
func (in *Instance) Replicas() *hadr.Manager { return in.hadr }

// PartnerCertificates are the certificates of partners: those without a private key.
func (in *Instance) PartnerCertificates() []*trust.Certificate {
	var out []*trust.Certificate
	for _, c := range in.keeper.Certificates() {
		if c.Encryption() == trust.NoPrivateKey {
			out = append(out, c)
		}
	}
	return out
}

// TrustPartner imports a partner's certificate. Doing it again with the same certificate changes nothing; another
// certificate under the name replaces it, which cuts what rests on the old one and lets the new one authorise its links. What cannot be imported replaces nothing,
// and neither does anything replace a certificate of the instance's own: 15297, 15232.
func (in *Instance) TrustPartner(ctx context.Context, name string, der []byte) error {
	if c := in.keeper.ByName(name); c != nil {
		if c.Same(der) {
			return nil
		}
		if err := in.replaceable(c, der); err != nil {
			return err
		}
		in.hadr.Succeed(c.DER, der)
		if err := in.keeper.DropCertificate(ctx, name); err != nil {
			return err
		}
	}
	_, err := in.keeper.ImportCertificate(ctx, name, der) // warnings about dates show in the views
	return err
}

// replaceable says why the certificate cannot give way to the other one, or nil.
func (in *Instance) replaceable(c *trust.Certificate, der []byte) error {
	x, err := trust.ParsePublic(der)
	if err != nil {
		return err
	}
	if c.Encryption() != trust.NoPrivateKey {
		return sqlerr.New(15232, c.Name).WithCause(errors.New("it is a certificate of the instance's own"))
	}
	if other := in.keeper.ByDER(der); other != nil {
		return sqlerr.New(15232, c.Name).WithCause(fmt.Errorf("the certificate is there as %q", other.Name))
	}
	if other := in.keeper.Impostor(x); other != nil && other != c {
		return sqlerr.New(15232, c.Name).WithCause(fmt.Errorf("%q has the same issuer and serial number", other.Name))
	}
	return nil
}

// ForgetPartner drops a partner's certificate; one that is not there is no error.
func (in *Instance) ForgetPartner(ctx context.Context, name string) error {
	if in.keeper.ByName(name) == nil {
		return nil
	}
	return in.keeper.DropCertificate(ctx, name)
}

// DatabaseInfo describes a user database.
type DatabaseInfo struct {
	Name, Collation string
	State           State
	Created         time.Time
}

// UserDatabases lists the user databases by number.
func (in *Instance) UserDatabases() []DatabaseInfo {
	var out []DatabaseInfo
	for _, d := range in.list() {
		if doc := d.snapshot(); doc.ID >= firstID {
			out = append(out, DatabaseInfo{Name: doc.Name, Collation: doc.Collation, State: d.State(), Created: doc.Created})
		}
	}
	return out
}
