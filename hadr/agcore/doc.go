// Package agcore owns what availability groups are and decide: their configuration with the checks of CREATE, ALTER and
// DROP AVAILABILITY GROUP, and the life of a link (a distributed availability group) on either side.
//
// It is pure. Config is changed by statements and says what to store. Link is a state machine: Step takes an event (a
// message of the peer, the end of a piece of work, a tick, a statement) and the time, and returns effects for package
// hadr to carry out, in order. It opens no socket, reads no clock and starts no goroutine, so that a whole history of
// joins, losses and returns is one golden file in testdata.
//
//	NONE → CREATED → INITIALISING → SEEDING → SYNCHRONIZING ⇄ NOT SYNCHRONIZING
//	                                        ⇄ SUSPENDED,  → BROKEN,  → DROPPED
//
// Synchronous commit and failover are to come as further events and effects of the same machine: Role is a field of
// the group, and every member has an availability mode already.
package agcore
