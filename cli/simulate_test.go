package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"linkspan/cli"
	"linkspan/hadr/agsim"
)

func runSimulate(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(t.Context(), append([]string{"simulate"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestSimulate: the command shares the worlds out to workers, and a seed gives one result all the same.
func TestSimulate(t *testing.T) {
	t.Parallel()
	args := []string{"--seed", "7", "--minutes", "450", "--json"}
	code, out, errOut := runSimulate(t, args...)
	var r agsim.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("code %d, %v\n%s%s", code, err, out, errOut)
	}
	if r.Seed != 7 || r.Minutes != 450 || r.Worlds != 45 || r.Violations != 0 || r.Faults["crash"] == 0 {
		t.Errorf("the report says %+v", r)
	}
	if _, again, _ := runSimulate(t, args...); again != out {
		t.Errorf("the same seed gives\n%s\nand then\n%s", out, again)
	}
	if code, _, errOut := runSimulate(t, "--minutes", "0"); code != 2 {
		t.Errorf("--minutes 0: code %d, %s", code, errOut)
	}
}
