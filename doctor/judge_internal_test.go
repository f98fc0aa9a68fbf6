package doctor

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"linkspan/armtypes"
	"linkspan/link"
	"linkspan/link/flow"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// healthy are the facts of a link with which nothing is wrong.
func healthy() *facts {
	cert := func(name, print, key string) certificateFacts {
		return certificateFacts{name: name, print: print, key: key, start: noon.AddDate(-1, 0, 0), end: noon.AddDate(1, 0, 0)}
	}
	endpoint := func(name, certificate string) *endpointFacts {
		return &endpointFacts{name: name, state: "STARTED", auth: "CERTIFICATE", algorithm: "AES", certificate: certificate, encrypted: true, port: 5022}
	}
	good := []stage{{name: "CERTIFICATE", ok: true}, {name: "LINK", ok: true}}
	f := &facts{
		spec:  link.Spec{Source: link.SourceSpec{Address: "sql1"}},
		links: []flow.Spec{{Database: "sales", AG: "AG", DAG: "DAG", InstanceAG: "MI", Instance: armtypes.InstanceID{Name: "mi1"}}},
		source: server{name: "sql1", asked: true, hadr: true, sysadmin: true, endpoint: endpoint("e", "own"), certificates: []certificateFacts{cert("own", "aa", "MK"), cert("mi1.test", "bb", "NA")},
			members:   []memberFacts{{group: "DAG", name: "AG", local: true, connected: "CONNECTED"}, {group: "DAG", name: "MI", url: "tcp://mi1.test:5022;Server=[mi1]", connected: "CONNECTED", health: "HEALTHY"}},
			databases: map[string][]string{"ag": {"sales"}}, stages: map[string][]stage{"DAG": good}},
		target: server{name: "mi1.test", asked: true, hadr: true, sysadmin: true, endpoint: endpoint("hadr_endpoint", "c"), certificates: []certificateFacts{cert("c", "bb", "MK"), cert("own", "aa", "NA")},
			stages: map[string][]stage{"DAG": good}},
		sourceSQL: port{address: "sql1:1433", state: portOpen}, targetSQL: port{address: "mi1:1433", state: portOpen}, armPort: port{address: "arm:443", state: portOpen},
		sourceMirroring: port{address: "sql1:5022", state: portMirroring},
	}
	f.arm = management{trusted: map[string]string{"aa": "own"}, shown: cert("endpoint certificate", "bb", ""),
		links: []armtypes.Link{{LinkSpec: armtypes.LinkSpec{Name: "DAG", PartnerAG: "AG", InstanceAG: "MI"}}}}
	f.arm.instance.Properties = armtypes.ManagedInstanceProperties{FullyQualifiedDomainName: "mi1.test", State: "Ready"}
	return f
}

