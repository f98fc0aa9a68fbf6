// Package pagelog owns the format of a database's log: segments, records, page changes, and the hash of a page.
//
// It is pure: bytes in, values out. SPEC.md beside this file specifies the format and says why it is as it is. Every
// decoder here reads bytes that a disk or a peer may have damaged: it returns errors and never panics.
package pagelog
