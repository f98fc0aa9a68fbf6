// Package chain owns the question whether a heap of backup files can be restored, how far, and with which of them.
//
// Plan takes the backup sets found in any number of files (any names, mixed databases, stripes apart, several sets per
// file, duplicates, copies of other lives of a database) and says for each database: the shortest sequence of sets that
// reaches the newest point, or a given one; the windows of time that can be restored; the gaps, as LSN range and time
// window with the kind of file that would close each; and what every file outside the sequence is, and why it is outside.
//
// The rules are SQL Server's: a differential follows the full whose set id it names; a log applies when it begins at or
// before the point reached and ends behind it; sets belong together when they share a recovery fork, or when the fork
// began at a point of another one. Times are the servers' wall clocks as the files hold them.
//
// The package is pure: headers in, plans out.
package chain
