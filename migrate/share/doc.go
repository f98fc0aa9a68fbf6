// Package share watches a place of backup files, an SMB share or a local folder, and opens them for copying.
//
// Scan looks into one folder of the place, not into those below it: the Log Replay Service takes flat folders, and with a
// folder per database each is scanned by its own name. A file is known by what its header says, never by its name. Its
// headers are read once for each version; a version is the time of the last change and the size, as the place tells them.
//
// A file is Growing, and not to be copied, while it changes while it is looked at, while its writer holds it, and while it
// ends before the backup in it does. One that stands still in the middle of a backup is a problem after a while, not a
// backup that comes. What is complete by its own trailer is taken at once: a version that changes during a copy is told by
// ErrChanged. Files under the names that programs give to what they still write are waited with until they are renamed.
//
// A connection that broke is made again. While the server refuses, it is asked seldom: wrong passwords lock accounts.
package share
