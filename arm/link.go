package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"linkspan/armtypes"
)

func linkKey(id armtypes.InstanceID, name string) string {
	return id.String() + "/link/" + strings.ToLower(name)
}

// findLink finds a link by name, in any case; nil when there is none.
func findLink(ctx context.Context, i Instance, name string) (*armtypes.Link, error) {
	all, err := i.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if strings.EqualFold(l.Name, name) {
			return &l, nil
		}
	}
	return nil, nil
}

func (s *Server) listLinks(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	all, err := i.Links.Links(c.r.Context())
	if err != nil {
		return err
	}
	out := armtypes.List[armtypes.LinkBody]{Value: []armtypes.LinkBody{}}
	for _, l := range all {
		out.Value = append(out.Value, s.shown(id, l).Body(id, c.version.Generation()))
	}
	return c.json(http.StatusOK, out)
}

func (s *Server) getLink(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	l, err := findLink(c.r.Context(), i, c.path["name"])
	if err != nil {
		return err
	}
	if l == nil {
		return c.notFound("distributedAvailabilityGroups/" + c.path["name"])
	}
	return c.json(http.StatusOK, s.shown(id, *l).Body(id, c.version.Generation()))
}

func (s *Server) putLink(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	var body armtypes.LinkBody
	if err := c.body(&body); err != nil {
		return err
	}
	spec, err := body.Spec(c.path["name"])
	if err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidParameterValue", "The link cannot be made: %v.", err)
	}
	if spec.InstanceRole != armtypes.Secondary {
		return armtypes.Errorf(http.StatusBadRequest, "OperationNotSupported", "This endpoint does not support links whose first primary is the managed instance (instanceLinkRole Primary): make the link from SQL Server.")
	}
	if spec.SeedingMode != armtypes.Automatic {
		return armtypes.Errorf(http.StatusBadRequest, "OperationNotSupported", "This endpoint does not support seedingMode Manual: links are seeded automatically.")
	}
	before, err := findLink(c.r.Context(), i, spec.Name)
	if err != nil {
		return err
	}
	if before != nil && !before.Same(spec) {
		return armtypes.Errorf(http.StatusConflict, "Conflict", "The link '%s' exists with other properties (database %q from %s). Delete it first.", before.Name, before.Databases, before.PartnerEndpoint)
	}
	// As the service does: the mode at creation is Async whatever was asked for; PATCH changes it.
	spec.ReplicationMode = armtypes.Async
	o, err := s.ops.start(request{
		name: "DistributedAvailabilityGroupsLinkCreate", key: linkKey(id, spec.Name), same: fmt.Sprintf("PUT %q", spec),
		work:   func(ctx context.Context) error { return i.Links.CreateLink(ctx, spec) },
		result: linkResult(i, id, spec.Name),
	})
	if err != nil {
		return err
	}
	shown := armtypes.Link{LinkSpec: spec, State: armtypes.CreatingLink}
	if before != nil {
		shown = *before
	}
	return c.accepted(i, o, shown.Body(id, c.version.Generation()))
}

// linkResult shows the link as it is when asked.
func linkResult(i Instance, id armtypes.InstanceID, name string) func(context.Context, armtypes.Version) (any, error) {
	return func(ctx context.Context, v armtypes.Version) (any, error) {
		l, err := findLink(ctx, i, name)
		if l == nil || err != nil {
			return nil, err
		}
		return l.Body(id, v.Generation()), nil
	}
}

// existingLink finds the link of the path or says that there is none.
func (c *call) existingLink() (Instance, armtypes.InstanceID, *armtypes.Link, error) {
	i, id, err := c.instance()
	if err != nil {
		return i, id, nil, err
	}
	l, err := findLink(c.r.Context(), i, c.path["name"])
	if err == nil && l == nil {
		err = c.notFound("distributedAvailabilityGroups/" + c.path["name"])
	}
	return i, id, l, err
}

func (s *Server) patchLink(c *call) error {
	i, id, l, err := c.existingLink()
	if err != nil {
		return err
	}
	var body armtypes.LinkBody
	if err := c.body(&body); err != nil {
		return err
	}
	mode := body.Properties.ReplicationMode
	switch {
	case strings.EqualFold(mode, armtypes.Async):
		mode = armtypes.Async
	case strings.EqualFold(mode, armtypes.Sync):
		mode = armtypes.Sync
	default:
		return armtypes.Errorf(http.StatusBadRequest, "InvalidParameterValue", "replicationMode is %q: it must be Async or Sync.", mode)
	}
	name := l.Name
	o, err := s.ops.start(request{
		name: "DistributedAvailabilityGroupsLinkUpdate", key: linkKey(id, name), same: "PATCH " + mode,
		work:   func(ctx context.Context) error { return i.Links.SetReplicationMode(ctx, name, mode) },
		result: linkResult(i, id, name),
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, l.Body(id, c.version.Generation()))
}

func (s *Server) deleteLink(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	name := c.path["name"]
	l, err := findLink(c.r.Context(), i, name)
	if err != nil {
		return err
	}
	if l == nil && s.ops.current(linkKey(id, name)) == nil {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if l != nil {
		name = l.Name
	}
	o, err := s.ops.start(request{
		name: "DistributedAvailabilityGroupsLinkDelete", key: linkKey(id, name), same: "DELETE", deletes: true,
		work: func(ctx context.Context) error { return ignoreNotFound(i.Links.DeleteLink(ctx, name)) },
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, nil)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