// Each fault alone is named, by the ids given and no other that blocks.
func TestJudge(t *testing.T) {
	t.Parallel()
	failed := func(s *server, name string, number int64) {
		s.stages["DAG"] = []stage{{name: name, number: number, detail: "detail"}}
	}
	for what, c := range map[string]struct {
		fault func(*facts)
		ids   []string
	}{
		"nothing":                                   {func(*facts) {}, nil},
		"own certificate expired":                   {func(f *facts) { f.source.certificates[0].end = noon }, []string{"LS-CRT-001"}},
		"own certificate not yet valid":             {func(f *facts) { f.source.certificates[0].start = noon.Add(time.Hour) }, []string{"LS-CRT-002"}},
		"the instance's certificate expired":        {func(f *facts) { f.target.certificates[0].end = noon.AddDate(0, 0, -1) }, []string{"LS-CRT-001"}},
		"expired by the clock there alone":          {func(f *facts) { f.source.skew = 400 * 24 * time.Hour }, []string{"LS-CLK-001", "LS-CRT-001"}},
		"not yet valid by the clock there alone":    {func(f *facts) { f.target.skew = -400 * 24 * time.Hour }, []string{"LS-CLK-001", "LS-CRT-002"}},
		"a clock two minutes off":                   {func(f *facts) { f.target.skew = 2 * time.Minute }, []string{"LS-CLK-001"}},
		"the clocks of the two sides":               {func(f *facts) { failed(&f.target, "CLOCK", 0) }, []string{"LS-CLK-001"}},
		"no private key":                            {func(f *facts) { f.source.certificates[0].key = "PW" }, []string{"LS-CRT-009"}},
		"availability groups are off":               {func(f *facts) { f.source.hadr = false }, []string{"LS-SQL-002"}},
		"no sysadmin":                               {func(f *facts) { f.source.sysadmin = false }, []string{"LS-SQL-003"}},
		"a query fails":                             {func(f *facts) { f.source.err = errors.New("reset") }, []string{"LS-SQL-006"}},
		"the API fails":                             {func(f *facts) { f.arm.err = errors.New("reset") }, []string{"LS-ARM-004"}},
		"the instance is being updated":             {func(f *facts) { f.arm.instance.Properties.State = "Updating" }, []string{"LS-ARM-003"}},
		"a firewall swallows packets":               {func(f *facts) { f.sourceMirroring = port{address: "sql1:5022", state: portSilent} }, []string{"LS-NET-003"}},
		"the instance cannot resolve":               {func(f *facts) { failed(&f.target, "RESOLVE", 0) }, []string{"LS-NET-006"}},
		"the instance cannot connect":               {func(f *facts) { failed(&f.target, "CONNECT", 0) }, []string{"LS-NET-007"}},
		"the instance meets another service":        {func(f *facts) { failed(&f.target, "TLS", 0) }, []string{"LS-NET-008"}},
		"no answer to a probe":                      {func(f *facts) { failed(&f.source, "PROTOCOL", 0) }, []string{"LS-NET-008"}},
		"intercepted before the instance":           {func(f *facts) { failed(&f.target, "CERTIFICATE", 41973) }, []string{"LS-TLS-004"}},
		"intercepted before SQL Server":             {func(f *facts) { failed(&f.source, "CERTIFICATE", 41974) }, []string{"LS-TLS-004"}},
		"expired, says the other side":              {func(f *facts) { failed(&f.target, "CERTIFICATE", 28025) }, []string{"LS-CRT-001"}},
		"not yet valid, says the other side":        {func(f *facts) { failed(&f.target, "CERTIFICATE", 28024) }, []string{"LS-CRT-002"}},
		"same issuer and serial":                    {func(f *facts) { failed(&f.source, "CERTIFICATE", 28045) }, []string{"LS-CRT-007"}},
		"imported and not bound":                    {func(f *facts) { failed(&f.target, "CERTIFICATE", 28035) }, []string{"LS-CRT-008"}},
		"another collation":                         {func(f *facts) { failed(&f.target, "LINK", 35203) }, []string{"LS-LNK-004"}},
		"refused with a number":                     {func(f *facts) { failed(&f.target, "LINK", 41976) }, []string{"LS-LNK-001"}},
		"not connected":                             {func(f *facts) { f.source.members[1].connected = "DISCONNECTED" }, []string{"LS-LNK-002"}},
		"connected and behind":                      {func(f *facts) { f.source.members[1].health = "NOT_HEALTHY" }, []string{"LS-LNK-003"}},
		"the copy differs":                          {func(f *facts) { f.target.divergence = map[string]string{"DAG": "page 7 (table dbo.t)"} }, []string{"LS-LNK-005"}},
		"the instance lacks the link":               {func(f *facts) { f.arm.links = nil }, []string{"LS-GRP-002"}},
		"the database is not in the group":          {func(f *facts) { f.source.databases = nil }, []string{"LS-GRP-007"}},
		"SQL Server itself cannot test":             {func(f *facts) { f.source.untested = true }, []string{"LS-SQL-005"}},
		"a real SQL Server's port speaks otherwise": {func(f *facts) { f.source.untested = true; f.sourceMirroring.state = portOther }, []string{"LS-SQL-005"}},
	} {
		f, r := healthy(), new(Report)
		c.fault(f)
		f.judge(r, noon)
		var got []string
		for _, x := range r.Findings {
			got = append(got, x.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.ids) {
			t.Errorf("%s: found %v, want %v\n%s", what, got, c.ids, fmt.Sprint(r.Findings))
		}
	}
}
