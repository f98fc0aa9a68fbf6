package hadr_test

import (
	"strings"
	"testing"
	"time"

	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
	"linkspan/trust"
)

func wantNumber(t *testing.T, what string, err error, want int32) {
	t.Helper()
	if got := sqlerr.Number(err); got != want || err == nil {
		t.Errorf("%s: error is %v, want number %d", what, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "uncatalogued") {
		t.Error(err)
	}
}

// Each join is refused with a number, leaves nothing behind, and works when its cause is gone.
func TestJoinRefusals(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	s.create("sales", 10)
	s.create("hr", 10)
	group(t, s, "sales")
	group(t, s, "hr")
	good := spec("sales", s.url())
	clean := func(what string) {
		t.Helper()
		if len(m.Links()) != 0 || m.find("sales") != nil || len(m.docs.m["availability_group"]) != 0 {
			t.Errorf("%s: something was left behind", what)
		}
	}
	fails := func(what string, want int32, edit func(*hadr.LinkSpec)) {
		t.Helper()
		l := good
		if edit != nil {
			edit(&l)
		}
		wantNumber(t, what, m.JoinLink(t.Context(), l), want)
		clean(what)
	}
	sourceShows := func(what string, want int32) {
		t.Helper()
		eventually(t, what+" is seen by the source", func() bool {
			st, _ := s.Link("DAG_sales")
			return st.LastError.Number == want && !st.LastErrorAt.IsZero() && !st.Connected
		})
	}

	fails("no source certificate on the managed instance", 41973, nil)
	der, err := s.EndpointCertificate(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "Cert_sqlserver1_endpoint", der); err != nil {
		t.Fatal(err)
	}
	fails("no instance certificate on the source", 41974, nil)
	sourceShows("an unknown certificate", 28035)
	if !s.logs("Certificate not found") {
		t.Error("the error log does not say why")
	}
	if der, err = m.EndpointCertificate(4); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.ImportCertificate(t.Context(), "sqlmi1.wrong.test", der); err != nil {
		t.Fatal(err)
	}
	fails("certificate imported under another name than the URL's host", 41974, nil)
	sourceShows("a certificate of another name", 28035)
	if err := s.keeper.DropCertificate(t.Context(), "sqlmi1.wrong.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.ImportCertificate(t.Context(), targetFQDN, der); err != nil {
		t.Fatal(err)
	}
	fails("no such link", 41976, func(l *hadr.LinkSpec) { l.Name = "DAG_nil" })
	fails("another group on the source", 41976, func(l *hadr.LinkSpec) { l.PartnerGroup = "AG_hr" })
	fails("another group here", 41976, func(l *hadr.LinkSpec) { l.OwnGroup = "sqlmi2" })
	fails("another database", 41977, func(l *hadr.LinkSpec) { l.Database = "hr" })
	fails("bad URL", 19499, func(l *hadr.LinkSpec) { l.SourceEndpoint = "sqlserver1:5022" })
	fails("nobody listens", 41986, func(l *hadr.LinkSpec) { l.SourceEndpoint = "TCP://127.0.0.1:1" })
	fails("no such host", 41986, func(l *hadr.LinkSpec) { l.SourceEndpoint = "TCP://nowhere.test:5022" })
	m.add("sales").restoring = true
	wantNumber(t, "name taken", m.JoinLink(t.Context(), good), 1801)
	delete(m.databases, "sales")
	wantNumber(t, "on a SQL Server", s.JoinLink(t.Context(), good), 41190)

	if err := m.JoinLink(t.Context(), good); err != nil {
		t.Fatalf("with every cause gone: %v", err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	if st, _ := s.Link("DAG_sales"); st.LastError.Number != 0 {
		t.Errorf("connected, and the last error is still %+v", st.LastError)
	}
	other := good
	other.PartnerGroup = "AG_hr"
	wantNumber(t, "another link of that name", m.JoinLink(t.Context(), other), 41106)
}

func TestDifferingCollations(t *testing.T) {
	t.Parallel()
	s := source(t, func(o *hadr.Options) { o.Collation = "Latin1_General_100_BIN2" })
	m := target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 1)
	group(t, s, "sales")
	err := m.JoinLink(t.Context(), spec("sales", s.url()))
	wantNumber(t, "collations", err, 35203)
	if !strings.Contains(err.Error(), "Latin1_General_100_BIN2") {
		t.Errorf("the text does not name the collation: %v", err)
	}
}

// A certificate authorises the links bound to it and no other: a second managed instance whose certificate is imported,
// too, does not get the first one's database.
func TestForeignLink(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	thief := newNode(t, "sqlmi1.elsewhere.test", true, nil)
	der, err := thief.EndpointCertificate(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.ImportCertificate(t.Context(), "sqlmi1.elsewhere.test", der); err != nil {
		t.Fatal(err)
	}
	if der, err = s.EndpointCertificate(4); err != nil {
		t.Fatal(err)
	}
	if _, err := thief.keeper.ImportCertificate(t.Context(), "source", der); err != nil {
		t.Fatal(err)
	}
	s.create("sales", 10)
	group(t, s, "sales")
	wantNumber(t, "the other instance", thief.JoinLink(t.Context(), spec("sales", s.url())), 41974)
	if !s.logs("not the one bound to availability group 'DAG_sales'") {
		t.Error("the error log does not say why")
	}
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
}

// Dropping the partner's certificate cuts the live link at once, and importing it again heals it.
func TestDroppedCertificateCutsTheLink(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	wantNumber(t, "the endpoint's own", s.keeper.DropCertificate(t.Context(), "Cert_sqlserver1_endpoint"), 15352)
	der := s.keeper.ByName(targetFQDN).DER
	if err := s.keeper.DropCertificate(t.Context(), targetFQDN); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{s, m} {
		eventually(t, "disconnected on "+n.name, func() bool { st, _ := n.Link("DAG_sales"); return !st.Connected && st.LastError.Number != 0 })
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('alone')")
	if _, err := s.keeper.ImportCertificate(t.Context(), targetFQDN, der); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming again", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
}

// A new endpoint certificate is imported on the other side, the endpoint altered, the old certificate dropped: the link
// goes on.
func TestRotation(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	if _, err := s.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "next", Subject: "next"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "next", s.keeper.ByName("next").DER); err != nil {
		t.Fatal(err)
	}
	_, err := s.AlterEndpoint(t.Context(), hadr.EndpointSpec{Name: "database_mirroring_endpoint", Auth: new(hadr.AuthCertificate), Certificate: "next"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.keeper.DropCertificate(t.Context(), "Cert_sqlserver1_endpoint"); err != nil {
		t.Fatal(err)
	}
	if err := m.keeper.DropCertificate(t.Context(), "Cert_sqlserver1_endpoint"); err != nil {
		t.Fatal(err)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('after')")
	eventually(t, "streaming with the new certificate", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	caughtUp(t, s, m, "sales")
}

// alter is ALTER ENDPOINT without its warnings.
func alter(t *testing.T, n *node, s hadr.EndpointSpec) error {
	t.Helper()
	_, err := n.AlterEndpoint(t.Context(), s)
	return err
}

func TestEndpointStatements(t *testing.T) {
	t.Parallel()
	s := source(t, nil)
	e, _ := s.Endpoint()
	base := hadr.EndpointSpec{Name: "e2", State: new(hadr.EndpointStarted), Port: new(0), Role: new(hadr.RoleAll), Auth: new(hadr.AuthCertificate), Certificate: "Cert_sqlserver1_endpoint"}
	wantNumber(t, "a second one", s.CreateEndpoint(t.Context(), base), 7862)
	wantNumber(t, "alter another", alter(t, s, base), 15151)
	wantNumber(t, "alter nothing", alter(t, s, hadr.EndpointSpec{Name: e.Name}), 7863)
	wantNumber(t, "drop another", s.DropEndpoint(t.Context(), "e2"), 15151)
	wantNumber(t, "no certificate", alter(t, s, hadr.EndpointSpec{Name: e.Name, Auth: new(hadr.AuthCertificate), Certificate: "nil"}), 15151)
	_, err := s.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "old", Subject: "s", Expiry: time.Date(2025, 3, 30, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	wantNumber(t, "expired certificate", alter(t, s, hadr.EndpointSpec{Name: e.Name, Auth: new(hadr.AuthCertificate), Certificate: "old"}), 28055)
	if now, _ := s.Endpoint(); now != e {
		t.Errorf("a refused ALTER changed the endpoint: %+v", now)
	}

	o := newNode(t, "sqlserver2", false, nil)
	if err := o.keeper.CreateMasterKey(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := o.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "c", Subject: "s"}); err != nil {
		t.Fatal(err)
	}
	base.Port, base.Certificate = &e.Port, "c"
	wantNumber(t, "port in use", o.CreateEndpoint(t.Context(), base), 9692)
	if _, ok := o.Endpoint(); ok {
		t.Error("an endpoint whose port is in use was made")
	}
	if _, err := s.AlterEndpoint(t.Context(), hadr.EndpointSpec{Name: e.Name, State: new(hadr.EndpointStopped)}); err != nil {
		t.Fatal(err)
	}
	if err := o.CreateEndpoint(t.Context(), base); err != nil {
		t.Errorf("with the port free: %v", err)
	}
	// STATE = STARTED is kept over a restart, the port in use is no reason not to start.
	s.restart()
	if now, _ := s.Endpoint(); now.State != hadr.EndpointStopped {
		t.Errorf("after a restart the endpoint is %+v", now)
	}
	wantNumber(t, "start while in use", alter(t, s, hadr.EndpointSpec{Name: e.Name, State: new(hadr.EndpointStarted)}), 9692)
	if err := o.DropEndpoint(t.Context(), "E2"); err != nil {
		t.Error(err)
	}
	_, err = o.EndpointCertificate(4)
	wantNumber(t, "sp_get_endpoint_certificate", err, 47505)
	if der, err := o.EndpointCertificate(1); der != nil || err != nil {
		t.Error(der, err)
	}
}
