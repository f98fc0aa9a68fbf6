// Package armtypes owns the vocabulary of the management API: api-versions, resource ids, bodies and the error envelope
// of Microsoft.Sql as Azure Resource Manager speaks them, for the server (arm) and the client (armclient) alike.
//
// One internal model of a link is projected to the body that the asked-for api-version knows; bodies of either
// generation are read into that model. What callers send is judged here (names, endpoints, certificates) because both
// ends must agree about it. No package-level state, no disk, no network.
package armtypes
