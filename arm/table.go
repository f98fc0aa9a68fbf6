package arm

import (
	"net/http"
	"strings"
)

// The prefixes of the paths.
const (
	inSubscription = "/subscriptions/{sub}"
	inGroup        = inSubscription + "/resourcegroups/{rg}"
	sqlInstances   = "/providers/microsoft.sql/managedinstances"
	inInstance     = inGroup + sqlInstances + "/{mi}"
)

// table lists what the endpoint serves with a token.
func (s *Server) table() []route {
	var routes []route
	add := func(method, pattern string, serve func(*call) error) {
		routes = append(routes, route{method: method, pattern: strings.Split(strings.Trim(pattern, "/"), "/"), serve: serve})
	}
	add(http.MethodGet, "/tenants", s.listTenants)
	add(http.MethodGet, "/subscriptions", s.listSubscriptions)
	add(http.MethodGet, inSubscription, s.getSubscription)
	add(http.MethodGet, inSubscription+"/locations", s.listLocations)
	add(http.MethodGet, inSubscription+"/resourcegroups", s.listGroups)
	add(http.MethodGet, inGroup, s.getGroup)
	add(http.MethodHead, inGroup, s.headGroup)
	add(http.MethodGet, inSubscription+"/providers", s.listProviders)
	add(http.MethodGet, inSubscription+"/providers/{ns}", s.getProvider)
	add(http.MethodPost, inSubscription+"/providers/{ns}/register", s.getProvider)

	add(http.MethodGet, inSubscription+sqlInstances, s.listInstances)
	add(http.MethodGet, inGroup+sqlInstances, s.listInstances)
	add(http.MethodGet, inInstance, s.getInstance)
	add(http.MethodPost, inInstance+"/failover", s.notYet("the failover of an instance to another node"))
	add(http.MethodGet, inInstance+"/databases", s.listDatabases)
	add(http.MethodGet, inInstance+"/databases/{db}", s.getDatabase)
	add(http.MethodPut, inInstance+"/databases/{db}", s.putDatabase)
	add(http.MethodDelete, inInstance+"/databases/{db}", s.deleteDatabase)
	add(http.MethodPost, inInstance+"/databases/{db}/completerestore", s.completeRestore)
	add(http.MethodGet, inInstance+"/databases/{db}/restoredetails/{name}", s.getRestoreDetails)

	trust := inInstance + "/servertrustcertificates"
	add(http.MethodGet, trust, s.listTrust)
	add(http.MethodGet, trust+"/{name}", s.getTrust)
	add(http.MethodPut, trust+"/{name}", s.putTrust)
	add(http.MethodDelete, trust+"/{name}", s.deleteTrust)
	add(http.MethodGet, inInstance+"/endpointcertificates", s.listEndpointCertificates)
	add(http.MethodGet, inInstance+"/endpointcertificates/{name}", s.getEndpointCertificate)

	links := inInstance + "/distributedavailabilitygroups"
	add(http.MethodGet, links, s.listLinks)
	add(http.MethodGet, links+"/{name}", s.getLink)
	add(http.MethodPut, links+"/{name}", s.putLink)
	add(http.MethodPatch, links+"/{name}", s.patchLink)
	add(http.MethodDelete, links+"/{name}", s.deleteLink)
	add(http.MethodPost, links+"/{name}/failover", s.failoverLink)
	add(http.MethodPost, links+"/{name}/setrole", s.setLinkRole)

	operations := inGroup + "/providers/microsoft.sql/locations/{location}"
	add(http.MethodGet, operations+"/"+statusPath+"/{id}", s.getOperation)
	add(http.MethodGet, operations+"/"+resultPath+"/{id}", s.getOperationResult)
	return routes
}
