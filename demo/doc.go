// Package demo owns the guided tour: it starts a sandbox, links a sample database to the managed instance, loads it,
// measures how far the copy is behind, and proves that both sides are equal.
//
// It is a user like any other: it speaks T-SQL and REST through the link orchestrator and a SQL client, and reaches
// into no server by another way.
package demo
