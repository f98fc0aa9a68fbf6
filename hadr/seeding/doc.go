// Package seeding owns the making of a first copy: on the source, reading pages while the database is being written; on
// the target, installing them beside the log that belongs to them.
//
// The seeding is fuzzy and resumable (package storage). Pages and log come over two streams; the log starts where the
// first page was read, and the copy is whole when the log has reached the version of the last chunk. Both sides can be
// killed at any point: the source keeps the log from the first chunk on, the target asks to continue at the first page it
// has not safely installed, and at most one chunk comes twice.
//
// A copy that has pages already, because it went another way or fell behind the log there is, is seeded by difference: it
// tells the hashes of its pages, run by run, and is sent those that differ. The same hashes find the page in which two
// copies of one LSN differ (FindDifference), and one page is had from the other side to repair another (FetchPage).
//
// Slots bounds how many copies an instance sends at once, Limit the bytes a second that these take together.
package seeding
