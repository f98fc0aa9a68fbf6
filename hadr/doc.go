// Package hadr owns the replicas of an instance: its mirroring endpoint, its availability groups, and the links that
// keep copies of databases on a managed instance.
//
// What is decided is decided in agcore; this package carries it out. A Manager has one goroutine for each link, which
// feeds events to the link's state machine and performs the effects; pages and log move in further goroutines that
// belong to the link's present connection and end with it. All connections are made by the managed instance to the
// source's endpoint, one for each link, so that the certificate a connection was made with is the certificate that
// authorises it.
//
// An instance calls New, then Start when its databases are open, and Close. It translates statements to the plain
// structs of this package and of agcore and registers Views. Everything it must offer is in Options.
package hadr
