package flow

import (
	"bytes"
	"strings"

	"linkspan/armtypes"
)

// Numbers of SQL errors that say that something is there already, or is not.
const (
	errMasterKeyExists   = 15578
	errCertificateExists = 15232
	errEndpointExists    = 7862
	errGroupExists       = 41106
	errNameExists        = 19509
	errMissing           = 15151
)

func masterKey() Step {
	return Step{
		ID: "master-key", Title: "have a database master key in master", Precondition: "sys.symmetric_keys shows no ##MS_DatabaseMasterKey## in master",
		Effect:    "sys.symmetric_keys shows ##MS_DatabaseMasterKey##",
		Tolerates: []int32{errMasterKeyExists},
		Probe: func(*State) []Call {
			return []Call{{SQL: "SELECT name FROM sys.symmetric_keys WHERE name = N'##MS_DatabaseMasterKey##'"}}
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			switch {
			case len(a[0].Rows) > 0:
				return done("the master key exists")
			case s.MasterKeyPassword == "":
				return refuse("master-key", "give a password for it, in the environment or a file", "%s has no database master key in master", s.ServerName)
			}
			return act("no master key")
		},
		Do: func(s *State) []Call {
			const head = "CREATE MASTER KEY ENCRYPTION BY PASSWORD = "
			return []Call{{SQL: head + quote(s.MasterKeyPassword), Shown: head + "N'***'"}}
		},
		Undo: func(*State) []Call { return []Call{{SQL: "DROP MASTER KEY"}} },
	}
}

func certificateProbe(name string) []Call {
	return []Call{
		{SQL: "SELECT name, pvt_key_encryption_type, start_date, expiry_date FROM sys.certificates WHERE name = @p1", Args: []any{name}},
		{SQL: "SELECT CERTENCODED(CERT_ID(@p1)) AS public_key", Args: []any{name}},
	}
}

// readCertificate gives the DER that the second probe returned, checked to be a certificate.
func readCertificate(a Answer) ([]byte, error) {
	if len(a.Rows) == 0 {
		return nil, nil
	}
	der := a.Rows[0].Bytes("public_key")
	if len(der) == 0 {
		return nil, nil
	}
	c, err := armtypes.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return c.Raw, nil
}

func certificate() Step {
	return Step{
		ID: "certificate", Title: "have a certificate for the mirroring endpoint", Precondition: "sys.certificates shows none under the name",
		Effect:    "sys.certificates shows it, its private key encrypted by the master key (MK)",
		Tolerates: []int32{errCertificateExists},
		Probe:     func(s *State) []Call { return certificateProbe(s.certificateName()) },
		Decide:    decideCertificate,
		Do: func(s *State) []Call {
			n := s.certificateName()
			return []Call{{SQL: "CREATE CERTIFICATE " + quoteName(n) + " WITH SUBJECT = " + quote("Certificate for "+n) + ", EXPIRY_DATE = " + quote(s.CertificateExpires.UTC().Format("20060102"))}}
		},
		Undo: func(s *State) []Call { return []Call{{SQL: "DROP CERTIFICATE " + quoteName(s.certificateName())}} },
	}
}

func decideCertificate(s *State, a []Answer) (Decision, error) {
	n := s.certificateName()
	if len(a[0].Rows) == 0 {
		return act("no certificate %q", n)
	}
	const fix = "make a new one under another name, alter the endpoint to use it, and run this again"
	r := a[0].Rows[0]
	if t := r.Time("expiry_date"); !t.IsZero() && !s.Now.Before(t) {
		return refuse("certificate", fix, "the certificate %q expired on %s", n, t.Format("2006-01-02"))
	}
	if t := r.Time("start_date"); !t.IsZero() && s.Now.Before(t) {
		return refuse("certificate", "wait or make another", "the certificate %q is valid from %s on", n, t.Format("2006-01-02"))
	}
	if k := strings.TrimSpace(r.Text("pvt_key_encryption_type")); k != "" && k != "MK" {
		return refuse("certificate", "name another certificate, or drop this one", "the private key of certificate %q is not encrypted by the master key (%s)", n, k)
	}
	der, err := readCertificate(a[1])
	if err != nil {
		return Decision{}, err
	}
	if der == nil {
		return refuse("certificate", "check the permissions of the login", "%s does not give the public key of certificate %q", s.ServerName, n)
	}
	s.Certificate = der
	return done("certificate %q, thumbprint %s", n, armtypes.Thumbprint(der))
}

func upload() Step {
	return Step{
		ID: "upload", Title: "have the managed instance trust that certificate", Precondition: "none of the instance's serverTrustCertificates has the thumbprint",
		Effect: "serverTrustCertificates shows the thumbprint",
		Probe:  func(s *State) []Call { return []Call{{Op: ListTrust, Instance: s.Instance}} },
		Decide: func(s *State, a []Answer) (Decision, error) {
			s.UploadName = s.certificateName()
			taken := false
			for _, t := range a[0].Trust {
				c, err := armtypes.ParsePublicBlob(t.Properties.PublicBlob)
				if err == nil && len(s.Certificate) > 0 && bytes.Equal(c.Raw, s.Certificate) {
					s.UploadName = t.Name
					return done("the instance trusts it as %q", t.Name)
				}
				taken = taken || strings.EqualFold(t.Name, s.UploadName)
			}
			if taken && len(s.Certificate) > 0 {
				// An older certificate has the name. It stays, since links may live by it.
				s.UploadName += "_" + armtypes.BareThumbprint(s.Certificate)[:8]
			}
			return act("the instance does not trust it")
		},
		Do: func(s *State) []Call {
			return []Call{{Op: PutTrust, Instance: s.Instance, Name: s.UploadName, DER: s.Certificate}}
		},
	}
}

func importPartner() Step {
	return Step{
		ID: "import", Title: "have SQL Server trust the managed instance's certificate", Precondition: "sys.certificates has no certificate with these bytes under the instance's FQDN",
		Effect:    "sys.certificates shows it, named as the FQDN",
		Tolerates: []int32{errCertificateExists, errMissing},
		Probe: func(s *State) []Call {
			return append(certificateProbe(s.FQDN), Call{Op: GetEndpointCertificate, Instance: s.Instance})
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			c, err := armtypes.ParseCertificate(a[2].Certificate)
			if err != nil {
				return Decision{}, err
			}
			s.PartnerCertificate = c.Raw
			have, err := readCertificate(a[1])
			if err != nil {
				return Decision{}, err
			}
			s.dropPartner = false
			switch {
			case bytes.Equal(have, c.Raw):
				return done("certificate %q, thumbprint %s", s.FQDN, armtypes.Thumbprint(c.Raw))
			case len(a[0].Rows) > 0:
				s.dropPartner = true
				return act("certificate %q is another one: the instance has a new certificate", s.FQDN)
			}
			return act("no certificate %q", s.FQDN)
		},
		Do: func(s *State) []Call {
			var calls []Call
			if s.dropPartner {
				calls = append(calls, Call{SQL: "DROP CERTIFICATE " + quoteName(s.FQDN)})
			}
			return append(calls, Call{SQL: "CREATE CERTIFICATE " + quoteName(s.FQDN) + " FROM BINARY = " + binary(s.PartnerCertificate)})
		},
		Undo: func(s *State) []Call { return []Call{{SQL: "DROP CERTIFICATE " + quoteName(s.FQDN)}} },
	}
}
