package servers

import (
	"fmt"
	"strings"
	"time"
)

// The words of sys.databases.
const (
	stateOnline    = "ONLINE"
	stateRestoring = "RESTORING"
	stateOffline   = "OFFLINE"
	simpleRecovery = "SIMPLE"
	multiUser      = "MULTI_USER"
)

// Backups that are older than this are worth a word.
const (
	fullLately = 7 * 24 * time.Hour
	logLately  = 24 * time.Hour
)

// rule is one thing that can be wrong with a database of the source.
type rule struct {
	id     string
	blocks bool
	// last: what follows says nothing of such a database.
	last bool
	when func(c *check, d *Database) bool
	// text follows the database's name.
	text func(c *check, d *Database) string
	fix  string
}

func says(text string) func(*check, *Database) string {
	return func(*check, *Database) string { return text }
}

// rules are looked at in this order.
var rules = []rule{
	{"system-database", true, true, func(_ *check, d *Database) bool { return d.System }, says("is a system database, and those are not moved"),
		"take it out; logins are moved by settings.logins, the rest has to be scripted"},
	{"ssisdb", true, true, func(_ *check, d *Database) bool { return strings.EqualFold(d.Name, "SSISDB") },
		says("is the catalog of Integration Services, which is not moved"),
		"provision SSIS in Azure Data Factory and deploy the projects to the SSISDB on the target"},
	{"distribution", true, true, func(_ *check, d *Database) bool { return d.Distributor || strings.EqualFold(d.Name, "distribution") },
		says("is replication's distribution database, which is not moved"), "take it out, and set replication up again on the target"},
	{"snapshot", true, true, func(_ *check, d *Database) bool { return d.SnapshotOf != 0 },
		says("is a database snapshot, which cannot be backed up"), "move the database it is a snapshot of"},
	{"offline", true, true, func(_ *check, d *Database) bool { return d.State == stateOffline }, says("is OFFLINE"), "ALTER DATABASE … SET ONLINE"},
	{"restoring", true, true, func(_ *check, d *Database) bool { return d.State == stateRestoring || d.Standby }, restoringText,
		"finish that restore (RESTORE DATABASE … WITH RECOVERY), or move it from the server it comes from"},
	{"not-online", true, true, func(_ *check, d *Database) bool { return d.State != stateOnline },
		func(_ *check, d *Database) string { return "is " + d.State }, "bring it online; the server's error log has the reason"},
	{"simple-recovery", true, false, func(_ *check, d *Database) bool { return d.Recovery == simpleRecovery },
		says("has the recovery model SIMPLE: no log backups can be taken, so it cannot be moved while it is in use"),
		"ALTER DATABASE … SET RECOVERY FULL, and then take a full backup"},
	{"tde-certificate-missing", true, false, func(c *check, d *Database) bool { return d.Encrypted && c.dst != nil && !c.hasKey(d) }, tdeText,
		"migrate the certificate with its private key to the target first: BACKUP CERTIFICATE on the source; then CREATE CERTIFICATE … FROM FILE on a SQL Server, " +
			"or on a managed instance Add-AzSqlManagedInstanceTransparentDataEncryptionCertificate"},
	{"tde", false, false, func(c *check, d *Database) bool { return d.Encrypted && c.dst == nil }, tdeText,
		"see that the certificate is on the target before the migration begins: without it nothing is restored (33111)"},
	{"filestream", true, false, func(_ *check, d *Database) bool { return d.FileStream },
		says("has FILESTREAM or FileTable data, which a managed instance does not take"), "move those data elsewhere and remove their filegroup"},
	{"several-log-files", true, false, func(c *check, d *Database) bool { return d.LogFiles > 1 && (c.dst == nil || c.dst.managed()) },
		func(_ *check, d *Database) string {
			return fmt.Sprintf("has %d log files; a managed instance takes one (41921)", d.LogFiles)
		}, "remove all but one: back the log up, DBCC SHRINKFILE … EMPTYFILE, ALTER DATABASE … REMOVE FILE"},
	{"in-memory", false, false, func(_ *check, d *Database) bool { return d.InMemory },
		says("has In-Memory OLTP data, which only the tier Business Critical of a managed instance takes"), "choose that tier, or remove the memory-optimised filegroup"},
	{"bad-files", true, false, func(_ *check, d *Database) bool { return len(d.BadFiles) > 0 },
		func(_ *check, d *Database) string {
			return "has files that cannot be moved: " + strings.Join(d.BadFiles, ", ")
		},
		"restore those files, or remove them with their filegroup"},
	{"in-group", false, false, func(_ *check, d *Database) bool { return d.Group != "" },
		func(_ *check, d *Database) string {
			return "is in the availability group " + d.Group + ": the tail of its log cannot be taken WITH NORECOVERY"
		}, "remove it from the group before the cutover: ALTER AVAILABILITY GROUP … REMOVE DATABASE"},
	{"mirrored", false, false, func(_ *check, d *Database) bool { return d.Mirrored },
		says("is mirrored: the tail of its log cannot be taken WITH NORECOVERY"), "end mirroring before the cutover: ALTER DATABASE … SET PARTNER OFF"},
	{"published", false, false, func(_ *check, d *Database) bool { return d.Published },
		says("is published by replication, which is not moved with it"), "set replication up again on the target after the cutover"},
	{"read-only", false, false, func(_ *check, d *Database) bool { return d.ReadOnly }, says("is read-only: it will be so on the target"),
		"ALTER DATABASE … SET READ_WRITE, if it is to be written to"},
	{"single-user", false, false, func(_ *check, d *Database) bool { return d.Access != "" && d.Access != multiUser },
		func(_ *check, d *Database) string { return "is " + d.Access }, "ALTER DATABASE … SET MULTI_USER, if that is not meant"},
	{"no-chain", false, false, func(_ *check, d *Database) bool { return d.Recovery != simpleRecovery && !d.Chained },
		says("has had no full backup since it has its recovery model: there is nothing yet that log backups could follow"), "take a full backup WITH CHECKSUM"},
	{"no-full-backup-lately", false, false, func(_ *check, d *Database) bool { return d.Chained && (d.Full == nil || d.Full.Age > fullLately) }, fullText,
		"take a full backup WITH CHECKSUM, so that less log has to be restored"},
	{"no-log-backup-lately", false, false, func(_ *check, d *Database) bool {
		return d.Chained && d.Recovery != simpleRecovery && (d.Log == nil || d.Log.Age > logLately)
	}, logText, "take log backups WITH CHECKSUM often: what is not backed up yet is what the cutover has to wait for"},
	{"no-checksum", false, false, func(_ *check, d *Database) bool {
		return d.Full != nil && !d.Full.Checksum || d.Log != nil && !d.Log.Checksum
	}, checksumText,
		"take backups WITH CHECKSUM; others are taken only when you accept that (acceptNoChecksum)"},
}

