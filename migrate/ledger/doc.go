// Package ledger owns what is stored of migrations by backups: activities, the value of each database's migration with its
// files and sets, logins, the steps that are due, the timeline and the audit. It is the truth for the engine, the
// commands and the API.
//
// It is one SQLite database in a folder that one engine and any number of commands use at once, in several processes.
// Step, what it changed and the jobs that follow from it are one transaction.
package ledger
