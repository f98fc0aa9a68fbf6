// Package trust owns keys and certificates: the database master key of master, the certificates made or imported there,
// and what may be said of each.
//
// A certificate is a real X.509 certificate. One made here is self-signed (RSA, SHA-256) and its private key is kept
// encrypted under the master key (AES-256-GCM); the master key itself is kept encrypted twice, under a key derived from
// the administrator's password (PBKDF2, parameters stored beside it) and under the service master key, a file that
// belongs to the instance, so that a restart needs no password. One imported with FROM BINARY has no private key: it
// only names a peer. Which links a certificate authorises is not decided here but in package hadr.
//
// The package is pure: time, randomness and the place where documents are kept come as parameters. Numbers and texts of
// refusals are SQL Server's (sqlerr).
package trust
