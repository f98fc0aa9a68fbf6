// Package flow owns the order of a log replay: from the files that lie in a folder and from how far the database has been
// restored it tells what is restored next, what is waited for, and what becomes of each file. It asks nobody and does
// nothing.
package flow
