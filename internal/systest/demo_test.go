package systest_test

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

var (
	demoDigests = regexp.MustCompile(`LSN ([0-9a-f]+)\s+digest ([0-9a-f]{32})`)
	demoLoad    = regexp.MustCompile(`(\d+) transactions in`)
	demoShows   = []string{`done in `, `p50 \S+ .*p99 \S+`, `Msg 3906`, `flipped `, `found: `, `failover to the target: write pause \d`, `failover to the source: write pause \d`,
		`sqlserver1 .* 0 missing`, `sqlmi1 .* 0 missing`, `no acknowledged row is missing`}
)

// The demo ends well, soon, and shows what it promises: steps with times, lag, both sides' LSN and digest, the damage.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "demo")
	cmd.Env = append(cmd.Environ(), "TMPDIR="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("demo: %v\n%s%s", err, out.String(), errs.String())
	}
	for _, want := range demoShows {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("the demo does not show %q:\n%s", want, out.String())
		}
	}
	if m := demoLoad.FindSubmatch(out.Bytes()); m == nil {
		t.Errorf("the demo does not say how many transactions it ran:\n%s", out.String())
	} else if n, err := strconv.Atoi(string(m[1])); err != nil || n < 2000 {
		t.Errorf("the demo ran %s transactions, want at least 2000", m[1])
	}
	if m := demoDigests.FindAllSubmatch(out.Bytes(), -1); len(m) != 2 || !bytes.Equal(m[0][0], m[1][0]) {
		t.Errorf("the demo shows LSNs and digests %q, want two that are equal", m)
	}
}
