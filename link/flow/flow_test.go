package flow_test

import (
	"strings"
	"testing"
	"time"

	"linkspan/armtypes"
	"linkspan/link/flow"
)

func spec() flow.Spec {
	return flow.Spec{Database: "db1", SourceHost: "10.0.0.4", Instance: armtypes.InstanceID{Subscription: "s", ResourceGroup: "g", Name: "mi"}}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	s, err := spec().Normalize()
	if err != nil || s.AG != "AG_db1" || s.DAG != "DAG_db1" || s.InstanceAG != "AG_db1_MI" || s.SourcePort != 5022 || s.EndpointName != "database_mirroring_endpoint" {
		t.Errorf("%+v %v", s, err)
	}
	for name, change := range map[string]func(*flow.Spec){
		"no database":        func(s *flow.Spec) { s.Database = "" },
		"long name":          func(s *flow.Spec) { s.Database = strings.Repeat("x", 126) },
		"control character":  func(s *flow.Spec) { s.AG = "a\nb" },
		"path separator":     func(s *flow.Spec) { s.DAG = "a/b" },
		"one name for both":  func(s *flow.Spec) { s.AG, s.DAG = "x", "X" },
		"no host":            func(s *flow.Spec) { s.SourceHost = "" },
		"quote in a host":    func(s *flow.Spec) { s.SourceHost = "h';DROP" },
		"option in a host":   func(s *flow.Spec) { s.SourceHost = "h;Server=[x]" },
		"port out of range":  func(s *flow.Spec) { s.SourcePort = 70000 },
		"instance not named": func(s *flow.Spec) { s.Instance.Name = "" },
	} {
		s := spec()
		change(&s)
		if _, err := s.Normalize(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// step finds a row of the table.
func step(t *testing.T, id string) flow.Step {
	t.Helper()
	for _, s := range flow.Create() {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no step %s", id)
	return flow.Step{}
}

func state(t *testing.T, change func(*flow.Spec)) *flow.State {
	t.Helper()
	s := spec()
	s.MasterKeyPassword = "p'w"
	s.CertificateExpires = time.Date(2030, 1, 2, 23, 0, 0, 0, time.FixedZone("", -7200))
	change(&s)
	n, err := s.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	return &flow.State{Spec: n, ServerName: `host\inst`, FQDN: "mi.x.example", Version: 16}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step   string
		change func(*flow.State)
		want   string
	}{
		{"certificate", func(*flow.State) {}, "CREATE CERTIFICATE [Cert_host_inst_endpoint] WITH SUBJECT = N'Certificate for Cert_host_inst_endpoint', EXPIRY_DATE = N'20300103'"},
		{"group", func(s *flow.State) { s.Version = 13 }, "CREATE AVAILABILITY GROUP [AG_db1] FOR DATABASE [db1] REPLICA ON N'host\\inst' WITH"},
		{"group", func(s *flow.State) { s.SourceHost = "fe80::1" }, "ENDPOINT_URL = N'TCP://[fe80::1]:5022'"},
		{"group", func(s *flow.State) { s.Endpoint = &flow.Endpoint{Port: 5555} }, "ENDPOINT_URL = N'TCP://10.0.0.4:5555'"},
		{"group", func(s *flow.State) { s.AG, s.Database = "a]b", "d'] --" }, "CREATE AVAILABILITY GROUP [a]]b] WITH (CLUSTER_TYPE = NONE) FOR DATABASE [d']] --] REPLICA"},
		{"distributed-group", func(s *flow.State) { s.AG = "it's" }, "AVAILABILITY GROUP ON N'it''s' WITH (LISTENER_URL = N'TCP://10.0.0.4:5022'"},
		{"distributed-group", func(*flow.State) {}, "LISTENER_URL = N'tcp://mi.x.example:5022;Server=[mi]'"},
		{"endpoint", func(s *flow.State) { s.CertificateName = "c]" }, "AUTHENTICATION = CERTIFICATE [c]]]"},
		{"import", func(*flow.State) {}, "FROM BINARY = <the certificate's bytes>"},
		{"backup", func(s *flow.State) { s.Database = "x]" }, "BACKUP DATABASE [x]]] TO DISK = N'NUL'"},
	} {
		s := state(t, func(*flow.Spec) {})
		c.change(s)
		calls := step(t, c.step).Do(s)
		if got := calls[len(calls)-1].SQL; !strings.Contains(got, c.want) {
			t.Errorf("%s: want %s in\n%s", c.step, c.want, got)
		}
	}
	key := step(t, "master-key").Do(state(t, func(*flow.Spec) {}))[0]
	if key.SQL != "CREATE MASTER KEY ENCRYPTION BY PASSWORD = N'p''w'" || strings.Contains(key.String(), "p'") {
		t.Errorf("%q is shown as %q", key.SQL, key)
	}
}

// While it is seeded, the copy is waited for; a link that failed ends the wait with its error's number.
func TestSeeded(t *testing.T) {
	t.Parallel()
	seeded := step(t, "seeded")
	link := func(state, errNumber string) flow.Answer {
		return flow.Answer{Link: &armtypes.Link{State: state, DatabaseStates: []armtypes.LinkDatabase{{Name: "db1", SeedingProgress: "40", MostRecentError: errNumber}}}}
	}
	database := func(status string) flow.Answer {
		return flow.Answer{Databases: []armtypes.ManagedDatabase{{Resource: armtypes.Resource{Name: "DB1"}, Properties: armtypes.ManagedDatabaseProperties{Status: status}}}}
	}
	seeding := flow.Answer{Rows: []flow.Row{{"current_state": "FAILED", "failure_state_desc": "Seeding Timeout"}}}
	for _, c := range []struct {
		answers []flow.Answer
		verdict flow.Verdict
		says    string
	}{
		{[]flow.Answer{{}, link("CreatingLink", ""), {}}, flow.Wait, "no database yet, 40 %"},
		{[]flow.Answer{database("Restoring"), link("CreatingLink", ""), seeding}, flow.Wait, "seeding FAILED (Seeding Timeout)"},
		{[]flow.Answer{database("Online"), link("LinkSynchronizing", ""), seeding}, flow.Done, "Online"},
		{[]flow.Answer{database("Restoring"), link("LinkInitError", "41962"), {}}, 0, "LinkInitError, error 41962"},
		{[]flow.Answer{{}, {}, {}}, 0, "gone"},
	} {
		d, err := seeded.Decide(state(t, func(*flow.Spec) {}), c.answers)
		said := d.Seen
		if err != nil {
			said = err.Error()
		}
		if d.Verdict != c.verdict || (err == nil) != (c.verdict != 0) || !strings.Contains(said, c.says) {
			t.Errorf("want %d %q, got %d %q", c.verdict, c.says, d.Verdict, said)
		}
	}
}

// Every step says what a plan prints, and looks before it acts.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range append(flow.Create(), flow.Delete(true)...) {
		if s.ID == "" || s.Title == "" || s.Precondition == "" || s.Effect == "" || s.Probe == nil || s.Decide == nil {
			t.Errorf("step %q is not whole", s.ID)
		}
		seen[s.ID] = true
	}
	if len(flow.Delete(false)) != 2 || !seen["leave"] {
		t.Error("delete is not whole")
	}
}
