// Package flow owns the life of one database's migration by its backups: which states there are, what moves it from one
// to the next, what has to be done in each, and what may be asked of it.
//
// It is a transition table (table.go), and pure: events in, effects out. Nothing here reads a clock, a disk or a network.
// A Migration is a value that is stored as JSON. What is to be done is a function of what is stored (Outstanding), never
// of how it came about: whoever was killed loads the value and finds the same effects with the same keys. So the caller
// MUST store the value that Step leaves before it carries out an effect, and an effect MUST be harmless when it is
// carried out twice. Facts that come twice, or too late, change nothing.
//
// Words are those of the Azure Database Migration Service: states, file states, pending changes, stages of logins. Two
// states are ours: CANCELLING, because a cancelled migration has things to take back and may be killed meanwhile, and
// FAILED can be left by Retry.
//
// The package names no kind of source, storage or target: sets and files are told apart by ids and versions that the
// caller gives.
package flow
