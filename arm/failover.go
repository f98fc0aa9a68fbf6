package arm

import (
	"context"
	"net/http"
	"strings"

	"linkspan/armtypes"
	"linkspan/sqlerr"
)

// failoverName is what operations that change roles are called.
const failoverName = "DistributedAvailabilityGroupsLinkFailover"

// shown is the link as clients see it: while its roles change, that is its state.
func (s *Server) shown(id armtypes.InstanceID, l armtypes.Link) armtypes.Link {
	o := s.ops.current(linkKey(id, l.Name))
	if o == nil || o.name != failoverName {
		return l
	}
	l.State = armtypes.LinkFailoverInProgress
	states := append([]armtypes.LinkDatabase(nil), l.DatabaseStates...)
	for i := range states {
		states[i].ReplicaState = armtypes.LinkFailoverInProgress
	}
	l.DatabaseStates = states
	return l
}

// roleChange is what is to be done about a link's roles.
type roleChange struct {
	// forced does not ask the partner; follow makes the instance the copy of a partner that was opened by force.
	forced, follow bool
}

func badFailover(format string, args ...any) error {
	return armtypes.Errorf(http.StatusBadRequest, "InvalidDistributedAvailabilityGroupFailoverRequest", format, args...)
}

func (s *Server) failoverLink(c *call) error {
	var body armtypes.FailoverRequest
	return c.failover(&body, func(l *armtypes.Link) (r roleChange, err error) {
		switch {
		case strings.EqualFold(body.FailoverType, armtypes.Planned):
			return r, nil
		case !strings.EqualFold(body.FailoverType, armtypes.ForcedAllowDataLoss):
			return r, badFailover("failoverType is %q: it must be Planned or ForcedAllowDataLoss.", body.FailoverType)
		case l.InstanceRole == armtypes.Primary:
			return r, sqlerr.New(41965, l.Name, armtypes.Primary)
		}
		return roleChange{forced: true}, nil
	})
}

func (s *Server) setLinkRole(c *call) error {
	var body armtypes.RoleRequest
	return c.failover(&body, func(l *armtypes.Link) (r roleChange, err error) {
		role := armtypes.Primary
		switch {
		case strings.EqualFold(body.InstanceRole, armtypes.Secondary):
			role = armtypes.Secondary
		case !strings.EqualFold(body.InstanceRole, armtypes.Primary):
			return r, badFailover("instanceRole is %q: it must be Primary or Secondary.", body.InstanceRole)
		}
		forced := strings.EqualFold(body.RoleChangeType, armtypes.Forced)
		switch {
		case !forced && !strings.EqualFold(body.RoleChangeType, armtypes.Planned):
			return r, badFailover("roleChangeType is %q: it must be Planned or Forced.", body.RoleChangeType)
		case l.InstanceRole == role:
			return r, sqlerr.New(41965, l.Name, role)
		}
		return roleChange{forced: forced && role == armtypes.Primary, follow: forced && role == armtypes.Secondary}, nil
	})
}

// failover changes a link's roles where the instance can.
func (c *call) failover(body any, read func(*armtypes.Link) (roleChange, error)) error {
	i, id, l, err := c.existingLink()
	if err != nil {
		return err
	}
	if err := c.body(body); err != nil {
		return err
	}
	f, ok := i.Links.(Failover)
	if !ok {
		return armtypes.Errorf(http.StatusBadRequest, "OperationNotSupported", "This endpoint does not support the failover of a link: link '%s' keeps its roles.", l.Name)
	}
	name, same := l.Name, "FAILOVER "+strings.ToLower(bodyText(body))
	if o := c.s.ops.current(linkKey(id, name)); o != nil && o.same == same {
		return c.accepted(i, o, c.s.shown(id, *l).Body(id, c.version.Generation())) // the roles may have changed already
	}
	r, err := read(l)
	if err != nil {
		return err
	}
	o, err := c.s.ops.start(request{
		name: failoverName, key: linkKey(id, name), same: same, result: linkResult(i, id, name),
		work: func(ctx context.Context) error {
			if r.follow {
				return f.FollowLink(ctx, name)
			}
			return f.FailoverLink(ctx, name, r.forced)
		},
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, c.s.shown(id, *l).Body(id, c.version.Generation()))
}

// bodyText tells one request from another.
func bodyText(body any) string {
	switch b := body.(type) {
	case *armtypes.FailoverRequest:
		return b.FailoverType
	case *armtypes.RoleRequest:
		return b.InstanceRole + " " + b.RoleChangeType
	}
	return ""
}
