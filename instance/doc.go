// Package instance owns one SQL-Server-compatible server: its databases, what its master database remembers, its
// logins, sessions and views, and the statements about whole databases, certificates, endpoints and groups.
//
// It ties the T-SQL engine, storage and HADR together and serves sessions (sqlapi.Backend) to whatever listens for
// clients. It opens no port for clients itself.
package instance
