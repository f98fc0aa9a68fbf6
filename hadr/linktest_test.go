package hadr_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"linkspan/hadr"
	"linkspan/hadr/agcore"
)

// tested runs a link's test and wants it to end at a stage, with a number and a text when it fails there.
func tested(t *testing.T, what string, n *node, l hadr.LinkTest, stage string, number int32, text string) {
	t.Helper()
	stages, err := n.TestLink(t.Context(), l)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, s := range stages {
		if !s.OK || s.Stage == stage {
			if s.Stage != stage || s.OK == (text != "") || s.Number != number || !strings.Contains(s.Detail, text) {
				t.Errorf("%s: stage %s ended ok=%t with %d %q, want %s with %d %q", what, s.Stage, s.OK, s.Number, s.Detail, stage, number, text)
			}
			return
		}
	}
	t.Errorf("%s: no stage %s among %+v", what, stage, stages)
}

// Both sides of a live link test it and pass every stage; the link goes on, and no log has a line.
func TestLinkTestsItself(t *testing.T) {
	t.Parallel()
	s, m := linked(t)
	// The listener URL in the groups of these tests has a port that nobody has: the source's way there is tested by URL.
	tested(t, "the managed instance", m, hadr.LinkTest{Link: "DAG_sales"}, hadr.StageLink, 0, "")
	tested(t, "the clocks", m, hadr.LinkTest{Link: "DAG_sales"}, hadr.StageClock, 0, "")
	tested(t, "the source, by URL", s, hadr.LinkTest{URL: m.url()}, hadr.StageClock, 0, "")
	if st, _ := m.Link("DAG_sales"); !st.Connected || st.Phase != agcore.PhaseSynchronizing {
		t.Errorf("the test disturbed the link: %+v", st)
	}
	for _, n := range []*node{s, m} {
		if n.logs("login attempt") {
			t.Errorf("the error log of %s has lines of the test", n.name)
		}
	}
	wantNumber(t, "no such link", second(s.TestLink(t.Context(), hadr.LinkTest{Link: "DAG_nil"})), 15151)
	wantNumber(t, "no URL", second(s.TestLink(t.Context(), hadr.LinkTest{URL: "http://x"})), 19499)
}

func second[T any](_ T, err error) error { return err }

func TestLinkTestNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	byURL := hadr.LinkTest{URL: s.url()}
	tested(t, "nothing imported here", m, byURL, hadr.StageCertificate, 41973, "not been imported to Azure SQL Managed Instance")
	der, err := s.EndpointCertificate(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "source", der); err != nil {
		t.Fatal(err)
	}
	tested(t, "nothing imported there", m, byURL, hadr.StageCertificate, 41974, "not been imported to SQL Server")
	if der, err = m.EndpointCertificate(4); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.ImportCertificate(t.Context(), targetFQDN, der); err != nil {
		t.Fatal(err)
	}
	tested(t, "before there is a link", m, byURL, hadr.StageProtocol, 0, "")
	tested(t, "no such host", m, hadr.LinkTest{URL: "TCP://nowhere.test:5022"}, hadr.StageResolve, 0, "no such host")
	tested(t, "nobody listens", m, hadr.LinkTest{URL: "TCP://127.0.0.1:1"}, hadr.StageConnect, 0, "refused")
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("SSH-2.0-other\r\n"))
			c.Close()
		}
	}()
	tested(t, "another service", m, hadr.LinkTest{URL: "TCP://" + l.Addr().String()}, hadr.StageTLS, 0, "does not speak TLS 1.3")
	if err := alter(t, m, hadr.EndpointSpec{Name: "hadr_endpoint", State: new(hadr.EndpointStopped)}); err != nil {
		t.Fatal(err)
	}
	tested(t, "own endpoint stopped", m, byURL, hadr.StageEndpoint, 28080, "not configured")
	tested(t, "the other's endpoint stopped", s, hadr.LinkTest{URL: "TCP://127.0.0.1:1"}, hadr.StageConnect, 0, "refused")
}

func TestLinkTestSeesNamesAndClocks(t *testing.T) {
	t.Parallel()
	hands := &skewed{}
	s := source(t, func(o *hadr.Options) { o.Clock = hands })
	m := target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 1)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	hands.offset.Store(int64(90 * time.Second))
	tested(t, "a clock that is off", m, hadr.LinkTest{Link: "DAG_sales"}, hadr.StageClock, 0, "1m30s ahead of this one")
	hands.offset.Store(0)
	if err := s.DropGroup(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	tested(t, "the group is gone there", m, hadr.LinkTest{Link: "DAG_sales"}, hadr.StageLink, 41976, "AG_sales")
}
