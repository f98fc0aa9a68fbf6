package daemon_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/daemon"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/metrics"
	"linkspan/sqlclient"
)

func scrape(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metricsConfig is an instance that shows metrics.
func metricsConfig(dir, name, listen string) daemon.Config {
	return daemon.Config{Name: name, Dir: filepath.Join(dir, name), CA: dir, Listen: listen, Durability: "none", Password: "Str0ng-enough",
		Metrics: &daemon.MetricsConfig{Listen: "127.0.0.1:0"}}
}

// Both sides of a link show every metric there is, with values that are true.
func TestMetricsOfALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, target := metricsConfig(dir, "sqlserver1", "127.0.0.1:0"), metricsConfig(dir, "sqlmi1", "127.0.0.2:0")
	source.Hosts = map[string]string{"sqlmi1.linkspan.test": "127.0.0.2"}
	target.Kind, target.MirroringPort = daemon.KindManagedInstance, new(0)
	target.ARM = &daemon.ARMConfig{Listen: "localhost:0", ClientSecret: "secret-of-the-test"}
	start := func(c daemon.Config) *daemon.Daemon {
		d, err := daemon.Start(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Stop(); err != nil {
				t.Error(err)
			}
		})
		return d
	}
	s, m := start(source).Ready(), start(target).Ready()
	spec := link.Spec{Links: []link.LinkSpec{{Database: "sales"}}}
	spec.Source = link.SourceSpec{Address: s.Address, Port: s.Port, CA: s.CA, User: "sa", MirroringPort: freePort(t)}
	spec.Target = link.TargetSpec{Endpoint: m.ARM, CA: m.CA, Tenant: "00000000-0000-4000-8000-000000000001", ClientID: "00000000-0000-4000-8000-000000000003",
		Instance: "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1"}
	secrets, err := spec.Secrets(fsx.OS{}, func(v string) string {
		return map[string]string{link.SourcePasswordVar: "Str0ng-enough", link.ClientSecretVar: "secret-of-the-test"}[v]
	})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlclient.Open(t.Context(), spec.SourceTarget(secrets, ca))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range []string{"CREATE DATABASE sales", "USE sales; CREATE TABLE dbo.t (id int PRIMARY KEY)"} {
		if _, err := db.Query(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	l, err := link.Open(t.Context(), spec, secrets, fsx.OS{}, link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.CreateAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Query(t.Context(), "INSERT INTO sales.dbo.t VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Query(t.Context(), "DBCC CHECKDB (sales) WITH NO_INFOMSGS"); err != nil {
		t.Fatal(err)
	}
	wantMetrics(t, s.Metrics, `instance="sqlserver1"`, []string{`linkspan_link_connected{database="sales",instance="sqlserver1",link="DAG_sales"} 1`,
		`linkspan_link_primary{database="sales",instance="sqlserver1",link="DAG_sales"} 1`, `linkspan_link_lag_seconds{database="sales",instance="sqlserver1",link="DAG_sales"} 0`,
		`linkspan_link_send_queue_bytes{database="sales",instance="sqlserver1",link="DAG_sales"} 0`, `linkspan_link_synchronization_state{database="sales",instance="sqlserver1",link="DAG_sales"} 1`,
		`linkspan_certificate_days_left{certificate="sqlmi1.linkspan.test",instance="sqlserver1",usage="PARTNER"} 18`, `linkspan_database_scrub_age_seconds{database="sales",`,
		`linkspan_database_log_reuse_wait{database="sales",instance="sqlserver1",reason="`})
	wantMetrics(t, m.Metrics, `instance="sqlmi1"`, []string{`linkspan_link_primary{database="sales",instance="sqlmi1",link="DAG_sales"} 0`,
		`linkspan_link_digests_compared_total{database="sales",instance="sqlmi1",link="DAG_sales"} `, `linkspan_seeding_transferred_bytes{database="sales",instance="sqlmi1",role="Destination"} `,
		`linkspan_link_redo_queue_bytes{database="sales",instance="sqlmi1",link="DAG_sales"} 0`, `linkspan_database_online{database="sales",instance="sqlmi1"} 1`})
}

// wantMetrics scrapes until all lines are there.
func wantMetrics(t *testing.T, url, instance string, lines []string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		code, text := scrape(t, url, "")
		missing := ""
		for _, l := range lines {
			if !strings.Contains(text, l) {
				missing = l
			}
		}
		if code == http.StatusOK && missing == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %d, and there is no %s:\n%s", code, missing, text)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	_, text := scrape(t, url, "")
	for _, f := range metrics.Families() {
		if !strings.Contains(text, "\n"+f.Name+"{") && f.Name != "linkspan_link_failover_pause_seconds" && f.Name != "linkspan_database_scrub_age_seconds" &&
			!strings.HasPrefix(f.Name, "linkspan_seeding") && !strings.HasPrefix(f.Name, "linkspan_link_send") {
			t.Errorf("%s does not show %s", instance, f.Name)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Whoever reads from another machine needs the token, and a configuration that would show metrics to all is refused.
func TestMetricsAreForThoseWhoMay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := metricsConfig(dir, "a", "127.0.0.1:0")
	open.Metrics.Listen = "0.0.0.0:0"
	if err := validated(open); err == nil || !strings.Contains(err.Error(), "not loopback") {
		t.Errorf("metrics for everybody: %v", err)
	}
	open.Metrics.Listen = "metrics.example.com:9464"
	if err := validated(open); err == nil {
		t.Error("a name that may be anything was taken for loopback")
	}
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("correct-horse-battery\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := metricsConfig(dir, "b", "127.0.0.1:0")
	c.Metrics.Listen, c.Metrics.TokenFile = "0.0.0.0:0", file
	if _, err := daemon.Start(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Errorf("a token that others can read: %v", err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	short := c
	short.Metrics = &daemon.MetricsConfig{Listen: "0.0.0.0:0", Token: "short"}
	if _, err := daemon.Start(t.Context(), short, nil); err == nil || !strings.Contains(err.Error(), "5 characters") || strings.Contains(err.Error(), "short") {
		t.Errorf("a short token: %v", err)
	}
	d, err := daemon.Start(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	url := strings.Replace(d.Ready().Metrics, "[::]", "127.0.0.1", 1)
	for token, want := range map[string]int{"": 401, "correct-horse": 401, "wrong-horse-battery-x": 401, "correct-horse-battery": 200} {
		if code, body := scrape(t, url, token); code != want || want != 200 && strings.Contains(body, "linkspan_") {
			t.Errorf("token %q: status %d, want %d", token, code, want)
		}
	}
	if code, _ := scrape(t, strings.TrimSuffix(url, metrics.Path)+"/", "correct-horse-battery"); code != 404 {
		t.Errorf("another path: status %d", code)
	}
}

// validated fills in a configuration and validates it, as Start does before it does anything.
func validated(c daemon.Config) error {
	d, err := daemon.Start(context.Background(), c, nil)
	if err == nil {
		err = fmt.Errorf("started: %w", d.Stop())
	}
	return err
}

// The page lists every metric, with what it says.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range metrics.Families() {
		if !strings.Contains(string(page), "| `"+f.Name+"` |") || !strings.Contains(string(page), f.Help) {
			t.Errorf("docs/metrics.md lacks %s: %s", f.Name, f.Help)
		}
	}
}
