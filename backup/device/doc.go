// Package device owns the backup devices that T-SQL names: TO DISK = and TO URL =, FROM DISK = and FROM URL =.
//
// A file on disk is reached through os.Root under the folders that the instance was configured with, so that no name
// leads out of them; links, devices and network paths are refused, NUL (and /dev/null) is served. A blob is reached only
// where a credential for its container was made. What is written appears under its name when it is whole: until then a
// disk file is called name.partial, and a blob is not there at all.
//
// Every error is what the client of BACKUP or RESTORE gets: 3201 or 3202 with the operating system's number as Windows
// has it, 3634, or 18204 in the error log's words; no credential is in any of them.
package device
