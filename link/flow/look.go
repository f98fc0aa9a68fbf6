package flow

import (
	"strconv"
	"strings"

	"linkspan/armtypes"
)

// Look reads what both sides are and refuses what cannot be linked. It changes nothing and runs every time.
func look() Step {
	return Step{
		ID: "look", Title: "look at both sides", Precondition: "SQL Server and the managed instance answer, the database can be linked",
		Effect: "names, collations and the mirroring endpoint are known",
		Probe: func(s *State) []Call {
			return []Call{
				{SQL: "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)) AS name, CAST(SERVERPROPERTY('Collation') AS nvarchar(256)) AS collation, " +
					"CAST(SERVERPROPERTY('IsHadrEnabled') AS int) AS hadr, CAST(SERVERPROPERTY('ProductMajorVersion') AS nvarchar(20)) AS version"},
				{SQL: "SELECT database_id, name, state_desc, recovery_model_desc, collation_name FROM sys.databases WHERE name = @p1", Args: []any{s.Database}},
				{SQL: endpointQuery},
				{Op: GetInstance, Instance: s.Instance},
				{Op: ListDatabases, Instance: s.Instance},
				{Op: GetLink, Instance: s.Instance, Name: s.DAG},
			}
		},
		Decide: decideLook,
	}
}

const endpointQuery = "SELECT e.name, e.state_desc, e.connection_auth_desc, e.is_encryption_enabled, e.encryption_algorithm_desc, c.name AS certificate, t.port " +
	"FROM sys.database_mirroring_endpoints e LEFT JOIN sys.certificates c ON c.certificate_id = e.certificate_id LEFT JOIN sys.tcp_endpoints t ON t.endpoint_id = e.endpoint_id"

func decideLook(s *State, a []Answer) (Decision, error) {
	if len(a[0].Rows) != 1 {
		return refuse("look", "check that the address is SQL Server's", "the server does not say who it is")
	}
	r := a[0].Rows[0]
	s.ServerName, s.Collation = r.Text("name"), r.Text("collation")
	s.Version, _ = strconv.Atoi(r.Text("version"))
	if v, known := r["hadr"]; known && v != nil && r.Int("hadr") == 0 {
		return refuse("look", "enable Always On availability groups (Configuration Manager, or mssql-conf set hadr.hadrenabled 1) and restart", "%s has availability groups disabled", s.ServerName)
	}
	if len(a[1].Rows) == 0 {
		return refuse("look", "check the name", "%s has no database %q", s.ServerName, s.Database)
	}
	if d, err := decideDatabase(s, a[1].Rows[0]); err != nil {
		return d, err
	}
	if err := readEndpoint(s, a[2]); err != nil {
		return Decision{}, err
	}
	if a[5].Link == nil {
		if d, err := nameFree(s, a[4].Databases); err != nil {
			return d, err
		}
	}
	return decideInstance(s, a[3].Instance.Properties)
}

// nameFree refuses a database's name that the instance has in use. One that is being restored may be this link's own,
// whose creation still runs: the instance decides about that when it is asked to join.
func nameFree(s *State, all []armtypes.ManagedDatabase) (Decision, error) {
	for _, d := range all {
		if strings.EqualFold(d.Name, s.Database) && d.Properties.Status == "Online" {
			return refuse("look", "drop or rename that database, or choose another instance", "%s has a database %q that belongs to no link of the name %q", s.Instance.Name, d.Name, s.DAG)
		}
	}
	return Decision{}, nil
}

func decideDatabase(s *State, db Row) (Decision, error) {
	s.Database = db.Text("name") // as the catalog spells it
	switch {
	case db.Int("database_id") <= 4:
		return refuse("look", "choose a user database", "%q is a system database", s.Database)
	case db.Text("state_desc") != "ONLINE":
		return refuse("look", "bring it online", "database %q is %s", s.Database, db.Text("state_desc"))
	case db.Text("recovery_model_desc") != "" && db.Text("recovery_model_desc") != "FULL":
		return refuse("look", "run ALTER DATABASE "+quoteName(s.Database)+" SET RECOVERY FULL", "database %q has recovery model %s", s.Database, db.Text("recovery_model_desc"))
	}
	return Decision{}, nil
}

// readEndpoint keeps the source's mirroring endpoint; there is one at most (7862).
func readEndpoint(s *State, a Answer) error {
	s.Endpoint = nil
	for _, r := range a.Rows {
		s.Endpoint = &Endpoint{
			Name: r.Text("name"), State: r.Text("state_desc"), Authentication: r.Text("connection_auth_desc"), Algorithm: r.Text("encryption_algorithm_desc"),
			Encrypted: r.Int("is_encryption_enabled") != 0, Port: int(r.Int("port")), Certificate: r.Text("certificate"),
		}
	}
	return nil
}

func decideInstance(s *State, mi armtypes.ManagedInstanceProperties) (Decision, error) {
	s.FQDN = mi.FullyQualifiedDomainName
	if _, _, err := armtypes.SplitEndpoint(endpointURL("tcp", s.FQDN, s.InstancePort)); err != nil {
		return refuse("look", "look at the instance", "the managed instance %s shows no usable name: %v", s.Instance.Name, err)
	}
	if mi.State != "" && !strings.EqualFold(mi.State, "Ready") {
		return refuse("look", "wait until it is ready", "the managed instance %s is %s", s.Instance.Name, mi.State)
	}
	if mi.Collation != "" && s.Collation != "" && !strings.EqualFold(mi.Collation, s.Collation) {
		return refuse("look", "link to an instance with the source's collation", "%s has collation %s and %s has %s", s.ServerName, s.Collation, s.Instance.Name, mi.Collation)
	}
	return done("%s and %s", s.ServerName, s.FQDN)
}
