package flow

import (
	"fmt"
	"strings"
)

func mirroringEndpoint() Step {
	return Step{
		ID: "endpoint", Title: "have a mirroring endpoint with certificates and AES", Precondition: "sys.database_mirroring_endpoints shows none, or one that lacks what the link needs",
		Effect:    "sys.database_mirroring_endpoints shows it STARTED, authentication with CERTIFICATE, encryption with AES",
		Tolerates: []int32{errEndpointExists},
		Probe:     func(*State) []Call { return []Call{{SQL: endpointQuery}} },
		Decide: func(s *State, a []Answer) (Decision, error) {
			if err := readEndpoint(s, a[0]); err != nil {
				return Decision{}, err
			}
			if s.Endpoint == nil {
				return act("no mirroring endpoint")
			}
			if lacks := s.Endpoint.lacks(); len(lacks) > 0 {
				return act("endpoint %q lacks: %s", s.Endpoint.Name, strings.Join(lacks, ", "))
			}
			return done("endpoint %q at port %d, %s, %s", s.Endpoint.Name, s.Endpoint.Port, s.Endpoint.Authentication, s.Endpoint.Algorithm)
		},
		Do: func(s *State) []Call {
			if s.Endpoint == nil {
				return []Call{{SQL: createEndpoint(s)}}
			}
			return []Call{{SQL: alterEndpoint(s)}}
		},
		Undo: func(s *State) []Call {
			if s.Endpoint == nil {
				return []Call{{SQL: "DROP ENDPOINT " + quoteName(s.EndpointName)}}
			}
			return nil // it was there before, and other groups may use it
		},
	}
}

// lacks names what the link needs and the endpoint does not have. Older ways to authenticate beside the certificate, and
// older algorithms beside AES, are no obstacle.
func (e *Endpoint) lacks() []string {
	var out []string
	if e.State != "STARTED" {
		out = append(out, "state STARTED")
	}
	return append(out, e.lacksSecurity()...)
}

func (e *Endpoint) lacksSecurity() []string {
	var out []string
	if !strings.Contains(e.Authentication, "CERTIFICATE") {
		out = append(out, "certificate authentication")
	}
	if !e.Encrypted {
		out = append(out, "encryption")
	}
	if !strings.Contains(e.Algorithm, "AES") {
		out = append(out, "AES")
	}
	return out
}

func createEndpoint(s *State) string {
	return fmt.Sprintf("CREATE ENDPOINT %s STATE = STARTED AS TCP (LISTENER_PORT = %d, LISTENER_IP = ALL) FOR DATABASE_MIRRORING "+
		"(ROLE = ALL, AUTHENTICATION = CERTIFICATE %s, ENCRYPTION = REQUIRED ALGORITHM AES)",
		quoteName(s.EndpointName), s.SourcePort, quoteName(s.certificateName()))
}

// alterEndpoint adds what lacks and takes nothing away: existing groups may authenticate with Windows.
func alterEndpoint(s *State) string {
	text := "ALTER ENDPOINT " + quoteName(s.Endpoint.Name) + " STATE = STARTED"
	if len(s.Endpoint.lacksSecurity()) == 0 {
		return text
	}
	authentication := "CERTIFICATE " + quoteName(s.certificateName())
	if !strings.HasPrefix(s.Endpoint.Authentication, "CERTIFICATE") {
		authentication = "WINDOWS NEGOTIATE " + authentication
	}
	algorithm := "AES"
	if strings.Contains(s.Endpoint.Algorithm, "RC4") {
		algorithm = "AES RC4"
	}
	return text + " FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = " + authentication + ", ENCRYPTION = REQUIRED ALGORITHM " + algorithm + ")"
}

func backup() Step {
	return Step{
		ID: "backup", Title: "have the database's log chain started", Precondition: "sys.database_recovery_status shows no last_log_backup_lsn",
		Effect: "last_log_backup_lsn is set; the backup to NUL keeps nothing: take a real one",
		Probe: func(s *State) []Call {
			return []Call{{SQL: "SELECT last_log_backup_lsn FROM sys.database_recovery_status WHERE database_id = DB_ID(@p1)", Args: []any{s.Database}}}
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			if len(a[0].Rows) == 0 {
				return refuse("backup", "check the permissions of the login", "%s does not show whether %q has a log chain", s.ServerName, s.Database)
			}
			if v := a[0].Rows[0]["last_log_backup_lsn"]; v != nil && v != "" && v != "0" && v != int64(0) {
				return done("the log chain begins at %v", v)
			}
			if s.NoBackup {
				return refuse("backup", "take a full backup without COPY_ONLY", "database %q has no log chain (error 1475)", s.Database)
			}
			return act("no full backup since the recovery model was set to FULL")
		},
		Do: func(s *State) []Call {
			return []Call{{SQL: "BACKUP DATABASE " + quoteName(s.Database) + " TO DISK = N'NUL'"}}
		},
	}
}
