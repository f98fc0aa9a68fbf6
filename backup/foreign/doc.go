// Package foreign makes one of our databases of SQL Server's own backup files: what package bak/mdf reads of their pages
// is defined anew and filled in.
//
// Tables come with their columns, identities, keys, indexes, defaults, checks and foreign keys; rows go past T-SQL straight
// into the tables, so that triggers and checks do not run and identities keep their values. Views, procedures, functions
// and triggers are created from their text as far as our T-SQL takes it. Everything that did not come over is in the
// Report with the reason, which is also left in the database as dbo.linkspan_import_report.
//
// The pages are those of the backup: what was in flight while it was taken needs the log at its end, which is not
// replayed (mdf.Label). Every report says so.
package foreign
