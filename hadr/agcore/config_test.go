package agcore_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func env() agcore.Env {
	dbs := map[string]agcore.Facts{}
	for _, n := range []string{"sales", "hr", "O'Brien]"} {
		dbs[n] = agcore.Facts{Name: n, Online: true, FullRecovery: true, HasFullBackup: true}
	}
	dbs["master"] = agcore.Facts{Name: "master", System: true, Online: true}
	dbs["simple"] = agcore.Facts{Name: "simple", Online: true, HasFullBackup: true}
	dbs["fresh"] = agcore.Facts{Name: "fresh", Online: true, FullRecovery: true}
	dbs["ro"] = agcore.Facts{Name: "ro", Online: true, FullRecovery: true, HasFullBackup: true, ReadOnly: true}
	dbs["down"] = agcore.Facts{Name: "down", FullRecovery: true, HasFullBackup: true}
	n := byte(0)
	return agcore.Env{ServerName: "SQLSERVER1", Database: func(name string) (agcore.Facts, bool) { f, ok := dbs[name]; return f, ok },
		NewID: func() agcore.ID { n++; return agcore.ID{n} }}
}

func group(name string, dbs ...string) agcore.GroupSpec {
	return agcore.GroupSpec{Name: name, Databases: dbs, OptionSpec: agcore.OptionSpec{ClusterType: new(agcore.ClusterNone)},
		Replicas: []agcore.ReplicaSpec{{Name: "sqlserver1", EndpointURL: new("TCP://127.0.0.1:5022"), Mode: new(agcore.Synchronous),
			Failover: new(agcore.FailoverManual), Seeding: new(agcore.SeedingAutomatic)}}}
}

func dag(name, local string) agcore.DistributedSpec {
	m := agcore.MemberSpec{Name: local, ListenerURL: new("TCP://127.0.0.1:5022"), Mode: new(agcore.Asynchronous),
		Failover: new(agcore.FailoverManual), Seeding: new(agcore.SeedingAutomatic), SessionTimeout: new(20)}
	r := m
	r.Name, r.ListenerURL, r.SessionTimeout = "sqlmi1", new("tcp://sqlmi1.linkspan.test:5022;Server=[sqlmi1]"), nil
	return agcore.DistributedSpec{Name: name, Distributed: true, Members: []agcore.MemberSpec{m, r}}
}

func wantNumber(t *testing.T, what string, err error, want int32) {
	t.Helper()
	if got := sqlerr.Number(err); got != want {
		t.Errorf("%s: error is %v, want number %d", what, err, want)
	}
	if e := sqlerr.From(err); e != nil && len(e.Message) > 11 && e.Message[:11] == "uncatalogue" {
		t.Errorf("%s: %v", what, err)
	}
}