func restoringText(_ *check, d *Database) string {
	if d.Standby {
		return "is in STANDBY: somebody restores it, or it is the source of a migration that is done"
	}
	return "is RESTORING"
}

// hasKey tells whether the target has the certificate of an encrypted database.
func (c *check) hasKey(d *Database) bool {
	return d.Thumbprint != "" && c.dst.certificates[d.Thumbprint] != ""
}

func tdeText(c *check, d *Database) string {
	what := "certificate"
	if d.Encryptor != "" && d.Encryptor != "CERTIFICATE" {
		what = strings.ToLower(d.Encryptor)
	}
	s := fmt.Sprintf("is encrypted (TDE) under the %s", what)
	if name := c.src.certificates[d.Thumbprint]; name != "" {
		s += " " + name
	}
	if d.Thumbprint != "" {
		s += " with the thumbprint " + d.Thumbprint
	}
	if c.dst != nil {
		s += ", which the target " + c.dst.name + " does not have"
	}
	return s
}

func fullText(_ *check, d *Database) string {
	if d.Full == nil {
		return "has no full backup that msdb knows of"
	}
	return fmt.Sprintf("was backed up in full %d days ago, as msdb tells", int(d.Full.Age.Hours())/24)
}

func logText(_ *check, d *Database) string {
	if d.Log == nil {
		return "has no log backup that msdb knows of"
	}
	return fmt.Sprintf("had its last log backup %d hours ago, as msdb tells", int(d.Log.Age.Hours()))
}

func checksumText(_ *check, d *Database) string {
	var kinds []string
	if d.Full != nil && !d.Full.Checksum {
		kinds = append(kinds, "full")
	}
	if d.Log != nil && !d.Log.Checksum {
		kinds = append(kinds, "log")
	}
	return "had its last " + strings.Join(kinds, " and ") + " backup without CHECKSUM, as msdb tells"
}
