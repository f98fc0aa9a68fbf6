package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/cli"
	"linkspan/doctor"
)

// A link whose servers are not there: the findings say so, and the exit code is that of a refusal.
func TestDoctorLink(t *testing.T) {
	t.Setenv("LINKSPAN_SOURCE_PASSWORD", "x")
	t.Setenv("AZURE_CLIENT_SECRET", "x")
	args := []string{"doctor", "link", "--database", "sales", "--source", "127.0.0.1", "--source-port", "1", "--source-user", "sa", "--mirroring-port", "1",
		"--instance", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/m", "--arm-url", "https://127.0.0.1:1", "--tenant", "t", "--client-id", "c"}
	var out, errOut bytes.Buffer
	if code := cli.Run(t.Context(), append(args, "--json"), nil, &out, &errOut); code != cli.ExitRefused {
		t.Fatalf("exit code %d: %s", code, &errOut)
	}
	var r doctor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, f := range r.Findings {
		if f.ID == "LS-NET-002" {
			refused++
		}
	}
	if refused != 3 || len(r.Checks) < 3 {
		t.Errorf("found %+v", r)
	}
	out.Reset()
	if code := cli.Run(t.Context(), args, nil, &out, &errOut); code != cli.ExitRefused || !strings.Contains(out.String(), "LS-NET-002 blocking: SQL Server's SQL port 127.0.0.1:1\n  cause:") {
		t.Errorf("exit code %d:\n%s", code, &out)
	}
	if code := cli.Run(t.Context(), []string{"doctor", "link"}, nil, &out, &errOut); code != cli.ExitUsage {
		t.Errorf("without a spec the exit code is %d", code)
	}
}

// The page lists the findings as the command does.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cli.Run(t.Context(), []string{"doctor"}, nil, &out, &bytes.Buffer{})
	for _, k := range doctor.Kinds() {
		if row := "| " + k.ID + " | " + string(k.Severity) + " | " + k.Cause + " | " + k.Fix + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/doctor.md lacks %s", row)
		}
		if !strings.Contains(out.String(), k.ID) {
			t.Errorf("the command does not list %s", k.ID)
		}
	}
}
