package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/arm"
	"linkspan/armtypes"
	"linkspan/internal/clock"
)

// azurecli runs Azure's own command line with a private configuration. It is what users have in their scripts, so that
// its absence fails the test instead of skipping it: make test installs it.
type azurecli struct {
	t   *testing.T
	env []string
}

func newAzureCLI(t *testing.T, w *world) *azurecli {
	t.Helper()
	if _, err := exec.LookPath("az"); err != nil {
		t.Fatalf("the Azure CLI (Debian package azure-cli) is needed: %v", err)
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, w.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return &azurecli{t: t, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "AZURE_CONFIG_DIR=" + filepath.Join(dir, "azure"),
		"REQUESTS_CA_BUNDLE=" + ca, "AZURE_CORE_COLLECT_TELEMETRY=no", "AZURE_CORE_NO_COLOR=1", "NO_PROXY=localhost", "PYTHONWARNINGS=ignore",
	}}
}

// run runs az and returns its output. Its process group dies with the test.
func (a *azurecli) run(args ...string) ([]byte, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "az", args...)
	cmd.Env = a.env
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return out, errors.New(string(exit.Stderr))
	}
	return out, err
}

// must runs az, which has to succeed and print JSON (or nothing), and returns that.
func (a *azurecli) must(args ...string) any {
	a.t.Helper()
	out, err := a.run(args...)
	if err != nil {
		a.t.Fatalf("az %s: %v", strings.Join(args, " "), err)
	}
	var v any
	if len(strings.TrimSpace(string(out))) > 0 {
		if err := json.Unmarshal(out, &v); err != nil {
			a.t.Fatalf("az %s printed %q", strings.Join(args, " "), out)
		}
	}
	return v
}

// field reads a key of an object.
func field(v any, key string) any {
	m, _ := v.(map[string]any)
	return m[key]
}

// Azure's own CLI makes, shows, lists and deletes a link against the endpoint, after registering it as a cloud.
func TestAzureCLI(t *testing.T) {
	t.Parallel()
	w, replays := replaying(t, func(o *arm.Options) { o.Clock = clock.System })
	az := newAzureCLI(t, w)
	az.must("cloud", "register", "-n", "Linkspan", "--endpoint-resource-manager", w.base)
	az.must("cloud", "set", "-n", "Linkspan")
	if _, err := az.run("login", "--service-principal", "-u", clientID, "-p", secret+"x", "--tenant", tenant); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("login with a wrong secret: %v", err)
	}
	az.must("login", "--service-principal", "-u", clientID, "-p", secret, "--tenant", tenant)
	at := []string{"-g", "rg1"}

	if mi := az.must("sql", "mi", "show", "-n", "sqlmi1", "-g", "rg1"); field(mi, "fullyQualifiedDomainName") != "sqlmi1.linkspan.test" {
		t.Errorf("instance: %v", mi)
	}
	der := makeCertificate(t, "Cert_sqlserver1_endpoint")
	az.must(append([]string{"sql", "mi", "partner-cert", "create", "--instance-name", "sqlmi1", "-n", "Cert_sqlserver1_endpoint", "--public-blob", armtypes.PublicBlob(der)}, at...)...)
	if got, _ := w.fake.TrustCertificates(t.Context()); len(got) != 1 || string(got[0].DER) != string(der) {
		t.Fatalf("the instance did not get the certificate: %v", got)
	}
	cert := az.must(append([]string{"sql", "mi", "endpoint-cert", "show", "--instance-name", "sqlmi1", "--endpoint-type", "DATABASE_MIRRORING"}, at...)...)
	if field(cert, "publicBlob") != armtypes.BareBlob(w.fake.own) {
		t.Errorf("endpoint certificate: %v", cert)
	}

	create := append([]string{"sql", "mi", "link", "create", "--instance-name", "sqlmi1", "-n", "DAG_db1", "--primary-ag", "AG_db1", "--secondary-ag", "sqlmi1",
		"--source-endpoint", "TCP://10.0.0.4:5022", "--target-database", "db1"}, at...)
	w.fake.setCreate(notThere)
	if _, err := az.run(create...); err == nil || !strings.Contains(err.Error(), "41976") {
		t.Errorf("a link that the instance refuses: %v", err)
	}
	w.fake.setCreate(nil)
	if l := az.must(create...); field(l, "linkState") != "LinkSynchronizing" || field(l, "targetDatabase") != "db1" {
		t.Errorf("created link: %v", l)
	}
	if l := az.must(append([]string{"sql", "mi", "link", "show", "--instance-name", "sqlmi1", "-n", "dag_db1"}, at...)...); field(l, "sourceEndpoint") != "TCP://10.0.0.4:5022" || field(l, "name") != "DAG_db1" {
		t.Errorf("shown link: %v", l)
	}
	if l, _ := az.must(append([]string{"sql", "mi", "link", "list", "--instance-name", "sqlmi1"}, at...)...).([]any); len(l) != 1 {
		t.Errorf("listed links: %v", l)
	}
	// The CLI has no command for a failover yet; az rest has.
	if l := az.must("rest", "--method", "post", "--uri", w.base+instancePath+"/distributedAvailabilityGroups/DAG_db1/failover?api-version=2023-08-01",
		"--body", `{"failoverType":"Planned"}`); field(field(l, "properties"), "databases") == nil || field(l, "operation") == nil {
		t.Errorf("failover: %v", l)
	}
	w.poll(func() bool { l, _ := w.fake.Links(t.Context()); return l[0].InstanceRole == armtypes.Primary })
	az.must(append([]string{"sql", "mi", "link", "delete", "--instance-name", "sqlmi1", "-n", "DAG_db1", "--yes"}, at...)...)
	if left, _ := w.fake.Links(t.Context()); len(left) != 0 {
		t.Errorf("links left: %v", left)
	}
	az.replayLogs(w, replays)
}

// replayLogs drives the CLI's four commands of the Log Replay Service.
func (a *azurecli) replayLogs(w *world, r *replays) {
	a.t.Helper()
	at := []string{"-g", "rg1", "--mi", "sqlmi1", "-n", "db2"}
	replay := func(verb string, more ...string) []string {
		return append(append([]string{"sql", "midb", "log-replay", verb}, at...), more...)
	}
	uri := "https://account.blob.core.windows.net/migration/db2"
	a.must(replay("start", "--storage-uri", uri, "--storage-sas", "sp=rl&sr=c&sig=x")...)
	if s := r.jobs["db2"]; s.Container != uri || s.Signature != "sp=rl&sr=c&sig=x" || s.AutoComplete {
		a.t.Errorf("start came as %+v", s)
	}
	d := a.must(replay("show")...)
	if field(d, "lastRestoredFileName") != "l1.trn" || field(d, "status") != "Restoring" || field(d, "percentCompleted") != 40.0 {
		a.t.Errorf("show: %v", d)
	}
	a.must(replay("complete", "--last-bn", "l1.trn")...)
	if r.last != "l1.trn" {
		a.t.Errorf("complete came with %q", r.last)
	}
	a.must(replay("stop", "--yes")...)
	if left, _ := w.fake.Databases(a.t.Context()); len(left) != 1 || left[0].Name != "db1" {
		a.t.Errorf("databases after the stop: %v", left)
	}
	if _, err := a.run(replay("stop", "--yes")...); err == nil || !strings.Contains(err.Error(), "was not created with log replay service") {
		a.t.Errorf("stop again: %v", err)
	}
}
