package armtypes

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name of a nested resource, in UTF-16 units as T-SQL's sysname counts them.
const MaxName = 128

// CheckName reports why s cannot name a resource; kind says what it would have named. Quotes, brackets and letters of
// any script are fine (T-SQL quotes them); separators of paths and control characters are not.
func CheckName(kind, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the %s is empty", kind)
	case !utf8.ValidString(s):
		return fmt.Errorf("the %s is not UTF-8", kind)
	case utf16Len(s) > MaxName:
		return fmt.Errorf("the %s is longer than %d characters", kind, MaxName)
	case strings.ContainsAny(s, "/\\") || s == "." || s == "..":
		return fmt.Errorf("the %s %q holds a path separator", kind, s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("the %s %q holds a control character", kind, s)
	}
	return nil
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// Resource is what every resource shows.
type Resource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// List is a page of resources; the server gives everything on one page.
type List[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// InstanceID names a managed instance.
type InstanceID struct {
	Subscription, ResourceGroup, Name string
}

// String is the instance's resource id.
func (i InstanceID) String() string {
	return "/subscriptions/" + i.Subscription + "/resourceGroups/" + i.ResourceGroup + "/providers/Microsoft.Sql/managedInstances/" + i.Name
}

// ParseInstanceID reads a managed instance's resource id; words are matched in any case.
func ParseInstanceID(s string) (InstanceID, error) {
	p := strings.Split(strings.Trim(s, "/"), "/")
	words := map[int]string{0: "subscriptions", 2: "resourceGroups", 4: "providers", 5: "Microsoft.Sql", 6: "managedInstances"}
	ok := len(p) == 8
	for i, w := range words {
		ok = ok && strings.EqualFold(p[i], w)
	}
	if !ok || p[1] == "" || p[3] == "" || p[7] == "" {
		return InstanceID{}, fmt.Errorf("read resource id %q: want /subscriptions/…/resourceGroups/…/providers/Microsoft.Sql/managedInstances/…", s)
	}
	return InstanceID{Subscription: p[1], ResourceGroup: p[3], Name: p[7]}, nil
}

// ManagedInstance is a managed instance as GET shows it.
type ManagedInstance struct {
	Resource
	Location   string                    `json:"location"`
	Tags       map[string]string         `json:"tags"`
	SKU        *SKU                      `json:"sku,omitempty"`
	Properties ManagedInstanceProperties `json:"properties"`
}

// SKU is a service tier.
type SKU struct {
	Name     string `json:"name"`
	Tier     string `json:"tier,omitempty"`
	Family   string `json:"family,omitempty"`
	Capacity int    `json:"capacity,omitempty"`
}

// ManagedInstanceProperties are those properties of an instance that mean something outside Azure's own machinery.
type ManagedInstanceProperties struct {
	ProvisioningState        string `json:"provisioningState"`
	FullyQualifiedDomainName string `json:"fullyQualifiedDomainName"`
	AdministratorLogin       string `json:"administratorLogin,omitempty"`
	State                    string `json:"state"`
	Collation                string `json:"collation,omitempty"`
	DNSZone                  string `json:"dnsZone,omitempty"`
	TimezoneID               string `json:"timezoneId,omitempty"`
	PublicDataEndpoint       bool   `json:"publicDataEndpointEnabled"`
}

// ManagedDatabase is a database of an instance as GET shows it.
type ManagedDatabase struct {
	Resource
	Location   string                    `json:"location"`
	Tags       map[string]string         `json:"tags,omitempty"`
	Properties ManagedDatabaseProperties `json:"properties"`
}

// ManagedDatabaseProperties describe a database.
type ManagedDatabaseProperties struct {
	// Status is Online, Restoring, Offline, Shutdown, Inaccessible, Creating, Updating.
	Status       string     `json:"status"`
	Collation    string     `json:"collation,omitempty"`
	CreationDate *time.Time `json:"creationDate,omitempty"`
}

// ServerTrustCertificate is a partner's certificate that an instance trusts.
type ServerTrustCertificate struct {
	Resource
	Properties ServerTrustCertificateProperties `json:"properties"`
}

// ServerTrustCertificateProperties hold the certificate; only PublicBlob is sent.
type ServerTrustCertificateProperties struct {
	PublicBlob      string `json:"publicBlob,omitempty"`
	Thumbprint      string `json:"thumbprint,omitempty"`
	CertificateName string `json:"certificateName,omitempty"`
}

// EndpointCertificate is an instance's own certificate at one of its endpoints.
type EndpointCertificate struct {
	Resource
	Properties EndpointCertificateProperties `json:"properties"`
}

// EndpointCertificateProperties hold the certificate.
type EndpointCertificateProperties struct {
	PublicBlob string `json:"publicBlob"`
}

// DatabaseMirroring is the name of the one kind of endpoint whose certificate the API shows.
const DatabaseMirroring = "DATABASE_MIRRORING"

// OperationStatus says how a long-running operation stands.
type OperationStatus struct {
	Name      string     `json:"name"`
	Status    string     `json:"status"`
	StartTime time.Time  `json:"startTime"`
	EndTime   *time.Time `json:"endTime,omitempty"`
	Error     *Error     `json:"error,omitempty"`
}

// The values of OperationStatus.Status.
const (
	InProgress = "InProgress"
	Succeeded  = "Succeeded"
	Failed     = "Failed"
	Canceled   = "Canceled"
)
