package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
)

// sandbox is where a started sandbox answers.
type sandbox struct {
	source, target harness.Login
	ready          sandboxReady
}

type sandboxReady struct {
	Source, Target struct {
		Name, FQDN, Address, User string
		Port, MirroringPort       int
	}
	ARM struct {
		URL, CA, Tenant, ClientID, Subscription, ResourceGroup string
	}
	Credentials string
}

// startSandbox runs a fresh sandbox.
func (b *bench) startSandbox(ctx context.Context, name string, flags ...string) (*sandbox, *harness.Process, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	s := &sandbox{}
	args := append([]string{"sandbox", "up", "--json", "--dir", filepath.Join(b.dir, name), "--sql-port", "0", "--mirroring-port", "0", "--arm-port", "0"}, flags...)
	p, err := harness.Start(ctx, &s.ready, b.program, args...)
	if err != nil {
		return nil, nil, err
	}
	var creds struct {
		Source, Target struct{ Password string }
	}
	raw, err := os.ReadFile(s.ready.Credentials)
	if err == nil {
		err = json.Unmarshal(raw, &creds)
	}
	if err != nil {
		p.Kill()
		return nil, nil, err
	}
	r := s.ready
	s.source = harness.Login{Address: r.Source.Address, Port: r.Source.Port, User: r.Source.User, Password: creds.Source.Password, CA: r.ARM.CA}
	s.target = harness.Login{Address: r.Target.Address, Port: r.Target.Port, User: r.Target.User, Password: creds.Target.Password, CA: r.ARM.CA}
	return s, p, nil
}

// processStart times a command that does nothing.
func (b *bench) processStart() (float64, error) {
	start := clock.System.Now()
	out, err := exec.Command(b.program, "version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return float64(time.Since(start).Microseconds()) / 1000, nil
}
