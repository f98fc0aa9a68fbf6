// Package storage owns a database on disk: its base file, its log, and who may see which version of it.
//
// The log is the database. A commit is one record appended to the log; the base file is brought up to date later, by
// checkpoints. Two watermarks order everything: what is appended, on which only the next writer builds, and what is
// hardened (synced, and acknowledged by Options.Harden), which is all that readers and replicas ever see. A replica is
// the same database whose log is fed by AppendLog instead of by a writer; its log has the same bytes at the same LSNs.
//
// SQLite lies between: package storage/logvfs gives it a file system in which a transaction's pages become one record.
// DESIGN.md beside this file says how and why; package pagelog has the log's format.
package storage
