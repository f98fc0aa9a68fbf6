package link

import (
	"errors"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/link/flow"
	"linkspan/sqlclient"
)

// Spec says between what and what, as a YAML file. It holds no secrets: those are in the environment or in files that
// only their owner can read (see Secrets).
type Spec struct {
	Source SourceSpec `yaml:"source"`
	Target TargetSpec `yaml:"target"`
	Links  []LinkSpec `yaml:"links"`
	// Credentials is a file with user names and secrets of both sides, as the sandbox writes it.
	Credentials string `yaml:"credentials"`
	// CertificateDays is how long a certificate made for the source's endpoint lasts; default 365.
	CertificateDays int `yaml:"certificateDays"`
	// NoBackup refuses a database without a log chain instead of backing it up to NUL.
	NoBackup bool `yaml:"noBackup"`
}

// SourceSpec is SQL Server.
type SourceSpec struct {
	// Address and Port are where T-SQL is spoken; Host is the name in the server's certificate, CA a PEM file with the
	// authorities it may be under.
	Address                string `yaml:"address"`
	Port                   int    `yaml:"port"`
	Host                   string `yaml:"host"`
	CA                     string `yaml:"ca"`
	TrustServerCertificate bool   `yaml:"trustServerCertificate"`
	// User logs in; its password is LINKSPAN_SOURCE_PASSWORD, or in PasswordFile.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
	// MirroringAddress is where the managed instance reaches SQL Server; default Address. MirroringPort is the endpoint's.
	MirroringAddress string `yaml:"mirroringAddress"`
	MirroringPort    int    `yaml:"mirroringPort"`
	// Endpoint and Certificate name what is made when there is none.
	Endpoint    string `yaml:"endpoint"`
	Certificate string `yaml:"certificate"`
	// MasterKeyPasswordFile has the password for the database master key when one must be made; otherwise
	// LINKSPAN_MASTER_KEY_PASSWORD.
	MasterKeyPasswordFile string `yaml:"masterKeyPasswordFile"`
}

// TargetSpec is the managed instance and the management API it is behind.
type TargetSpec struct {
	// Instance is the instance's resource id.
	Instance      string `yaml:"instance"`
	MirroringPort int    `yaml:"mirroringPort"`
	// Endpoint is a local management API; "" is Azure. CA is a PEM file with the authority of its certificate.
	Endpoint   string `yaml:"endpoint"`
	CA         string `yaml:"ca"`
	APIVersion string `yaml:"apiVersion"`
	// Tenant and ClientID are the service principal; its secret is AZURE_CLIENT_SECRET, or in ClientSecretFile.
	Tenant           string `yaml:"tenant"`
	ClientID         string `yaml:"clientId"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	// SQL is where the managed instance takes T-SQL; doctor asks it how it sees the link. Links are made without it.
	SQL TargetSQLSpec `yaml:"sql"`
}

// TargetSQLSpec is the managed instance as a SQL client reaches it.
type TargetSQLSpec struct {
	// Address, Port, Host, CA and TrustServerCertificate are as SQL Server's; Address defaults to the instance's full name.
	Address                string `yaml:"address"`
	Port                   int    `yaml:"port"`
	Host                   string `yaml:"host"`
	CA                     string `yaml:"ca"`
	TrustServerCertificate bool   `yaml:"trustServerCertificate"`
	// User logs in; its password is LINKSPAN_TARGET_PASSWORD, or in PasswordFile.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
}

// LinkSpec is one link. Names have defaults; see flow.Spec.
type LinkSpec struct {
	Database   string `yaml:"database"`
	Name       string `yaml:"name"`
	Group      string `yaml:"group"`
	InstanceAG string `yaml:"instanceGroup"`
	// DropGroup has Delete drop the availability group too.
	DropGroup bool `yaml:"dropGroup"`
}

// ParseSpec reads a spec in YAML. Unknown keys are refused: a misspelt one would be a setting that silently is not set.
func ParseSpec(data []byte) (Spec, error) {
	var s Spec
	dec := yaml.NewDecoder(newReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("read spec: %w", err)
	}
	return s, nil
}

// Validate reports every problem that can be seen without asking anybody.
func (s Spec) Validate() error {
	var errs []error
	if s.Source.Address == "" {
		errs = append(errs, errors.New("source: no address"))
	}
	if _, err := armtypes.ParseInstanceID(s.Target.Instance); err != nil {
		errs = append(errs, fmt.Errorf("target: %w", err))
	}
	if len(s.Links) == 0 {
		errs = append(errs, errors.New("links: none"))
	}
	for _, l := range s.Links {
		if _, err := s.Flow(l, Secrets{}, time.Unix(0, 0)).Normalize(); err != nil {
			errs = append(errs, fmt.Errorf("link of database %q: %w", l.Database, err))
		}
	}
	if s.Target.APIVersion != "" {
		if _, err := armtypes.ParseVersion(s.Target.APIVersion); err != nil {
			errs = append(errs, fmt.Errorf("target: %w", err))
		}
	}
	return errors.Join(errs...)
}

// yearDays is how long a certificate lasts by default.
const yearDays = 365

// Flow is a link's specification for the table of steps. now decides the end of a certificate that must be made.
func (s Spec) Flow(l LinkSpec, secrets Secrets, now time.Time) flow.Spec {
	id, _ := armtypes.ParseInstanceID(s.Target.Instance) // Validate reports the error
	days := s.CertificateDays
	if days <= 0 {
		days = yearDays
	}
	host := s.Source.MirroringAddress
	if host == "" {
		host = s.Source.Address
	}
	return flow.Spec{
		Database: l.Database, AG: l.Group, DAG: l.Name, InstanceAG: l.InstanceAG, Instance: id,
		SourceHost: host, SourcePort: s.Source.MirroringPort, InstancePort: s.Target.MirroringPort,
		EndpointName: s.Source.Endpoint, CertificateName: s.Source.Certificate, CertificateExpires: now.AddDate(0, 0, days), Now: now,
		MasterKeyPassword: secrets.MasterKeyPassword, NoBackup: s.NoBackup, DropAG: l.DropGroup,
	}
}

// SourceTarget is where SQL Server takes T-SQL; ca is the content of the spec's file.
func (s Spec) SourceTarget(secrets Secrets, ca []byte) sqlclient.Target {
	return sqlclient.Target{
		Address: s.Source.Address, Port: s.Source.Port, Host: s.Source.Host, User: secrets.SourceUser, Password: secrets.SourcePassword, Database: "master",
		CA: ca, TrustServerCertificate: s.Source.TrustServerCertificate,
	}
}

// TargetSQL is where the managed instance takes T-SQL; fqdn is its full name, ca the content of the spec's file.
func (s Spec) TargetSQL(secrets Secrets, fqdn string, ca []byte) sqlclient.Target {
	q := s.Target.SQL
	if q.Address == "" {
		q.Address = fqdn
	}
	return sqlclient.Target{Address: q.Address, Port: q.Port, Host: q.Host, User: secrets.TargetUser, Password: secrets.TargetPassword, Database: "master",
		CA: ca, TrustServerCertificate: q.TrustServerCertificate}
}

// ARMOptions is where management calls go; ca is the content of the spec's file.
func (s Spec) ARMOptions(secrets Secrets, ca []byte) armclient.Options {
	return armclient.Options{
		Endpoint: s.Target.Endpoint, Tenant: secrets.Tenant, ClientID: secrets.ClientID, ClientSecret: secrets.ClientSecret,
		CA: ca, Version: armtypes.Version(s.Target.APIVersion),
	}
}
