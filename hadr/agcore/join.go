package agcore

import (
	"slices"
	"time"

	"linkspan/sqlerr"
)

// JoinDistributed carries out ALTER AVAILABILITY GROUP … JOIN AVAILABILITY GROUP ON, on the primary of the second group:
// the distributed group is made here with this side as its secondary. The databases come by its seeding, so that the local
// group must not have any. Errors: 19499, 19501, 19502, 19503, 19507, 19509, 19511, 35277, 41140, 41197, 41198, 41906.
func (c *Config) JoinDistributed(s DistributedSpec, now time.Time, e Env) (*Group, error) {
	if err := c.checkNew(s.Name, e, 19509); err != nil {
		return nil, err
	}
	g := &Group{ID: e.NewID(), Name: s.Name, Distributed: true, Role: Secondary, Sequence: 1, Created: now, Link: &LinkState{}}
	if err := c.addMembers(g, s, now, e); err != nil {
		return nil, err
	}
	local, remote := c.Group(g.Member(true).Name), g.Member(false)
	switch {
	case local.Role != Primary:
		return nil, sqlerr.New(41140, local.Name)
	case len(local.Databases) > 0:
		return nil, sqlerr.New(19511, g.Name, local.Name)
	}
	for _, dag := range c.Links(local.Name) {
		switch {
		case sameName(dag.Member(false).Name, remote.Name):
			return nil, sqlerr.New(19507, local.Name)
		case dag.Role == Secondary:
			return nil, sqlerr.New(19503, local.Name)
		}
	}
	g.Databases, g.Link.Endpoint = slices.Clone(local.Databases), remote.URL
	c.Groups = append(c.Groups, g)
	return g, nil
}
