// Package rescue owns rescue files: the row-level difference between two versions of one database, written before a
// forced failover's old primary gives up what only it has.
//
// Write compares a database at the fork, the last position that both sides have, with its tail, and streams what
// differs: rows inserted, updated and deleted, by table and key, and definitions that changed. Save puts that into a
// file that is durable before anything is taken back. A file is read with Open and shown as text, as JSON lines, or as
// T-SQL that turns the fork into the tail. SPEC.md beside this file is the format.
package rescue
