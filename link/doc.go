// Package link owns the link orchestrator: it makes, watches, plans and ends links between a SQL Server and a managed
// instance, by T-SQL and the management API alone. Whether those are embedded instances or the real ones, only the
// addresses in the Spec tell.
//
// What there is to do is link/flow's table; this package carries its calls to the two sides, waits, and reports each
// step. It keeps nothing between runs: a run that was killed is finished by running it again. Secrets come from the
// environment or from files that only their owner can read, and are in no event, error or plan.
package link
