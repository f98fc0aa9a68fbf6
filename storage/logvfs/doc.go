// Package logvfs owns what SQLite believes to be its file system: a VFS in which one database has many versions.
//
// A connection pins a Version when SQLite takes its shared lock and reads that version until it lets go; the writing
// connection collects its pages and hands them to the Host in one piece when SQLite syncs the file, which is the commit.
// Nothing here touches the disk but temporary files; what a commit means, and where pages come from, is the Host's.
package logvfs
