package armclient

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"

	"linkspan/armtypes"
)

// path is the path of an instance's part, every name escaped.
func path(id armtypes.InstanceID, parts ...string) string {
	p := "/subscriptions/" + url.PathEscape(id.Subscription) + "/resourceGroups/" + url.PathEscape(id.ResourceGroup) +
		"/providers/Microsoft.Sql/managedInstances/" + url.PathEscape(id.Name)
	for _, s := range parts {
		p += "/" + url.PathEscape(s)
	}
	return p
}

// Instance reads a managed instance.
func (c *Client) Instance(ctx context.Context, id armtypes.InstanceID) (armtypes.ManagedInstance, error) {
	var mi armtypes.ManagedInstance
	if err := c.get(ctx, path(id), &mi); err != nil {
		return mi, fmt.Errorf("read managed instance %s: %w", id.Name, err)
	}
	return mi, nil
}

// Instances lists the managed instances of a subscription.
func (c *Client) Instances(ctx context.Context, subscription string) ([]armtypes.ManagedInstance, error) {
	all, err := list[armtypes.ManagedInstance](ctx, c, "/subscriptions/"+url.PathEscape(subscription)+"/providers/Microsoft.Sql/managedInstances")
	if err != nil {
		return nil, fmt.Errorf("list managed instances: %w", err)
	}
	return all, nil
}

// Databases lists the databases of an instance.
func (c *Client) Databases(ctx context.Context, id armtypes.InstanceID) ([]armtypes.ManagedDatabase, error) {
	all, err := list[armtypes.ManagedDatabase](ctx, c, path(id, "databases"))
	if err != nil {
		return nil, fmt.Errorf("list databases of %s: %w", id.Name, err)
	}
	return all, nil
}

// TrustCertificates lists the partners' certificates that an instance trusts.
func (c *Client) TrustCertificates(ctx context.Context, id armtypes.InstanceID) ([]armtypes.ServerTrustCertificate, error) {
	all, err := list[armtypes.ServerTrustCertificate](ctx, c, path(id, "serverTrustCertificates"))
	if err != nil {
		return nil, fmt.Errorf("list trusted certificates of %s: %w", id.Name, err)
	}
	return all, nil
}

// PutTrustCertificate has an instance trust a partner's certificate, and waits until it does.
func (c *Client) PutTrustCertificate(ctx context.Context, id armtypes.InstanceID, name string, cert *x509.Certificate) error {
	var body struct {
		Properties armtypes.ServerTrustCertificateProperties `json:"properties"`
	}
	body.Properties.PublicBlob = armtypes.PublicBlob(cert.Raw)
	if err := c.run(ctx, http.MethodPut, path(id, "serverTrustCertificates", name), body, nil); err != nil {
		return fmt.Errorf("upload certificate %q to %s: %w", name, id.Name, err)
	}
	return nil
}

// DeleteTrustCertificate ends that trust. Deleting what is not there is success.
func (c *Client) DeleteTrustCertificate(ctx context.Context, id armtypes.InstanceID, name string) error {
	if err := c.run(ctx, http.MethodDelete, path(id, "serverTrustCertificates", name), nil, nil); err != nil && !IsNotFound(err) {
		return fmt.Errorf("delete certificate %q from %s: %w", name, id.Name, err)
	}
	return nil
}

// EndpointCertificate reads the certificate at an instance's mirroring endpoint, and checks that it is one.
func (c *Client) EndpointCertificate(ctx context.Context, id armtypes.InstanceID) (*x509.Certificate, error) {
	var e armtypes.EndpointCertificate
	err := c.get(ctx, path(id, "endpointCertificates", armtypes.DatabaseMirroring), &e)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint certificate of %s: %w", id.Name, err)
	}
	cert, err := armtypes.ParsePublicBlob(e.Properties.PublicBlob)
	if err != nil {
		return nil, fmt.Errorf("read the endpoint certificate of %s: %w", id.Name, err)
	}
	return cert, nil
}

