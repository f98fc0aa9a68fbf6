package doctor

import (
	"maps"
	"slices"
)

// Kind is a kind of finding.
type Kind struct {
	ID       string
	Severity Severity
	Cause    string
	Fix      string
}

// Kinds lists the catalogue by id; docs/doctor.md is made of it.
func Kinds() []Kind {
	var out []Kind
	for _, id := range slices.Sorted(maps.Keys(catalogue)) {
		out = append(out, catalogue[id])
	}
	return out
}

var catalogue = byID(
	Kind{"LS-ARM-001", Blocking, "the management API does not accept the service principal", "check tenant, client id and secret, and that the principal may read the managed instance"},
	Kind{"LS-ARM-002", Blocking, "the management API knows no such managed instance", "check the resource id: subscription, resource group and name"},
	Kind{"LS-ARM-003", Blocking, "the managed instance is not ready", "wait until its state is Ready"},
	Kind{"LS-ARM-004", Blocking, "the management API did not answer the question", "read the evidence; ask again"},
	Kind{"LS-CLK-001", Warning, "two clocks differ by more than a minute", "set the clocks by NTP: certificates are held to each side's own clock"},
	Kind{"LS-CRT-001", Blocking, "an endpoint's certificate has expired", "make a new certificate, import it on the other side, ALTER ENDPOINT … AUTHENTICATION = CERTIFICATE [new]"},
	Kind{"LS-CRT-002", Blocking, "an endpoint's certificate is not yet valid", "check that side's clock, or wait, or make a certificate that is valid now"},
	Kind{"LS-CRT-003", Warning, "an endpoint's certificate expires within 30 days", "rotate it before that: docs/certificates.md"},
	Kind{"LS-CRT-004", Blocking, "SQL Server's certificate is not imported on the managed instance (41973)", "upload it as serverTrustCertificate; \"linkspan link create\" does it"},
	Kind{"LS-CRT-005", Blocking, "the managed instance's certificate is not imported on SQL Server (41974)", "CREATE CERTIFICATE [<the instance's FQDN>] FROM BINARY = 0x…; \"linkspan link create\" does it"},
	Kind{"LS-CRT-006", Blocking, "the managed instance's certificate is imported under another name than its FQDN (28035, 41974)", "drop it and import it under the FQDN: the name ties it to the link"},
	Kind{"LS-CRT-007", Blocking, "the certificate under the managed instance's FQDN is not the one it shows", "DROP CERTIFICATE [<FQDN>], then import the present one"},
	Kind{"LS-CRT-008", Blocking, "a certificate is imported, and not bound to this link", "import it in place of the certificate that it follows, under the same name"},
	Kind{"LS-CRT-009", Blocking, "the endpoint's certificate cannot be used: it is absent, or its private key is not encrypted by the master key", "make a certificate with the master key open, and ALTER ENDPOINT to it"},
	Kind{"LS-EP-001", Blocking, "there is no mirroring endpoint", "CREATE ENDPOINT … FOR DATABASE_MIRRORING; \"linkspan link create\" does it"},
	Kind{"LS-EP-002", Blocking, "the mirroring endpoint is not started", "ALTER ENDPOINT … STATE = STARTED"},
	Kind{"LS-EP-003", Blocking, "the mirroring endpoint does not authenticate by certificate", "ALTER ENDPOINT … FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE [c])"},
	Kind{"LS-EP-004", Blocking, "the mirroring endpoint does not encrypt with AES", "ALTER ENDPOINT … FOR DATABASE_MIRRORING (ENCRYPTION = REQUIRED ALGORITHM AES)"},
	Kind{"LS-EP-005", Warning, "the spec gives another mirroring port than SQL Server's endpoint has, which is the one that counts", "give the endpoint's port as mirroringPort in the spec, or none"},
	Kind{"LS-GRP-001", Blocking, "the distributed availability group is missing on SQL Server, and the managed instance has the link", "make it again, or delete the link on the managed instance"},
	Kind{"LS-GRP-002", Blocking, "the link is missing on the managed instance, and SQL Server has the distributed availability group", "join it: \"linkspan link create\""},
	Kind{"LS-GRP-003", Blocking, "the names of the availability groups differ on the two sides (41976)", "delete the link and make it with the same names"},
	Kind{"LS-GRP-004", Blocking, "the listener URL of the managed instance's group has no ;Server=[name] (41976)", "ALTER AVAILABILITY GROUP [dag] MODIFY AVAILABILITY GROUP ON N'<group>' WITH (LISTENER_URL = 'tcp://<FQDN>:5022;Server=[<short name>]')"},
	Kind{"LS-GRP-005", Blocking, "the listener URL names another server after ;Server= (41976)", "modify LISTENER_URL: the managed instance's short name"},
	Kind{"LS-GRP-006", Blocking, "the host of the listener URL is not the managed instance's FQDN (28035, 41974)", "modify LISTENER_URL: the host is the name of the certificate that may use the link"},
	Kind{"LS-GRP-007", Blocking, "the database is not in the availability group (41977)", "ALTER AVAILABILITY GROUP [ag] ADD DATABASE [db]"},
	Kind{"LS-LNK-001", Blocking, "the other side refuses the link", "read the number and the other side's error log"},
	Kind{"LS-LNK-002", Blocking, "the link is not connected", "mend what else is found; the last error is the evidence"},
	Kind{"LS-LNK-003", Warning, "the link is connected and does not keep up", "\"linkspan link status\" says why"},
	Kind{"LS-LNK-004", Blocking, "the two sides differ in version or collation (35203)", "link instances of one version with one collation"},
	Kind{"LS-LNK-005", Blocking, "the copy differs from the primary", "ALTER DATABASE [db] SET HADR RESUME on the copy fetches the pages that differ; look at the disk that they were on"},
	Kind{"LS-NET-001", Blocking, "a name does not resolve on this machine", "correct the name, or add it to DNS or the hosts file"},
	Kind{"LS-NET-002", Blocking, "nobody listens at a port", "start the server or the endpoint, or correct the port"},
	Kind{"LS-NET-003", Blocking, "a port does not answer", "open it in the firewalls between"},
	Kind{"LS-NET-004", Blocking, "a SQL client port answers where the mirroring endpoint should be", "give the endpoint's port (5022), not 1433"},
	Kind{"LS-NET-005", Blocking, "what answers at the mirroring port is no mirroring endpoint", "find out what listens there; give the endpoint's own port"},
	Kind{"LS-NET-006", Blocking, "a server cannot resolve the other's name", "add the name to the DNS that the server asks, or give an address"},
	Kind{"LS-NET-007", Blocking, "a server cannot reach the other's mirroring endpoint", "open the port on the way between them"},
	Kind{"LS-NET-008", Blocking, "what a server reaches at the other's address is no mirroring endpoint", "correct the address that it dials"},
	Kind{"LS-SQL-001", Blocking, "a server refuses the login", "check user and password"},
	Kind{"LS-SQL-002", Blocking, "availability groups are not enabled", "Configuration Manager, or mssql-conf set hadr.hadrenabled 1; restart"},
	Kind{"LS-SQL-003", Warning, "the login is no sysadmin", "give a login that is: some views show nothing to others"},
	Kind{"LS-SQL-004", Info, "the managed instance was not asked over T-SQL", "give target.sql in the spec, and LINKSPAN_TARGET_PASSWORD"},
	Kind{"LS-SQL-005", Info, "a server has no procedure to test a link itself", "on SQL Server, test from the machine itself: Test-NetConnection"},
	Kind{"LS-SQL-006", Blocking, "a server does not answer a question", "read the evidence"},
	Kind{"LS-SYS-001", Blocking, "a folder cannot be written", "give another folder, or its rights"},
	Kind{"LS-SYS-002", Warning, "a port of the sandbox is taken", "stop what listens there, or give other ports"},
	Kind{"LS-SYS-003", Warning, "the address 127.0.0.2 cannot be bound", "sandbox and demo then put both servers on 127.0.0.1, with other ports"},
	Kind{"LS-SYS-004", Warning, "few files may be open at once", "raise the limit: ulimit -n 4096"},
	Kind{"LS-SYS-005", Blocking, "this machine's clock cannot be right", "set it: certificates made or checked now would be wrong"},
	Kind{"LS-TLS-001", Blocking, "a server's TLS certificate is not trusted", "give its authority (ca) and the name in it (host)"},
	Kind{"LS-TLS-002", Blocking, "the management API's certificate is not trusted", "give its authority (ca); behind a proxy that breaks TLS, the proxy's"},
	Kind{"LS-TLS-003", Blocking, "another certificate answers at the mirroring port than the endpoint has: TLS is intercepted, or it is another server", "exempt the port from TLS inspection; check the address"},
	Kind{"LS-TLS-004", Blocking, "a server meets another certificate at the other's address than the one that is imported: TLS is intercepted on the way, or it dials another server", "exempt the mirroring ports from TLS inspection; check the address it dials"},
)

func byID(kinds ...Kind) map[string]Kind {
	m := make(map[string]Kind, len(kinds))
	for _, k := range kinds {
		m[k.ID] = k
	}
	return m
}
