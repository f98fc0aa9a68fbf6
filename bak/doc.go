// Package bak owns the backup media: it reads SQL Server's own backup files without SQL Server, checks them, and
// writes files of the same layout.
//
// A backup file is one media family (a stripe) of a media set. It holds Microsoft Tape Format (MTF) descriptor blocks,
// each followed by streams, plain or inside the compressed MSSQLBAK container. One file holds one or more backup sets:
//
//	TAPE SFMB  SSET VOLB MSCI MSDA… MSTL… MSLS SFMB ESET ESET SFMB  SSET …
//
// What the fields mean was found on real files (SQL Server 2005 to 2022) and is listed, with what is only inferred and
// what is unknown, in docs/backups.md. A field we cannot locate is shown as unknown, never guessed.
//
// The package is pure: bytes come through io.Reader or io.ReaderAt, nothing is opened, no clock is read and no
// goroutine is started. Work that may run on many cores (see Verification) is handed out as independent units.
//
// Every length, offset and count that a file declares is compared with what the file can hold, and with Options.Budget,
// before anything is allocated. A file that cannot be read gives a *Fault that says which kind of fault it is
// (truncated, half-written, damaged, …), where, what was expected and what to do.
package bak
