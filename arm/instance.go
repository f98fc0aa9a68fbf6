package arm

import (
	"net/http"
	"strings"

	"linkspan/armtypes"
)

// instance finds the managed instance of the path.
func (c *call) instance() (Instance, armtypes.InstanceID, error) {
	for _, i := range c.s.o.Instances {
		if strings.EqualFold(i.Name, c.path["mi"]) && strings.EqualFold(i.ResourceGroup, c.path["rg"]) {
			return i, c.s.instanceID(i), nil
		}
	}
	if _, ok := c.s.inGroup(c.path["rg"]); !ok {
		return Instance{}, armtypes.InstanceID{}, groupNotFound(c.path["rg"])
	}
	return Instance{}, armtypes.InstanceID{}, armtypes.Errorf(http.StatusNotFound, "ResourceNotFound",
		"The Resource 'Microsoft.Sql/managedInstances/%s' under resource group '%s' was not found.", c.path["mi"], c.path["rg"])
}

func (s *Server) instanceID(i Instance) armtypes.InstanceID {
	return armtypes.InstanceID{Subscription: s.o.Subscription, ResourceGroup: i.ResourceGroup, Name: i.Name}
}

func (c *call) instanceBody(i Instance) (armtypes.ManagedInstance, error) {
	info, err := i.Describe(c.r.Context())
	if err != nil {
		return armtypes.ManagedInstance{}, err
	}
	tags := info.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	_, zone, _ := strings.Cut(info.FQDN, ".")
	zone, _, _ = strings.Cut(zone, ".")
	return armtypes.ManagedInstance{
		Resource: armtypes.Resource{ID: c.s.instanceID(i).String(), Name: i.Name, Type: "Microsoft.Sql/managedInstances"},
		Location: i.Location, Tags: tags,
		Properties: armtypes.ManagedInstanceProperties{
			ProvisioningState: armtypes.Succeeded, State: "Ready", FullyQualifiedDomainName: info.FQDN, AdministratorLogin: info.AdministratorLogin,
			Collation: info.Collation, DNSZone: zone, TimezoneID: "UTC",
		},
	}, nil
}

// listInstances lists those of the subscription or, when the path names one, of a resource group.
func (s *Server) listInstances(c *call) error {
	group, narrow := c.path["rg"]
	if narrow {
		if _, ok := s.inGroup(group); !ok {
			return groupNotFound(group)
		}
	}
	out := armtypes.List[armtypes.ManagedInstance]{Value: []armtypes.ManagedInstance{}}
	for _, i := range s.o.Instances {
		if narrow && !strings.EqualFold(i.ResourceGroup, group) {
			continue
		}
		b, err := c.instanceBody(i)
		if err != nil {
			return err
		}
		out.Value = append(out.Value, b)
	}
	return c.json(http.StatusOK, out)
}

func (s *Server) getInstance(c *call) error {
	i, _, err := c.instance()
	if err != nil {
		return err
	}
	b, err := c.instanceBody(i)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, b)
}

// notYet refuses what the API has and this endpoint does not, by name.
func (s *Server) notYet(what string) func(*call) error {
	return func(c *call) error {
		if c.path["mi"] != "" {
			if _, _, err := c.instance(); err != nil {
				return err
			}
		}
		return armtypes.Errorf(http.StatusBadRequest, "OperationNotSupported", "This endpoint does not support %s.", what)
	}
}

func databaseBody(i Instance, id armtypes.InstanceID, d Database) armtypes.ManagedDatabase {
	b := armtypes.ManagedDatabase{
		Resource:   armtypes.Resource{ID: id.String() + "/databases/" + d.Name, Name: d.Name, Type: "Microsoft.Sql/managedInstances/databases"},
		Location:   i.Location,
		Tags:       d.Tags,
		Properties: armtypes.ManagedDatabaseProperties{Status: d.Status, Collation: d.Collation},
	}
	if !d.Created.IsZero() {
		t := d.Created.UTC()
		b.Properties.CreationDate = &t
	}
	return b
}

func (s *Server) listDatabases(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	all, err := i.Databases.Databases(c.r.Context())
	if err != nil {
		return err
	}
	out := armtypes.List[armtypes.ManagedDatabase]{Value: []armtypes.ManagedDatabase{}}
	for _, d := range all {
		out.Value = append(out.Value, databaseBody(i, id, d))
	}
	return c.json(http.StatusOK, out)
}

func (s *Server) getDatabase(c *call) error {
	i, id, err := c.instance()
	if err != nil {
		return err
	}
	all, err := i.Databases.Databases(c.r.Context())
	if err != nil {
		return err
	}
	for _, d := range all {
		if strings.EqualFold(d.Name, c.path["db"]) {
			return c.json(http.StatusOK, databaseBody(i, id, d))
		}
	}
	return c.notFound("databases/" + c.path["db"])
}

// notFound is the error for a resource under the instance.
func (c *call) notFound(child string) error {
	return armtypes.Errorf(http.StatusNotFound, "ResourceNotFound", "The requested resource 'Microsoft.Sql/managedInstances/%s/%s' was not found.", c.path["mi"], child)
}
