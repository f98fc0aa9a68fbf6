package servers

import (
	"context"
	"fmt"
)

// leftBehind are the objects of a server that a backup of a database does not hold, with the view that names them. A
// statement gives one column, name.
var leftBehind = []struct{ what, text string }{
	{"SQL Agent job", "SELECT name FROM msdb.dbo.sysjobs ORDER BY name"},
	{"SQL Agent operator", "SELECT name FROM msdb.dbo.sysoperators ORDER BY name"},
	{"SQL Agent alert", "SELECT name FROM msdb.dbo.sysalerts ORDER BY name"},
	{"SQL Agent proxy", "SELECT name FROM msdb.dbo.sysproxies ORDER BY name"},
	{"maintenance plan", "SELECT name FROM msdb.dbo.sysmaintplan_plans ORDER BY name"},
	{"mail profile", "SELECT name FROM msdb.dbo.sysmail_profile ORDER BY name"},
	{"linked server", "SELECT name FROM sys.servers WHERE is_linked = 1 ORDER BY name"},
	{"credential", "SELECT name FROM sys.credentials ORDER BY name"},
	{"server trigger", "SELECT name FROM sys.server_triggers WHERE is_ms_shipped = 0 ORDER BY name"},
	{"server audit", "SELECT name FROM sys.server_audits ORDER BY name"},
	{"event session", `SELECT name FROM sys.server_event_sessions
	WHERE name NOT IN ('system_health', 'AlwaysOn_health', 'telemetry_xevents', 'hkenginexesession') ORDER BY name`},
	{"Service Broker endpoint", "SELECT name FROM sys.endpoints WHERE type = 3 ORDER BY name"},
	{"backup device", "SELECT name FROM sys.backup_devices ORDER BY name"},
	{"SSIS package in msdb", `SELECT p.name FROM msdb.dbo.sysssispackages p JOIN msdb.dbo.sysssispackagefolders f ON f.folderid = p.folderid
	WHERE f.foldername NOT IN ('Data Collector', 'Generated', 'Maintenance Plans') ORDER BY p.name`},
	{"SSIS catalog", "SELECT name FROM sys.databases WHERE name = 'SSISDB'"},
	{"replication's distribution database", "SELECT name FROM sys.databases WHERE is_distributor = 1"},
	{"resource pool", "SELECT name FROM sys.resource_governor_resource_pools WHERE pool_id > 2 ORDER BY name"},
	{"message", `SELECT CAST(message_id AS nvarchar(20)) AS name FROM sys.messages
	WHERE message_id > 50000 AND (message_id NOT BETWEEN 58000 AND 58999 OR @@VERSION NOT LIKE N'%Linkspan%') GROUP BY message_id ORDER BY message_id`},
	{"object in master", "SELECT name FROM master.sys.objects WHERE is_ms_shipped = 0 AND type IN ('U', 'V', 'P', 'FN', 'IF', 'TF') ORDER BY name"},
}

// NotMoved lists what stays behind on the source, by kind and name: "SQL Agent job nightly". Kinds that this version does
// not have count as empty.
func (s *Server) NotMoved(ctx context.Context) ([]string, error) {
	var all []string
	for _, kind := range leftBehind {
		found, err := s.optional(ctx, kind.text)
		if err != nil {
			return all, s.trouble(ctx, fmt.Sprintf("list what does not move (%ss)", kind.what), err)
		}
		for _, r := range found {
			all = append(all, kind.what+" "+r.text("name"))
		}
	}
	return all, nil
}