func TestCreateRefusals(t *testing.T) {
	t.Parallel()
	e := env()
	for _, c := range []struct {
		what string
		want int32
		edit func(*agcore.GroupSpec)
	}{
		{"group exists", 41106, func(s *agcore.GroupSpec) { s.Name = "AG_HR" }},
		{"long name", 19523, func(s *agcore.GroupSpec) { s.Name = string(make([]byte, 200)) }},
		{"wrong server", 35237, func(s *agcore.GroupSpec) { s.Replicas[0].Name = "other" }},
		{"server twice", 35235, func(s *agcore.GroupSpec) { s.Replicas = append(s.Replicas, s.Replicas[0]) }},
		{"no url", 35236, func(s *agcore.GroupSpec) { s.Replicas[0].EndpointURL = nil }},
		{"bad url", 35232, func(s *agcore.GroupSpec) { s.Replicas[0].EndpointURL = new("http://x:5022") }},
		{"no mode", 41198, func(s *agcore.GroupSpec) { s.Replicas[0].Mode = nil }},
		{"no failover mode", 41197, func(s *agcore.GroupSpec) { s.Replicas[0].Failover = nil }},
		{"automatic without cluster", 47101, func(s *agcore.GroupSpec) { s.Replicas[0].Failover = new(agcore.FailoverAutomatic) }},
		{"automatic and asynchronous", 35211, func(s *agcore.GroupSpec) {
			s.Replicas[0].Mode, s.Replicas[0].Failover = new(agcore.Asynchronous), new(agcore.FailoverAutomatic)
		}},
		{"windows cluster", 35220, func(s *agcore.GroupSpec) { s.ClusterType = nil }},
		{"external cluster", 47102, func(s *agcore.GroupSpec) { s.ClusterType = new(agcore.ClusterExternal) }},
		{"failure level", 35228, func(s *agcore.GroupSpec) { s.FailureLevel = new(6) }},
		{"health timeout", 35229, func(s *agcore.GroupSpec) { s.HealthCheckTimeout = new(int64(14_999)) }},
		{"required sync", 35248, func(s *agcore.GroupSpec) { s.RequiredSync = new(1) }},
		{"session timeout", 35214, func(s *agcore.GroupSpec) { s.Replicas[0].SessionTimeout = new(4) }},
		{"priority", 35209, func(s *agcore.GroupSpec) { s.Replicas[0].BackupPriority = new(101) }},
		{"database twice", 35234, func(s *agcore.GroupSpec) { s.Databases = []string{"sales", "SALES"} }},
		{"no database", 35238, func(s *agcore.GroupSpec) { s.Databases = []string{"nil"} }},
		{"system database", 35249, func(s *agcore.GroupSpec) { s.Databases = []string{"master"} }},
		{"other group", 35244, func(s *agcore.GroupSpec) { s.Databases = []string{"hr"} }},
		{"simple", 1465, func(s *agcore.GroupSpec) { s.Databases = []string{"simple"} }},
		{"read-only", 1466, func(s *agcore.GroupSpec) { s.Databases = []string{"ro"} }},
		{"not online", 1467, func(s *agcore.GroupSpec) { s.Databases = []string{"down"} }},
		{"no full backup", 1475, func(s *agcore.GroupSpec) { s.Databases = []string{"sales", "fresh"} }},
	} {
		cfg := &agcore.Config{}
		if _, err := cfg.Create(group("ag_hr", "hr"), now, e); err != nil {
			t.Fatal(err)
		}
		s := group("ag", "sales")
		c.edit(&s)
		_, err := cfg.Create(s, now, e)
		wantNumber(t, c.what, err, c.want)
		if len(cfg.Groups) != 1 {
			t.Errorf("%s: the refused group is there", c.what)
		}
	}
	m := e
	m.Managed = true
	_, err := (&agcore.Config{}).Create(group("ag", "sales"), now, m)
	wantNumber(t, "managed", err, 41906)
}

func TestDistributedRefusals(t *testing.T) {
	t.Parallel()
	e := env()
	for _, c := range []struct {
		what string
		want int32
		edit func(*agcore.DistributedSpec)
	}{
		{"not distributed", 19498, func(s *agcore.DistributedSpec) { s.Distributed = false }},
		{"other options", 19497, func(s *agcore.DistributedSpec) { s.OtherOptions = true }},
		{"name taken", 19509, func(s *agcore.DistributedSpec) { s.Name = "AG" }},
		{"automatic failover", 35277, func(s *agcore.DistributedSpec) { s.Members[1].Failover = new(agcore.FailoverAutomatic) }},
		{"bad url", 19499, func(s *agcore.DistributedSpec) { s.Members[1].ListenerURL = new("tcp://sqlmi1:5022;Server=sqlmi1") }},
		{"no url", 19499, func(s *agcore.DistributedSpec) { s.Members[0].ListenerURL = nil }},
		{"none local", 19501, func(s *agcore.DistributedSpec) { s.Members[0].Name = "nil" }},
		{"same group twice", 19502, func(s *agcore.DistributedSpec) { s.Members[1].Name = "ag" }},
		{"manual seeding", 47500, func(s *agcore.DistributedSpec) { s.Members[1].Seeding = nil }},
		{"synchronous", 47501, func(s *agcore.DistributedSpec) { s.Members[1].Mode = new(agcore.Synchronous) }},
		{"two databases", 47502, func(s *agcore.DistributedSpec) { s.Members[0].Name = "two" }},
		{"no database", 47519, func(s *agcore.DistributedSpec) { s.Members[0].Name = "none" }},
	} {
		cfg := &agcore.Config{}
		for _, g := range []agcore.GroupSpec{group("ag", "sales"), group("two", "hr", "O'Brien]"), group("none")} {
			if _, err := cfg.Create(g, now, e); err != nil {
				t.Fatal(err)
			}
		}
		s := dag("dag", "ag")
		c.edit(&s)
		_, err := cfg.CreateDistributed(s, now, e)
		wantNumber(t, c.what, err, c.want)
	}
}

