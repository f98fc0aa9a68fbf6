// Package replay owns the target of a migration: a managed instance, real or local, that restores a database from the files in
// storage by the Log Replay Service, driven over the management API.
//
// Whether a database on the target is ours has to be known after any restart, of this program or of the target, because only
// ours is ever deleted. So it is written on the database itself: the log replay is started with a tag whose value is a hash of
// the storage's location and the name. A database without that tag, as one whose service does not keep tags, is taken for ours
// when its restore details name files and all of them have names that package depot gives. One that is open is never deleted.
//
// No call waits for a restore: what was asked is asked about for a bounded time, and then left to Follow.
package replay
