package systest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// TestReadmeMigration runs the README's commands of a migration as they stand there, in a shell, beside a sandbox.
func TestReadmeMigration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "Move a database by its backups")
	parts := strings.SplitN(rest, "```", 3)
	if !ok || len(parts) != 3 {
		t.Fatal("the README has no commands of a migration")
	}
	script := strings.TrimSpace(parts[1])
	if n := len(strings.Split(script, "\n")); n > 10 {
		t.Errorf("the README takes %d commands", n)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(dir, "bin", "linkspan")); err != nil {
		t.Fatal(err)
	}
	startSandbox(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", script+"\nwait\ncat orders.log")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LINKSPAN_STATE="+filepath.Join(dir, "state"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"COMPLETED", "tea", "pause", "report.txt"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// startSandbox runs "linkspan sandbox up" on addresses of the test's own, its line in sandbox.json.
func startSandbox(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "sandbox.json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var ready any
	p, err := harness.Start(ctx, &ready, program, "sandbox", "up", "--json", "--dir", filepath.Join(dir, "sandbox"), "--source-address", loopback(t), "--target-address", loopback(t),
		"--mirroring-port", "0", "--arm-port", "0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if err := jsonLine(file, ready); err != nil {
		t.Fatal(err)
	}
}

// jsonLine writes a value as one line and closes the file.
func jsonLine(file *os.File, v any) error {
	if err := json.NewEncoder(file).Encode(v); err != nil {
		return err
	}
	return file.Close()
}
