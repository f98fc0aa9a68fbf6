package arm

import (
	"net/http"
	"slices"
	"strings"

	"linkspan/armtypes"
)

func (s *Server) listTenants(c *call) error {
	return c.json(http.StatusOK, list(map[string]any{"id": "/tenants/" + s.o.Tenant, "tenantId": s.o.Tenant, "displayName": s.o.SubscriptionName, "tenantCategory": "Home"}))
}

func list(values ...any) armtypes.List[any] {
	if values == nil {
		values = []any{}
	}
	return armtypes.List[any]{Value: values}
}

func (s *Server) subscription() map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + s.o.Subscription, "subscriptionId": s.o.Subscription, "tenantId": s.o.Tenant, "displayName": s.o.SubscriptionName,
		"state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": []any{},
		"subscriptionPolicies": map[string]any{"locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off"},
	}
}

func (s *Server) listSubscriptions(c *call) error {
	return c.json(http.StatusOK, list(s.subscription()))
}

func (s *Server) getSubscription(c *call) error { return c.json(http.StatusOK, s.subscription()) }

func (s *Server) listLocations(c *call) error {
	var out []any
	for _, l := range s.locations() {
		out = append(out, map[string]any{"id": "/subscriptions/" + s.o.Subscription + "/locations/" + l, "name": l, "displayName": l, "regionalDisplayName": l})
	}
	return c.json(http.StatusOK, list(out...))
}

func (s *Server) locations() []string {
	var out []string
	for _, i := range s.o.Instances {
		out = append(out, i.Location)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inGroup finds an instance in the resource group; a group exists by having one.
func (s *Server) inGroup(name string) (Instance, bool) {
	for _, i := range s.o.Instances {
		if strings.EqualFold(i.ResourceGroup, name) {
			return i, true
		}
	}
	return Instance{}, false
}

func (s *Server) groupBody(i Instance) map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + s.o.Subscription + "/resourceGroups/" + i.ResourceGroup, "name": i.ResourceGroup, "type": "Microsoft.Resources/resourceGroups",
		"location": i.Location, "properties": map[string]any{"provisioningState": "Succeeded"},
	}
}

func (s *Server) listGroups(c *call) error {
	seen := map[string]bool{}
	var out []any
	for _, i := range s.o.Instances {
		if k := strings.ToLower(i.ResourceGroup); !seen[k] {
			seen[k] = true
			out = append(out, s.groupBody(i))
		}
	}
	return c.json(http.StatusOK, list(out...))
}

func (s *Server) getGroup(c *call) error {
	i, ok := s.inGroup(c.path["rg"])
	if !ok {
		return groupNotFound(c.path["rg"])
	}
	return c.json(http.StatusOK, s.groupBody(i))
}

func groupNotFound(name string) error {
	return armtypes.Errorf(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

func (s *Server) headGroup(c *call) error {
	if _, ok := s.inGroup(c.path["rg"]); !ok {
		c.w.WriteHeader(http.StatusNotFound)
		return nil
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// sqlProvider is the registration of the one resource provider; clients ask for it before they use it.
func (s *Server) sqlProvider() map[string]any {
	versions := []string{"2025-01-01", "2023-08-01", "2023-05-01-preview", "2022-02-01-preview", "2021-11-01-preview", "2021-08-01-preview", "2021-05-01-preview"}
	var types []any
	for _, t := range []string{"managedInstances", "managedInstances/databases", "managedInstances/serverTrustCertificates", "managedInstances/endpointCertificates", "managedInstances/distributedAvailabilityGroups"} {
		types = append(types, map[string]any{"resourceType": t, "locations": s.locations(), "apiVersions": versions, "capabilities": "None"})
	}
	return map[string]any{
		"id": "/subscriptions/" + s.o.Subscription + "/providers/Microsoft.Sql", "namespace": "Microsoft.Sql", "registrationState": "Registered",
		"registrationPolicy": "RegistrationRequired", "resourceTypes": types,
	}
}

func (s *Server) listProviders(c *call) error {
	return c.json(http.StatusOK, list(s.sqlProvider()))
}

func (s *Server) getProvider(c *call) error {
	if !strings.EqualFold(c.path["ns"], "Microsoft.Sql") {
		return armtypes.Errorf(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '%s' is invalid.", c.path["ns"])
	}
	return c.json(http.StatusOK, s.sqlProvider())
}
