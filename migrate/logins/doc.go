// Package logins owns how logins come from a SQL Server to a managed instance: with their SID and the hash of their
// password, so that users of the databases fit them and old passwords work; with their server roles, what they own and
// what they were granted; and, once a database is open, with its users.
//
// It speaks T-SQL alone, to SQL Server 2008 and later. What is to be done is planned by pure functions (plan*.go): facts of
// both sides in, statements out. The thin shell around them reads the facts, runs the statements, and reads again. So
// every stage may be repeated, and one that was cut short between two statements is planned anew from what is there.
//
// Nothing is taken away on the target: no login, role, member or grant that it has. What it has more, less or otherwise is
// told. A role that others are members of there is not given more rights, for they would get them too.
//
// Hashes of passwords go from one server to the other and nowhere else: they are secret values that print as nothing, and
// errors of statements that hold one are cleaned.
package logins
