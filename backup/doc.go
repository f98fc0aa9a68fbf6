// Package backup owns the payload of our own backup files: what lies in the data and log streams of a backup set that
// package bak writes and reads.
//
// A full or differential backup is fuzzy, like a seeding: runs of pages, each as of one hardened version, while writers
// go on; then the log from before the first run to after the last, which makes them one version. A log backup is a
// stretch of the log, byte for byte. Restoring is therefore a seeding from a file: package storage checks every page
// against its hash and every version against its digest, and what comes out is the same database, byte for byte.
//
// SPEC.md beside this file has the format. The package reads and writes streams that the caller gives it; it opens no
// file and knows no path, no history and no T-SQL.
package backup
