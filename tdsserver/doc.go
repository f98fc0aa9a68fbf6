// Package tdsserver owns the TDS endpoint of an instance: listening, encryption, login, and the exchange of requests
// and answers with each client ([MS-TDS] 3.3).
//
// It knows no SQL: a sqlapi.Backend checks logins and opens sessions, a sqlapi.Session runs what the client sends and
// writes to the ResultSink that this package implements. Bytes are package tds's matter.
//
// Each connection has two goroutines. The reader puts messages together and hands them over; while a request runs it
// goes on reading, so that an attention can cancel the request and a vanished client ends it. The other goroutine runs
// the requests, one at a time, and is the only one that writes. A stranger gets as far as the protocol's version: until
// a login has succeeded a connection counts against the limit of logins in flight, has a deadline, and costs a few
// kilobytes.
package tdsserver
