package sqlerr

// hadrMessages are raised by availability groups, distributed availability groups and their connections.
var hadrMessages = map[int32]entry{
	1475:  {16, "Database \"%s\" might contain bulk logged changes that have not been backed up. Take a log backup on the principal database or primary database. Then restore this backup either on the mirror database to enable database mirroring or on every secondary database to enable you to join it to the availability group."},
	35249: {16, "An attempt to add or join a system database, '%s', to an availability group failed. Specify only user databases for this operation."},
	47503: {16, "Cannot add database '%s' to availability group '%s': it belongs to the distributed availability group '%s', which is a link, and a link supports one database."},
}
