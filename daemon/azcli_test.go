package daemon_test

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

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/armtypes"
	"linkspan/media/mediatest"
)

// az runs Azure's own command line with a private configuration, and returns what it prints; the error is what it says.
func (r *replayRig) az(home string, args ...string) (armtypes.RestoreProperties, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "az", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "AZURE_CONFIG_DIR=" + filepath.Join(home, "azure"),
		"REQUESTS_CA_BUNDLE=" + r.at.CA, "AZURE_CORE_COLLECT_TELEMETRY=no", "AZURE_CORE_NO_COLOR=1", "NO_PROXY=localhost,127.0.0.1", "PYTHONWARNINGS=ignore"}
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return armtypes.RestoreProperties{}, errors.New(string(exit.Stderr))
	}
	var p armtypes.RestoreProperties
	if err == nil && strings.Contains(string(out), "lastRestoredFileName") {
		err = json.Unmarshal(out, &p)
	}
	return p, err
}

// TestAzureCLIDrivesLogReplay has the four commands of Azure's own command line restore, show, complete and stop on a real
// instance, from a container.
func TestAzureCLIDrivesLogReplay(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("az"); err != nil {
		t.Fatalf("the Azure CLI (Debian package azure-cli) is needed: %v", err)
	}
	a := mediatest.StartAzurite(t)
	client, address, signature := a.Container(t, "migration", sas.ContainerPermissions{Read: true, List: true})
	r := newReplayRig(t)
	r.take()
	for _, n := range []string{"f1.bak", "f2.bak", "l1.trn", "l2.trn"} {
		if _, err := client.NewBlockBlobClient("db1/"+n).UploadBuffer(t.Context(), r.backup(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	must := func(args ...string) armtypes.RestoreProperties {
		t.Helper()
		p, err := r.az(home, args...)
		if err != nil {
			t.Fatalf("az %s: %v", args[0]+" "+args[1], err)
		}
		return p
	}
	must("cloud", "register", "-n", "Linkspan", "--endpoint-resource-manager", r.at.URL)
	must("cloud", "set", "-n", "Linkspan")
	must("login", "--service-principal", "-u", r.at.ClientID, "-p", r.secret, "--tenant", r.at.Tenant)
	replay := func(verb, database string, more ...string) []string {
		return append([]string{"sql", "midb", "log-replay", verb, "-g", r.at.ResourceGroup, "--mi", "sqlmi1", "-n", database}, more...)
	}
	for _, name := range []string{"kept", "stopped"} {
		must(replay("start", name, "--storage-uri", address+"/db1", "--storage-sas", signature)...)
	}
	r.details("stopped", restoredFiles(4))
	must(replay("stop", "stopped", "--yes")...)
	r.details("kept", restoredFiles(4))
	if p := must(replay("show", "kept")...); p.LastRestoredFileName != "l2.trn" || p.NumberOfFilesDetected != 4 || p.Status != armtypes.ReplayWaiting || p.PercentCompleted != 100 {
		t.Errorf("show: %+v", p)
	}
	must(replay("complete", "kept", "--last-bn", "l2.trn")...)
	if got := r.on(r.target, "SELECT name FROM sys.databases WHERE database_id > 4"); got != "[[kept]]" {
		t.Errorf("databases: %s", got)
	}
	if got := r.on(r.target, "SELECT COUNT(*) FROM kept.dbo.t"); got != "[[4]]" {
		t.Errorf("rows: %s", got)
	}
	if _, err := r.az(home, replay("stop", "kept", "--yes")...); err == nil || !strings.Contains(err.Error(), "was not created with log replay service") && !strings.Contains(err.Error(), "completed") {
		t.Errorf("stopping what is complete: %v", err)
	}
}
