// Package mdf owns the inside of a SQL Server database's data files: it reads tables from pages, without a server.
//
// The pages come from backup sets (a full, and a differential laid over it page by page) or from the data files
// themselves. Open reads the boot page and from there the system tables, which describe their own columns and those of
// every other table; Database lists what they hold; Scan reads the rows of a table.
//
// What is read is the state of the pages when the backup was taken. An online backup is fuzzy: changes made while it ran
// are complete only after the log at its end was replayed, which this package does not do. Label says so.
//
// The layouts are those of SQL Server 2005 to 2022 as found in real files; docs/backups.md lists what is read, what is
// named and not read (columnstore, memory-optimised tables, FILESTREAM, TDE), and what is inferred.
//
// The package is pure: it reads through io.ReaderAt, and every offset, count and chain that a page names is bounded by
// the page, by the pages there are, or by a budget, before it is followed.
package mdf

// Label is what every output made from pages must say.
const Label = "pages as of the backup, log not replayed"
