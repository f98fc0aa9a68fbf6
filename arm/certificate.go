package arm

import (
	"context"
	"net/http"
	"strings"

	"linkspan/armtypes"
)

func trustBody(id armtypes.InstanceID, t TrustCertificate) armtypes.ServerTrustCertificate {
	return armtypes.ServerTrustCertificate{
		Resource: armtypes.Resource{ID: id.String() + "/serverTrustCertificates/" + t.Name, Name: t.Name, Type: "Microsoft.Sql/managedInstances/serverTrustCertificates"},
		Properties: armtypes.ServerTrustCertificateProperties{
			PublicBlob: armtypes.BareBlob(t.DER), Thumbprint: armtypes.BareThumbprint(t.DER), CertificateName: t.Name,
		},
	}
}

func (s *Server) listTrust(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	all, err := i.TrustCertificates.TrustCertificates(c.r.Context())
	if err != nil {
		return err
	}
	out := armtypes.List[armtypes.ServerTrustCertificate]{Value: []armtypes.ServerTrustCertificate{}}
	for _, t := range all {
		out.Value = append(out.Value, trustBody(id, t))
	}
	return c.json(http.StatusOK, out)
}

// findTrust finds a certificate by name, in any case; nil when there is none.
func findTrust(ctx context.Context, i Instance, name string) (*TrustCertificate, error) {
	all, err := i.TrustCertificates.TrustCertificates(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if strings.EqualFold(t.Name, name) {
			return &t, nil
		}
	}
	return nil, nil
}

func (s *Server) getTrust(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	t, err := findTrust(c.r.Context(), i, c.path["name"])
	if err != nil {
		return err
	}
	if t == nil {
		return c.notFound("serverTrustCertificates/" + c.path["name"])
	}
	return c.json(http.StatusOK, trustBody(id, *t))
}

func (s *Server) putTrust(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	name := c.path["name"]
	if err := armtypes.CheckName("certificate's name", name); err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidResourceName", "%v.", err)
	}
	var body armtypes.ServerTrustCertificate
	if err := c.body(&body); err != nil {
		return err
	}
	cert, err := armtypes.ParsePublicBlob(body.Properties.PublicBlob)
	if err != nil {
		return &armtypes.Error{Status: http.StatusBadRequest, Code: "InvalidPublicBlob", Message: "The property 'publicBlob' is invalid: " + err.Error() + ".", Target: "publicBlob"}
	}
	der := cert.Raw
	o, err := s.ops.start(request{
		name: "UpsertServerTrustCertificate", key: id.String() + "/trust/" + strings.ToLower(name), same: "PUT " + armtypes.Thumbprint(der),
		work: func(ctx context.Context) error { return i.TrustCertificates.PutTrustCertificate(ctx, name, der) },
		result: func(ctx context.Context, _ armtypes.Version) (any, error) {
			t, err := findTrust(ctx, i, name)
			if t == nil || err != nil {
				return nil, err
			}
			return trustBody(id, *t), nil
		},
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, trustBody(id, TrustCertificate{Name: name, DER: der}))
}

func (s *Server) deleteTrust(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	name := c.path["name"]
	key := id.String() + "/trust/" + strings.ToLower(name)
	t, err := findTrust(c.r.Context(), i, name)
	if err != nil {
		return err
	}
	if t == nil && s.ops.current(key) == nil {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	o, err := s.ops.start(request{
		name: "DropServerTrustCertificate", key: key, same: "DELETE", deletes: true,
		work: func(ctx context.Context) error {
			return ignoreNotFound(i.TrustCertificates.DeleteTrustCertificate(ctx, name))
		},
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, nil)
}

func endpointBody(id armtypes.InstanceID, der []byte) armtypes.EndpointCertificate {
	return armtypes.EndpointCertificate{
		Resource:   armtypes.Resource{ID: id.String() + "/endpointCertificates/" + armtypes.DatabaseMirroring, Name: armtypes.DatabaseMirroring, Type: "Microsoft.Sql/managedInstances/endpointCertificates"},
		Properties: armtypes.EndpointCertificateProperties{PublicBlob: armtypes.BareBlob(der)},
	}
}

func (s *Server) listEndpointCertificates(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	der, err := i.EndpointCertificates.MirroringCertificate(c.r.Context())
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, armtypes.List[armtypes.EndpointCertificate]{Value: []armtypes.EndpointCertificate{endpointBody(id, der)}})
}

func (s *Server) getEndpointCertificate(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.path["name"], armtypes.DatabaseMirroring) {
		return c.notFound("endpointCertificates/" + c.path["name"])
	}
	der, err := i.EndpointCertificates.MirroringCertificate(c.r.Context())
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, endpointBody(id, der))
}
