// Package web owns the REST API of "linkspan serve": migrations by backups, for programs, over TLS, with bearer tokens of
// two roles.
//
// Every route is a line of the table in routes_table.go, with its role and the types that it takes and gives; the OpenAPI
// document (openapi.json) is made of that table and of the types, and a test holds it to them. Errors are problem
// documents (RFC 9457) with cause and next step. What is changed is written to the ledger's audit by the service, under
// the token's name and the client's address. The package stores nothing but tokens' hashes, which its file holds.
package web
