package sqlerr

// databaseMessages are raised by statements about whole databases, their files and their backups.
var databaseMessages = map[int32]entry{
	911:  {16, "Database '%s' does not exist. Make sure that the name is entered correctly."},
	922:  {14, "Database '%s' is being recovered. Waiting until recovery is finished."},
	924:  {14, "Database '%s' is already open and can only have one user at a time."},
	926:  {14, "Database '%s' cannot be opened. It has been marked SUSPECT by recovery. See the SQL Server errorlog for more information."},
	927:  {14, "Database '%s' cannot be opened. It is in the middle of a restore."},
	942:  {14, "Database '%s' cannot be opened because it is offline."},
	976:  {14, "The target database, '%s', is participating in an availability group and is currently not accessible for queries. Either data movement is suspended or the availability replica is not enabled for read access. To allow read-only access to this and other databases in the availability group, enable read access to one or more secondary availability replicas in the group."},
	1801: {16, "Database '%s' already exists. Choose a different database name."},
	1802: {16, "CREATE DATABASE failed. Some file names listed could not be created. Check related errors."},
	3013: {16, "%s is terminating abnormally."},
	3014: {0, "%s successfully processed %d pages in %s seconds (%s MB/sec)."},
	3201: {16, "Cannot open backup device '%s'. Operating system error %s."},
	3211: {0, "%d percent processed."},
	3702: {16, "Cannot drop database \"%s\" because it is currently in use."},
	3708: {16, "Cannot drop the %s '%s' because it is a system %s."},
	3752: {16, "The database '%s' is currently joined to an availability group.  Before you can drop the database, you need to remove it from the availability group."},
	4035: {0, "Processed %d pages for database '%s', file '%s' on file %d."},
	4208: {16, "The statement %s is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the recovery model using ALTER DATABASE."},
	4214: {16, "BACKUP LOG cannot be performed because there is no current database backup."},
	5011: {14, "User does not have permission to alter database '%s', the database does not exist, or the database is not in a state that allows access checks."},
	5069: {16, "ALTER DATABASE statement failed."},
	9002: {17, "The transaction log for database '%s' is full due to '%s'."},
	823:  {24, "The operating system returned error %s to SQL Server during a %s at offset %s in file '%s'. Additional messages in the SQL Server error log and operating system error log may provide more detail."},
	824:  {24, "SQL Server detected a logical consistency-based I/O error: %s. It occurred during a %s of page (%d:%d) in database ID %d at offset %s in file '%s'."},
}
