package sqlerr

// failoverMessages are raised when the two sides of a link change roles.
var failoverMessages = map[int32]entry{
	1480:  {10, "The availability group database \"%s\" is changing roles from \"%s\" to \"%s\" because the mirroring session or availability group failed over due to %s. This is an informational message only. No user action is required."},
	19530: {16, "The availability mode of distributed availability group '%s' cannot be changed to ASYNCHRONOUS_COMMIT while REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT is greater than 0. Set that to 0 first."},
	35250: {16, "The connection to the primary replica is not active. The command cannot be processed."},
	41122: {16, "Cannot failover availability group '%s' to this instance of SQL Server. The local availability replica is already the primary replica of the availability group. To failover this availability group to another instance of SQL Server, run the failover command on that instance of SQL Server. If the local server instance is intended to host the primary replica of the availability group, then no action is required."},
	41142: {16, "The availability replica for availability group '%s' on this instance of SQL Server cannot become the primary replica. One or more databases are not synchronized or have not joined the availability group."},
	41965: {16, "The role of the managed instance in link '%s' is %s already."},
	47511: {16, "The availability group '%s' is not a link to a managed instance. Only the distributed availability group of a link can be failed over with this command."},
	47512: {16, "The availability group '%s' cannot be changed while its failover is in progress. Wait until the failover is over, then run the command again."},
	47513: {16, "A failover of link '%s' is in progress already. Wait until it is over; sys.dm_hadr_availability_replica_states shows the roles."},
	47514: {16, "Cannot fail over link '%s': %s. Nothing has changed."},
	47515: {16, "Cannot fail over link '%s': the copy has still to be sent %d MB of log. Reduce the load, wait until log_send_queue_size in sys.dm_hadr_database_replica_states is small, then run the command again. Nothing has changed."},
	47516: {16, "Cannot fail over link '%s': the copy has still to apply %d MB of log. Reduce the load, wait until redo_queue_size in sys.dm_hadr_database_replica_states is small, then run the command again. Nothing has changed."},
	47517: {16, "Cannot fail over link '%s' from this instance, which is not its primary. Run the command on the primary; to take the role without it, with possible loss of data, run ALTER AVAILABILITY GROUP [%[1]s] FORCE_FAILOVER_ALLOW_DATA_LOSS here."},
	58010: {16, "Cannot fail over database '%s': it is in %d links, and '%s' would be left without a primary to follow. Delete the others first. Nothing has changed."},
	58011: {16, "Database '%s' takes no writes: it was given to the other side of '%s' in epoch %d, and whether that has opened it is not known here. When the sides meet again this resolves by itself. To decide now, run ALTER AVAILABILITY GROUP [%[2]s] FORCE_FAILOVER_ALLOW_DATA_LOSS on the one side that shall take writes, and only there."},
	58012: {16, "Database '%s' takes no writes: the other side of '%s' was opened by force in epoch %d. To bring this side back as its copy, run ALTER AVAILABILITY GROUP [%[2]s] SET (ROLE = SECONDARY) here: what only this side has is first written to a file."},
	58013: {16, "Database '%s' takes no writes: '%s' was set to the role SECONDARY here. Run ALTER AVAILABILITY GROUP [%[2]s] FORCE_FAILOVER_ALLOW_DATA_LOSS on the side that shall take writes."},
	58014: {10, "Forced failover of '%s': database '%s' was opened in epoch %d. Its log ends at %s; the last position known of the old primary is %s. What the old primary had after that is missing here."},
	58015: {10, "Database '%s' of '%s' was brought back to the log of the new primary: what was after %s up to %s was taken back, %d changed rows in %d tables, kept in %s."},
	58016: {16, "Both sides of link '%s' are primary: this one since epoch %d, %s since epoch %d. Run ALTER AVAILABILITY GROUP [%[1]s] SET (ROLE = SECONDARY) there to make that one the copy."},
	58018: {10, "Database '%s' of '%s' is brought in line with the new primary by fetching the pages that differ: the log here does not reach back to where the two went apart (%s). What it had up to %s was compared with the new primary at %s: %d rows in %d tables differ, kept in %s. Rows that the new primary changed since the two went apart are among them."},
	58019: {10, "Database '%s' takes writers again because '%s' was dropped here. It took none since a failover: where the other side was opened, there are two independent databases now, and this one lacks what was written there."},
	58017: {16, "Neither side of link '%s' is primary. Run ALTER AVAILABILITY GROUP [%[1]s] FORCE_FAILOVER_ALLOW_DATA_LOSS on the side that shall be."},
}
