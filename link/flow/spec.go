package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/armtypes"
)

// Spec says which link to make. The zero value of a name means its default; see Normalize.
type Spec struct {
	// Database is replicated, under its own name.
	Database string
	// AG and DAG are the availability group and the distributed one on SQL Server, InstanceAG the group on the managed
	// instance; defaults AG_<database>, DAG_<database> and AG_<database>_MI. The link has the DAG's name.
	AG, DAG, InstanceAG string
	// Instance is the managed instance. Its FQDN is read from it.
	Instance armtypes.InstanceID
	// SourceHost is the address of SQL Server as the managed instance reaches it.
	SourceHost string
	// SourcePort is the port of the mirroring endpoint that is made when there is none; InstancePort the managed
	// instance's. Default 5022 both.
	SourcePort, InstancePort int
	// EndpointName names that endpoint; default database_mirroring_endpoint.
	EndpointName string
	// CertificateName names the endpoint's certificate when one must be made; default Cert_<server>_endpoint.
	CertificateName string
	// CertificateExpires is that certificate's end. MUST be set by the caller, who has a clock.
	CertificateExpires time.Time
	// Now is the time, to tell expired certificates. MUST be set by the caller.
	Now time.Time
	// MasterKeyPassword encrypts the database master key when it must be made. Never shown.
	MasterKeyPassword string
	// NoBackup refuses instead of starting a backup chain by a full backup to NUL.
	NoBackup bool
	// DropAG has the deletion drop the availability group too, which leaves the database as it was before the link.
	DropAG bool
}

const (
	mirroringPort   = 5022
	defaultEndpoint = "database_mirroring_endpoint"
)

// Normalize fills in defaults and reports every problem.
func (s Spec) Normalize() (Spec, error) {
	var errs []error
	def := func(p *string, d string) {
		if *p == "" {
			*p = d
		}
	}
	def(&s.AG, "AG_"+s.Database)
	def(&s.DAG, "DAG_"+s.Database)
	def(&s.InstanceAG, "AG_"+s.Database+"_MI")
	def(&s.EndpointName, defaultEndpoint)
	for _, p := range []*int{&s.SourcePort, &s.InstancePort} {
		if *p == 0 {
			*p = mirroringPort
		}
		if *p < 1 || *p > 65535 {
			errs = append(errs, fmt.Errorf("%d is no port", *p))
		}
	}
	for _, n := range [][2]string{{"database's name", s.Database}, {"availability group's name", s.AG}, {"link's name", s.DAG},
		{"name of the availability group on the managed instance", s.InstanceAG}, {"endpoint's name", s.EndpointName}} {
		if err := armtypes.CheckName(n[0], n[1]); err != nil {
			errs = append(errs, err)
		}
	}
	if s.CertificateName != "" {
		errs = append(errs, armtypes.CheckName("certificate's name", s.CertificateName))
	}
	if strings.EqualFold(s.AG, s.DAG) {
		errs = append(errs, fmt.Errorf("the availability group and the link must not both be called %q", s.AG))
	}
	if _, _, err := armtypes.SplitEndpoint(endpointURL("TCP", s.SourceHost, s.SourcePort)); err != nil {
		errs = append(errs, fmt.Errorf("the address at which the managed instance reaches SQL Server: %w", err))
	}
	if s.Instance.Subscription == "" || s.Instance.ResourceGroup == "" || s.Instance.Name == "" {
		errs = append(errs, errors.New("the managed instance is not named in full"))
	}
	return s, errors.Join(errs...)
}

// Link is the specification that the managed instance gets.
func (s *State) Link() armtypes.LinkSpec {
	return armtypes.LinkSpec{
		Name: s.DAG, InstanceRole: armtypes.Secondary, InstanceAG: s.InstanceAG, PartnerAG: s.AG,
		PartnerEndpoint: endpointURL("TCP", s.SourceHost, s.port()), FailoverMode: armtypes.Manual, SeedingMode: armtypes.Automatic,
		ReplicationMode: armtypes.Async, Databases: []string{s.Database},
	}
}

func endpointURL(scheme, host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // an IPv6 address
	}
	return fmt.Sprintf("%s://%s:%d", scheme, host, port)
}
