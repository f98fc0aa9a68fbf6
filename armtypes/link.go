package armtypes

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The values of a link's modes and roles.
const (
	Async     = "Async"
	Sync      = "Sync"
	Primary   = "Primary"
	Secondary = "Secondary"
	None      = "None"
	Manual    = "Manual"
	Automatic = "Automatic"
)

// The states of a link, or of one of its databases, that the API names. One that ends in Error says that what it names
// failed; the database's mostRecentLinkError says why.
const (
	CreatingLink           = "CreatingLink"
	LinkSynchronizing      = "LinkSynchronizing"
	LinkFailoverInProgress = "LinkFailoverInProgress"
	LinkInitError          = "LinkInitError"
	LinkCreationError      = "LinkCreationError"
	// LinkFailoverError is the state after a failover that left both sides primary, or neither.
	LinkFailoverError = "LinkFailoverError"
)

// The types of a failover, and of a change of a role.
const (
	Planned             = "Planned"
	ForcedAllowDataLoss = "ForcedAllowDataLoss"
	Forced              = "Forced"
)

// FailoverRequest is the body of POST failover, RoleRequest that of POST setRole.
type (
	FailoverRequest struct {
		FailoverType string `json:"failoverType"`
	}
	RoleRequest struct {
		InstanceRole   string `json:"instanceRole"`
		RoleChangeType string `json:"roleChangeType"`
	}
)

// LinkSpec is what makes a link: the body of a PUT, whatever its generation.
type LinkSpec struct {
	// Name is the link's and the distributed availability group's.
	Name string
	// InstanceRole is the managed instance's: Secondary when the link is made, and the present one of a link that is shown.
	InstanceRole string
	// InstanceAG and PartnerAG are the availability groups on the managed instance and on SQL Server.
	InstanceAG, PartnerAG string
	// PartnerEndpoint is the mirroring endpoint of SQL Server: tcp://host:port.
	PartnerEndpoint string
	// FailoverMode is None or Manual, SeedingMode Automatic or Manual, ReplicationMode Async or Sync.
	FailoverMode, SeedingMode, ReplicationMode string
	// Databases has one name: a link carries one database.
	Databases []string
}

// Link is a link as it stands.
type Link struct {
	LinkSpec
	// ID is the distributed availability group's id (a GUID).
	ID string
	// State is CreatingLink, LinkSynchronizing, …: the state of its worst database.
	State string
	// PartnerRole is Primary or Secondary, the current one; "" means Primary.
	PartnerRole string
	// DatabaseStates has one entry per database, in the order of Databases.
	DatabaseStates []LinkDatabase
}

// LinkDatabase is a database's part in a link. Unknown numbers and times are nil or "". Positions are printed as
// sys.dm_hadr_database_replica_states prints them.
type LinkDatabase struct {
	Name                             string
	InstanceReplicaID                string
	PartnerReplicaID                 string
	ReplicaState                     string
	SynchronizationHealth            string
	ConnectedState                   string
	LastReceivedLSN, LastCommitLSN   string
	LastHardenedLSN, LastBackupLSN   string
	LastSentLSN                      string
	LastReceivedTime, LastCommitTime *time.Time
	LastHardenedTime, LastBackupTime *time.Time
	LastSentTime                     *time.Time
	SendLagSeconds, RedoLagSeconds   *int64
	// SeedingProgress is in percent, "" when there is no seeding.
	SeedingProgress string
	// MostRecentError is the number of the last error, with its text where that says what to do; or "".
	MostRecentError string
}

// Normalize fills in defaults and checks the specification. The error names the property of the new body.
func (s LinkSpec) Normalize() (LinkSpec, error) {
	s.InstanceRole = orDefault(s.InstanceRole, Secondary)
	s.FailoverMode = orDefault(s.FailoverMode, None)
	s.SeedingMode = orDefault(s.SeedingMode, Automatic)
	s.ReplicationMode = orDefault(s.ReplicationMode, Async)
	for _, c := range []struct {
		property string
		value    *string
		allowed  []string
	}{
		{"instanceLinkRole", &s.InstanceRole, []string{Primary, Secondary}},
		{"failoverMode", &s.FailoverMode, []string{None, Manual}},
		{"seedingMode", &s.SeedingMode, []string{Automatic, Manual}},
		{"replicationMode", &s.ReplicationMode, []string{Async, Sync}},
	} {
		if err := oneOf(c.property, c.value, c.allowed); err != nil {
			return s, err
		}
	}
	for _, c := range [][2]string{{"link's name", s.Name}, {"partnerAvailabilityGroupName", s.PartnerAG}, {"instanceAvailabilityGroupName", s.InstanceAG}} {
		if err := CheckName(c[0], c[1]); err != nil {
			return s, err
		}
	}
	if len(s.Databases) != 1 {
		return s, fmt.Errorf("databases names %d databases: a link carries exactly one", len(s.Databases))
	}
	if err := CheckName("database's name", s.Databases[0]); err != nil {
		return s, err
	}
	if _, _, err := SplitEndpoint(s.PartnerEndpoint); err != nil {
		return s, err
	}
	return s, nil
}

// SplitEndpoint reads a mirroring endpoint's address, tcp://host:port, the scheme in any case.
func SplitEndpoint(url string) (host string, port int, err error) {
	const scheme = "tcp://"
	if len(url) < len(scheme) || !strings.EqualFold(url[:len(scheme)], scheme) {
		return "", 0, fmt.Errorf("the endpoint %q must have the form tcp://host:port", url)
	}
	rest := strings.TrimSuffix(url[len(scheme):], "/")
	i := strings.LastIndexByte(rest, ':')
	if i <= 0 {
		return "", 0, fmt.Errorf("the endpoint %q must have the form tcp://host:port", url)
	}
	host = strings.Trim(rest[:i], "[]")
	port, err = strconv.Atoi(rest[i+1:])
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("the endpoint %q has no port between 1 and 65535", url)
	}
	if !isHost(host) {
		return "", 0, fmt.Errorf("the endpoint %q names no host", url)
	}
	return host, port, nil
}

// isHost accepts addresses and DNS names (letters, digits, hyphens, dots, underscores).
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for _, r := range s {
		if !(r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return true
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func oneOf(property string, value *string, allowed []string) error {
	for _, a := range allowed {
		if strings.EqualFold(*value, a) {
			*value = a
			return nil
		}
	}
	return fmt.Errorf("%s is %q: it must be one of %s", property, *value, strings.Join(allowed, ", "))
}

// Same reports whether two specifications make the same link. Modes and roles, which change later, are not compared.
func (s LinkSpec) Same(o LinkSpec) bool {
	if !strings.EqualFold(s.Name, o.Name) || len(s.Databases) != len(o.Databases) {
		return false
	}
	for i := range s.Databases {
		if !strings.EqualFold(s.Databases[i], o.Databases[i]) {
			return false
		}
	}
	return strings.EqualFold(s.InstanceAG, o.InstanceAG) && strings.EqualFold(s.PartnerAG, o.PartnerAG) &&
		strings.EqualFold(strings.TrimSuffix(s.PartnerEndpoint, "/"), strings.TrimSuffix(o.PartnerEndpoint, "/"))
}
