package daemon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"linkspan/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sandbox is one on free ports of the first loopback address.
func sandbox(dir string) daemon.SandboxOptions {
	return daemon.SandboxOptions{Dir: dir, SourceAddress: "127.0.0.1", TargetAddress: "127.0.0.1", NoSync: true}
}

func up(t *testing.T, o daemon.SandboxOptions) *daemon.Sandbox {
	t.Helper()
	s, err := daemon.StartSandbox(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { down(t, s) })
	return s
}

func down(t *testing.T, s *daemon.Sandbox) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// instance is a SQL Server's configuration on free ports.
func instance(dir string) daemon.Config {
	port := 0
	return daemon.Config{Name: "sqlserver1", Dir: dir, Listen: "127.0.0.1:0", MirroringPort: &port, Durability: "none"}
}

func startFails(t *testing.T, c daemon.Config, want ...string) error {
	t.Helper()
	d, err := daemon.Start(context.Background(), c, nil)
	if err == nil {
		t.Errorf("it started: %v", errors.Join(d.Stop()))
		return nil
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no word of %q in: %v", w, err)
		}
	}
	return err
}

// TestSandboxKeepsItsIdentity starts a sandbox twice: one authority for all three ports, one set of secrets, both kept.
func TestSandboxKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	s := up(t, sandbox(dir))
	first := identity(t, s)
	r := s.Ready()
	if addr := net.JoinHostPort("127.0.0.1", "1433"); r.Source.Port == 0 || r.Target.Port == 0 || r.Source.Port == r.Target.Port || r.Source.Address == addr {
		t.Errorf("ports: %+v", r)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(first["ca.pem"]) {
		t.Fatal("ca.pem is no certificate")
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(r.ARM.URL, "https://"), &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatalf("the ARM port under the sandbox's authority: %v", err)
	}
	_ = c.Close()
	down(t, s)
	s = up(t, sandbox(dir))
	for name, want := range first {
		if got := identity(t, s)[name]; string(got) != string(want) {
			t.Errorf("%s is another one after a restart", name)
		}
	}
}

// identity reads what a sandbox keeps of itself, and checks who can read it.
func identity(t *testing.T, s *daemon.Sandbox) map[string][]byte {
	t.Helper()
	dir := filepath.Dir(s.Ready().Credentials)
	out := map[string][]byte{}
	for name, mode := range map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600, "credentials.json": 0o600} {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s has mode %04o", name, info.Mode().Perm())
		}
		if out[name], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	var creds map[string]map[string]string
	if err := json.Unmarshal(out["credentials.json"], &creds); err != nil {
		t.Fatal(err)
	}
	secrets := []string{creds["source"]["password"], creds["target"]["password"], creds["arm"]["clientSecret"]}
	for i, s := range secrets {
		if len(s) < 24 || s == secrets[(i+1)%3] {
			t.Errorf("secret %d is too short or used twice", i)
		}
	}
	return out
}

func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	const secret = "Gr33n-secret-of-sa"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"others can read it":   {`{"user":"sa","password":"` + secret + `"}`, 0o644, "chmod 600"},
		"the group can write":  {`{"user":"sa","password":"` + secret + `"}`, 0o620, "mode 0620"},
		"it is cut off":        {`{"user":"sa","password":"` + secret, 0o600, "is not valid JSON"},
		"a number is no text":  {`{"user":"sa","password":"` + secret + `","user":7}`, 0o600, "is not valid JSON"},
		"the password is gone": {`{"user":"sa"}`, 0o600, "no password"},
		"nothing is in it":     {``, 0o600, "is not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c2 := instance(filepath.Join(dir, "data"))
			c2.Credentials = filepath.Join(dir, "credentials.json")
			if err := os.WriteFile(c2.Credentials, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(c2.Credentials, c.mode); err != nil {
				t.Fatal(err)
			}
			err := startFails(t, c2, c.want, c2.Credentials)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the password: %v", err)
			}
			after, rerr := os.ReadFile(c2.Credentials)
			if rerr != nil || string(after) != c.text {
				t.Errorf("the file was changed to %q, %v", after, rerr)
			}
		})
	}
}

// TestAuthorityFiles starts with an authority that cannot be used.
func TestAuthorityFiles(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	d, err := daemon.Start(context.Background(), instance(made), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if d, err = daemon.Start(context.Background(), instance(other), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	cert, key := read(t, made, "ca.pem"), read(t, made, "ca-key.pem")
	for name, files := range map[string]map[string][]byte{
		"another one's key": {"ca.pem": cert, "ca-key.pem": read(t, other, "ca-key.pem")},
		"no authority":      {"ca.pem": notCA(t, key), "ca-key.pem": key},
		"no certificate":    {"ca.pem": []byte("hello"), "ca-key.pem": key},
		"no key":            {"ca.pem": cert, "ca-key.pem": []byte("hello")},
		"the key is gone":   {"ca.pem": cert},
		"expired":           {"ca.pem": expired(t, cert, key), "ca-key.pem": key},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range files {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			startFails(t, instance(dir), filepath.Join(dir, "ca.pem"), "remove", "ca-key.pem")
			for file, content := range files {
				if string(read(t, dir, file)) != string(content) {
					t.Errorf("%s was changed", file)
				}
			}
		})
	}
	// After what the message says, the next start makes a new one.
	for _, f := range []string{"ca.pem", "ca-key.pem"} {
		if err := os.Remove(filepath.Join(made, f)); err != nil {
			t.Fatal(err)
		}
	}
	if d, err = daemon.Start(context.Background(), instance(made), nil); err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	if string(read(t, made, "ca.pem")) == string(cert) {
		t.Error("the authority is the removed one")
	}
}

func read(t *testing.T, dir, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPortsInUse names the port that is taken, and starts when it is free.
func TestPortsInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := instance(t.TempDir())
	c.Listen = l.Addr().String()
	startFails(t, c, "listen for SQL clients on "+c.Listen, "in use")
	m := instance(t.TempDir())
	m.Kind, m.Name, m.ARM = daemon.KindManagedInstance, "sqlmi1", &daemon.ARMConfig{Listen: l.Addr().String()}
	startFails(t, m, "listen for the ARM endpoint on "+c.Listen, "in use")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Stop(), d.Stop()); err != nil {
		t.Errorf("stop twice: %v", err)
	}
}

// TestTwoDaemonsOneFolder refuses the second.
func TestTwoDaemonsOneFolder(t *testing.T) {
	t.Parallel()
	c := instance(t.TempDir())
	d, err := daemon.Start(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	startFails(t, c, c.Dir, "another instance runs on it")
}

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
