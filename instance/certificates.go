package instance

import (
	"context"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/trust"
	"linkspan/tsql/ast"
)

// createMasterKey is CREATE MASTER KEY.
func (in *Instance) createMasterKey(ctx context.Context, s *ast.CreateMasterKey) error {
	if s.Password == nil {
		if in.opts.Kind == SQLServer {
			return sqlerr.New(102, "KEY")
		}
		return in.keeper.CreateMasterKey(ctx, "")
	}
	if *s.Password == "" {
		return sqlerr.New(15118)
	}
	return in.keeper.CreateMasterKey(ctx, *s.Password)
}

// alterMasterKey is ALTER MASTER KEY.
func (in *Instance) alterMasterKey(ctx context.Context, s *ast.AlterMasterKey) error {
	p := trust.Protector{Service: s.Service, Password: s.Password}
	switch s.Verb {
	case "ADD":
		return in.keeper.AddProtector(ctx, p)
	case "DROP":
		return in.keeper.DropProtector(ctx, p)
	default:
		return unsupported("ALTER MASTER KEY REGENERATE", "create new certificates and drop the master key instead")
	}
}

// createCertificate is CREATE CERTIFICATE, self-signed or from its binary form.
func (in *Instance) createCertificate(ctx context.Context, s *ast.CreateCertificate, out sqlapi.ResultSink) error {
	if err := refuseCertificateForms(s); err != nil {
		return err
	}
	var warnings []*sqlerr.Error
	var err error
	if s.Owner != "" && s.Owner != "dbo" {
		snap, err := in.master().schema(ctx)
		if err != nil {
			return err
		}
		if u := snap.Principal(s.Owner); u == nil || u.IsRole() {
			return sqlerr.New(15151, "find", "user", s.Owner)
		}
	}
	if s.Owner == "dbo" {
		s.Owner = ""
	}
	if s.Binary != nil {
		warnings, err = in.keeper.ImportFor(ctx, s.Owner, s.Name, s.Binary)
	} else {
		warnings, err = in.selfSigned(ctx, s)
	}
	if err != nil {
		return err
	}
	return send(out, warnings)
}

func (in *Instance) selfSigned(ctx context.Context, s *ast.CreateCertificate) ([]*sqlerr.Error, error) {
	spec := trust.CertificateSpec{Name: s.Name, Owner: s.Owner}
	if s.Subject != nil {
		spec.Subject = *s.Subject
	}
	if s.ActiveForBeginDialog != nil {
		spec.InactiveForBeginDialog = !*s.ActiveForBeginDialog
	}
	for _, d := range []struct {
		text *string
		to   *time.Time
	}{{s.Start, &spec.Start}, {s.Expiry, &spec.Expiry}} {
		if d.text == nil {
			continue
		}
		t, err := parseDate(*d.text)
		if err != nil {
			return nil, err
		}
		*d.to = t
	}
	return in.keeper.CreateCertificate(ctx, spec)
}

// refuseCertificateForms names the forms of CREATE CERTIFICATE that are understood but not served.
func refuseCertificateForms(s *ast.CreateCertificate) error {
	switch {
	case s.File != nil:
		return unsupported("CREATE CERTIFICATE FROM FILE", "use FROM BINARY = 0x…")
	case s.Assembly != "":
		return unsupported("CREATE CERTIFICATE FROM ASSEMBLY", "use FROM BINARY = 0x…")
	case s.PrivateKey != nil:
		return unsupported("WITH PRIVATE KEY", "import the public part; the private key stays where it was made")
	case s.Password != nil:
		return unsupported("ENCRYPTION BY PASSWORD of a certificate", "leave it out: the master key encrypts the private key")
	}
	return nil
}

// unsupported is the refusal of a form that is understood but not served. What docs/parity.md lists comes from here.
func unsupported(what, instead string) *sqlerr.Error {
	e := *sqlerr.New(40510, what)
	e.Message += " Instead: " + instead + "."
	return &e
}

func send(out sqlapi.ResultSink, messages []*sqlerr.Error) error {
	for _, m := range messages {
		if err := out.Message(m); err != nil {
			return err
		}
	}
	return nil
}
