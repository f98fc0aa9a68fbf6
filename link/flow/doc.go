// Package flow owns the steps of making and ending a link, as a table: what to look at, how to decide from what was
// seen, what to do, how to undo it, and what is seen afterwards.
//
// It is pure: steps give T-SQL and management calls as data and take the answers; package link carries them. Each step
// looks before it acts and is decided again after it acted, so that a run that was killed anywhere is finished by
// running it again: nothing is remembered between runs. Certificates are compared by their bytes, never by their names.
//
// The order is that of the published guide to the link. Every name is quoted, every value bound or a literal made here
// of something checked; a certificate that a peer sent is parsed and printed anew as hex before it enters a statement.
package flow