// Links lists an instance's links.
func (c *Client) Links(ctx context.Context, id armtypes.InstanceID) ([]armtypes.Link, error) {
	all, err := list[armtypes.LinkBody](ctx, c, path(id, "distributedAvailabilityGroups"))
	if err != nil {
		return nil, fmt.Errorf("list links of %s: %w", id.Name, err)
	}
	links := make([]armtypes.Link, len(all))
	for i, b := range all {
		links[i] = b.Link()
	}
	return links, nil
}

// Link reads a link; IsNotFound tells when there is none.
func (c *Client) Link(ctx context.Context, id armtypes.InstanceID, name string) (armtypes.Link, error) {
	var b armtypes.LinkBody
	if err := c.get(ctx, path(id, "distributedAvailabilityGroups", name), &b); err != nil {
		return armtypes.Link{}, fmt.Errorf("read link %q of %s: %w", name, id.Name, err)
	}
	return b.Link(), nil
}

// PutLink makes a link and waits until the instance has joined it. The body has the generation of the client's version.
func (c *Client) PutLink(ctx context.Context, id armtypes.InstanceID, s armtypes.LinkSpec) error {
	body := struct {
		Properties armtypes.LinkProperties `json:"properties"`
	}{s.Body(c.version.Generation()).Properties}
	if err := c.run(ctx, http.MethodPut, path(id, "distributedAvailabilityGroups", s.Name), body, nil); err != nil {
		return fmt.Errorf("create link %q on %s: %w", s.Name, id.Name, err)
	}
	return nil
}

// SetReplicationMode changes a link's mode (armtypes.Async, armtypes.Sync).
func (c *Client) SetReplicationMode(ctx context.Context, id armtypes.InstanceID, name, mode string) error {
	var body struct {
		Properties armtypes.LinkProperties `json:"properties"`
	}
	body.Properties.ReplicationMode = mode
	if err := c.run(ctx, http.MethodPatch, path(id, "distributedAvailabilityGroups", name), body, nil); err != nil {
		return fmt.Errorf("change link %q on %s: %w", name, id.Name, err)
	}
	return nil
}

// FailoverLink changes a link's roles (armtypes.Planned, armtypes.ForcedAllowDataLoss) and waits until that is done.
func (c *Client) FailoverLink(ctx context.Context, id armtypes.InstanceID, name, failoverType string) error {
	body := armtypes.FailoverRequest{FailoverType: failoverType}
	if err := c.run(ctx, http.MethodPost, path(id, "distributedAvailabilityGroups", name, "failover"), body, nil); err != nil {
		return fmt.Errorf("fail over link %q of %s: %w", name, id.Name, err)
	}
	return nil
}

// SetLinkRole gives the instance a role (armtypes.Primary, armtypes.Secondary) in a link, by a planned or forced change
// (armtypes.Planned, armtypes.Forced), and waits until that is done.
func (c *Client) SetLinkRole(ctx context.Context, id armtypes.InstanceID, name, role, changeType string) error {
	body := armtypes.RoleRequest{InstanceRole: role, RoleChangeType: changeType}
	if err := c.run(ctx, http.MethodPost, path(id, "distributedAvailabilityGroups", name, "setRole"), body, nil); err != nil {
		return fmt.Errorf("change the role of %s in link %q: %w", id.Name, name, err)
	}
	return nil
}

// DeleteLink ends a link and waits for its end. Deleting what is not there is success.
func (c *Client) DeleteLink(ctx context.Context, id armtypes.InstanceID, name string) error {
	if err := c.run(ctx, http.MethodDelete, path(id, "distributedAvailabilityGroups", name), nil, nil); err != nil && !IsNotFound(err) {
		return fmt.Errorf("delete link %q on %s: %w", name, id.Name, err)
	}
	return nil
}
