// Package exec owns the running of T-SQL: sessions with their variables, options and transactions, the control flow of
// batches and procedures, and what becomes of errors.
//
// Statements over tables are bound by tsql/bind and run on storage's connections; statements about the instance
// (databases, backups, certificates, endpoints, groups, logins) go to the Admin that the instance supplies.
//
// # What an error ends
//
// As in SQL Server an error ends its statement, its scope, its batch or the session:
//   - its statement: constraint violations, arithmetic errors, errors of definitions and of the instance's statements;
//     the batch goes on. 3621 follows when a data change was undone.
//   - its scope: names that cannot be bound. The batch or procedure ends, the caller goes on; a TRY around the statement
//     in the same scope does not catch it.
//   - its batch: failed conversions, THROW, deadlocks, and everything under XACT_ABORT; except for THROW the transaction
//     is rolled back, or doomed when a TRY catches the error.
//   - its session: severity 20 and above.
//
// # Transactions
//
// A transaction takes a database's turn to write at its first write and keeps it to its end; a wait for it obeys
// LOCK_TIMEOUT (1222). Until then each statement reads the newest hardened version; afterwards it reads its own.
// SERIALIZABLE, REPEATABLE READ and the hints UPDLOCK, XLOCK, HOLDLOCK and TABLOCKX take the turn at the first read.
// A commit is acknowledged when it is hardened.
package exec
