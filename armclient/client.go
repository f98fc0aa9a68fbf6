// Package armclient owns the outbound side of the management API: calls to Azure Resource Manager, real or local, that
// the orchestrators need. Tokens come from azidentity and the pipeline from azcore, so that retries, throttling and
// long-running operations behave as in Azure's own clients; bodies are armtypes'.
//
// Only addresses and credentials tell a local endpoint from Azure. Errors are *armtypes.Error wherever the server gave
// a code.
package armclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	corepolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"linkspan/armtypes"
)

// DefaultVersion is the api-version asked for: the first one released (not preview) with the new link body.
const DefaultVersion armtypes.Version = "2023-08-01"

// Options say where the API is and who calls.
type Options struct {
	// Endpoint is the API's base address; "" is Azure's public cloud. Anything else is a local endpoint, which is its
	// own login authority and audience unless these are set.
	Endpoint, Authority, Audience string
	// Tenant, ClientID and ClientSecret are the service principal. With Azure's public cloud they may be empty: then
	// the caller's ambient login is used (environment, managed identity, Azure CLI: azidentity.DefaultAzureCredential).
	Tenant, ClientID, ClientSecret string
	// CA is the PEM of the authority that the endpoint's certificate is under; nil means the machine's own list.
	CA []byte
	// Version is the api-version for Microsoft.Sql; default DefaultVersion.
	Version armtypes.Version
}

// Client calls the API. Safe for concurrent use.
type Client struct {
	arm     *arm.Client
	version armtypes.Version
	idle    func()
}

// pollEvery is how often an operation is asked about where the server names no interval.
const pollEvery = time.Second

// New makes a client. It does no I/O: a wrong secret shows at the first call.
func New(o Options) (*Client, error) {
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	if _, err := armtypes.ParseVersion(string(o.Version)); err != nil {
		return nil, fmt.Errorf("make ARM client: %w", err)
	}
	transport, err := newTransport(o)
	if err != nil {
		return nil, fmt.Errorf("make ARM client: %w", err)
	}
	core := corepolicy.ClientOptions{Cloud: o.cloud(), Transport: &http.Client{Transport: transport}}
	cred, err := o.credential(core)
	if err != nil {
		return nil, fmt.Errorf("make ARM client: %w", err)
	}
	c, err := arm.NewClient("linkspan", "v0.0.0", cred, &policy.ClientOptions{ClientOptions: core, DisableRPRegistration: true})
	if err != nil {
		return nil, fmt.Errorf("make ARM client: %w", err)
	}
	return &Client{arm: c, version: o.Version, idle: transport.CloseIdleConnections}, nil
}

// Close gives the idle connections up. The client stays usable.
func (c *Client) Close() { c.idle() }

// Credential gives tokens of who calls, for other services that take the same application or login, such as blob storage.
func (o Options) Credential() (azcore.TokenCredential, error) {
	transport, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	return o.credential(corepolicy.ClientOptions{Cloud: o.cloud(), Transport: &http.Client{Transport: transport}})
}

func (o Options) local() bool { return o.Endpoint != "" }

func (o Options) cloud() cloud.Configuration {
	if !o.local() {
		return cloud.AzurePublic
	}
	base := strings.TrimRight(o.Endpoint, "/")
	authority, audience := o.Authority, o.Audience
	if authority == "" {
		authority = base
	}
	if audience == "" {
		audience = base
	}
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: strings.TrimRight(authority, "/") + "/",
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: base, Audience: audience}},
	}
}

func (o Options) credential(core corepolicy.ClientOptions) (azcore.TokenCredential, error) {
	if o.ClientSecret == "" {
		if o.local() {
			return nil, errors.New("no client secret for the endpoint " + o.Endpoint)
		}
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: core, TenantID: o.Tenant})
	}
	if o.Tenant == "" || o.ClientID == "" {
		return nil, errors.New("a client secret needs the tenant and the client id it belongs to")
	}
	return azidentity.NewClientSecretCredential(o.Tenant, o.ClientID, o.ClientSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: core, DisableInstanceDiscovery: o.local()})
}

func newTransport(o Options) (*http.Transport, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default HTTP transport was replaced")
	}
	t := base.Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("the CA holds no certificate in PEM")
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}