func TestLinkKeepsItsGroup(t *testing.T) {
	t.Parallel()
	e, cfg := env(), &agcore.Config{}
	if _, err := cfg.Create(group("AG_sales", "sales"), now, e); err != nil {
		t.Fatal(err)
	}
	g, err := cfg.CreateDistributed(dag("DAG", "ag_SALES"), now, e)
	if err != nil {
		t.Fatal(err)
	}
	if !g.IsLink() || g.RemoteURL().Host != "sqlmi1.linkspan.test" || g.SessionTimeout() != 20*time.Second || len(g.Databases) != 1 {
		t.Errorf("distributed group is %+v", g)
	}
	_, err = cfg.CreateDistributed(dag("DAG2", "AG_sales"), now, e)
	wantNumber(t, "same replicas", err, 19507)
	alter := func(what string, want int32, c agcore.Change) {
		t.Helper()
		_, err := cfg.Alter(c, now, e)
		wantNumber(t, what, err, want)
	}
	alter("second database", 47503, agcore.Change{Name: "AG_sales", AddDatabases: []string{"hr"}})
	alter("same database", 35280, agcore.Change{Name: "AG_sales", AddDatabases: []string{"sales"}})
	alter("remove", 47520, agcore.Change{Name: "AG_sales", RemoveDatabases: []string{"sales"}})
	alter("remove absent", 35281, agcore.Change{Name: "AG_sales", RemoveDatabases: []string{"hr"}})
	alter("no group", 15151, agcore.Change{Name: "nil", Set: &agcore.OptionSpec{}})
	alter("no member", 19508, agcore.Change{Name: "DAG", ModifyMembers: []agcore.MemberSpec{{Name: "x"}}})
	alter("wrong kind", 19512, agcore.Change{Name: "AG_sales", ModifyMembers: []agcore.MemberSpec{{Name: "x"}}})
	alter("failover of a group without cluster", 47122, agcore.Change{Name: "AG_sales", Unsupported: "FAILOVER"})
	alter("failover of a link", 41190, agcore.Change{Name: "DAG", Unsupported: "FAILOVER"})
	_, err = cfg.Drop("ag_sales")
	wantNumber(t, "drop below a link", err, 41190)

	before := cfg.Group("DAG")
	if _, err := cfg.Alter(agcore.Change{Name: "dag", ModifyMembers: []agcore.MemberSpec{{Name: "SQLMI1", SessionTimeout: new(30)}}}, now, e); err != nil {
		t.Fatal(err)
	}
	if before.Member(false).SessionTimeout != 10 || cfg.Group("DAG").Member(false).SessionTimeout != 30 {
		t.Error("ALTER changed the group under its readers, or not at all")
	}
	doc, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var again agcore.Config
	if err := json.Unmarshal(doc, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*cfg, again); d != "" {
		t.Errorf("a stored configuration comes back changed:\n%s", d)
	}
	for _, name := range []string{"dag", "ag_sales"} {
		if _, err := cfg.Drop(name); err != nil {
			t.Error(err)
		}
	}
	_, err = cfg.Drop("dag")
	wantNumber(t, "drop twice", err, 15151)
}

func TestURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]agcore.URL{
		"TCP://10.0.0.4:5022":                         {Host: "10.0.0.4", Port: 5022},
		"tcp://[::1]:5022":                            {Host: "::1", Port: 5022},
		"tcp://mi.test:5022;Server=[mi]":              {Host: "mi.test", Port: 5022, Server: "mi"},
		"tcp://mi.test:1;server=[a]]b];Database=[db]": {Host: "mi.test", Port: 1, Server: "a]b", Database: "db"},
	} {
		got, ok := agcore.ParseURL(in)
		if !ok || got != want {
			t.Errorf("ParseURL(%q) = %+v, %v", in, got, ok)
		}
		if again, ok := agcore.ParseURL(got.String()); !ok || again != want {
			t.Errorf("%q is not what it was: %+v", got.String(), again)
		}
	}
	for _, in := range []string{"", "tcp://", "tcp://h", "tcp://h:0", "tcp://h:65536", "tcp://:5022", "udp://h:1", "tcp://h h:1", "tcp://h'--:1",
		"tcp://[::1:5022", "tcp://h:1;Server=mi", "tcp://h:1;Host=[x]", "tcp://h:1;Server=[]"} {
		if got, ok := agcore.ParseURL(in); ok {
			t.Errorf("ParseURL(%q) = %+v", in, got)
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	id := agcore.ID{0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8}
	if id.String() != "01234567-89AB-CDEF-0102-030405060708" {
		t.Error(id)
	}
	if got, err := agcore.ParseID("01234567-89ab-cdef-0102-030405060708"); err != nil || got != id {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "0123456789ABCDEF0102030405060708", "01234567-89AB-CDEF-0102-03040506070g"} {
		if _, err := agcore.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) took it", bad)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("tcp://sqlmi1.linkspan.test:5022;Server=[sqlmi1]")
	f.Fuzz(func(t *testing.T, s string) {
		if u, ok := agcore.ParseURL(s); ok {
			if again, ok := agcore.ParseURL(u.String()); !ok || again != u {
				t.Errorf("%q: %+v became %+v", s, u, again)
			}
		}
	})
}

// TestJoinDistributed covers ALTER AVAILABILITY GROUP … JOIN AVAILABILITY GROUP ON, on the side that is to be the copy.
func TestJoinDistributed(t *testing.T) {
	t.Parallel()
	e := env()
	second := func() *agcore.Config {
		var c agcore.Config
		for _, s := range []agcore.GroupSpec{group("AG2"), group("AG_HR", "hr")} {
			if _, err := c.Create(s, now, e); err != nil {
				t.Fatal(err)
			}
		}
		return &c
	}
	join := func() agcore.DistributedSpec {
		s := dag("DAG", "AG1")
		s.Members[1].Name, s.Members[1].ListenerURL = "AG2", new("TCP://127.0.0.2:5022")
		return s
	}
	for _, c := range []struct {
		what string
		want int32
		edit func(*agcore.DistributedSpec, *agcore.Config)
	}{
		{"name taken", 19509, func(s *agcore.DistributedSpec, _ *agcore.Config) { s.Name = "ag_hr" }},
		{"no member here", 19501, func(s *agcore.DistributedSpec, _ *agcore.Config) { s.Members[1].Name = "AG3" }},
		{"databases here", 19511, func(s *agcore.DistributedSpec, _ *agcore.Config) { s.Members[1].Name = "AG_HR" }},
		{"bad url", 19499, func(s *agcore.DistributedSpec, _ *agcore.Config) { s.Members[0].ListenerURL = new("x") }},
		{"group not primary", 41140, func(_ *agcore.DistributedSpec, c *agcore.Config) { c.Group("AG2").Role = agcore.Secondary }},
	} {
		cfg, s := second(), join()
		c.edit(&s, cfg)
		_, err := cfg.JoinDistributed(s, now, e)
		wantNumber(t, c.what, err, c.want)
	}
	cfg := second()
	g, err := cfg.JoinDistributed(join(), now, e)
	if err != nil || g.Role != agcore.Secondary || !g.Distributed || g.IsLink() {
		t.Fatalf("JoinDistributed = %+v, %v", g, err)
	}
	_, err = cfg.JoinDistributed(agcore.DistributedSpec{Name: "DAG9", Members: join().Members}, now, e)
	wantNumber(t, "second distributed group over the same members", err, 19507)
	sync := agcore.Synchronous
	if _, err := cfg.Alter(agcore.Change{Name: "DAG", ModifyMembers: []agcore.MemberSpec{{Name: "AG1", Mode: &sync}}}, now, e); err != nil {
		t.Errorf("MODIFY on the forwarder: %v", err)
	}
	if cfg.Group("DAG").Member(false).Mode != agcore.Synchronous {
		t.Error("MODIFY on the forwarder changed nothing")
	}
}
