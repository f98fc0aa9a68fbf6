// Package baktest makes small SQL Server databases, as data files, and backups of them, for the tests of what reads
// such files. What it makes follows the layouts of docs/backups.md; no SQL Server ever saw it.
package baktest
