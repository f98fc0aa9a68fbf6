// Package servers owns what a migration says to its two servers in T-SQL: what stands in the way before it begins, the
// tail-log backup that closes the source, giving the source back, and comparing both sides at the end.
//
// Everything is written so that SQL Server 2008 and later, a managed instance and the embedded instance understand it.
// Views that an older version does not have count as empty. One pass asks about all databases at once.
//
// # Closing and giving back the source
//
// TakeTail is one BACKUP LOG … WITH NORECOVERY whose backup set has a name of its own for each cutover. Whether it was
// taken is read from the server: the name in msdb, or the header of the file, and the state of the database. So it is found
// again after a crash between any two statements. A file that is there already is never written to. Only a database whose
// last backup is a tail of ours, and that nobody restored anything into since, is opened again.
//
// # The content digest
//
// Each row is written as bytes, column after column in the order of the columns' names (by code point), and hashed with
// xxh3-128. A table's digest is the sum of its rows' hashes modulo 2^128, shown as 32 hexadecimal digits, high half first:
// the order of rows does not matter, how often a row occurs does. Computed columns, which follow from the others, and the
// internal columns of graph tables are left out; rowversion is taken, for a restore keeps it. A value is one byte for its
// kind and then:
//
//	0  NULL           nothing
//	1  bit            1 byte
//	2  integers       8 bytes, big-endian, two's complement
//	3  float, real    8 bytes of IEEE 754, big-endian
//	4  text           length as uvarint, UTF-8: all character types, xml, and as digits decimal, money, uniqueidentifier
//	5  binary         length as uvarint, bytes: also rowversion, and the binary form of hierarchyid, geometry, geography
//	6  date and time  8 bytes seconds since 1970 UTC, 4 bytes nanoseconds, 4 bytes offset in seconds, all big-endian
//
// A sql_variant is what it holds. The hash is not a cryptographic one: it finds differences, not forgers.
package servers
