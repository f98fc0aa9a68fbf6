package daemon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"linkspan/daemon"
	"linkspan/web"
)

// service starts one on a free port, and stops it with the test.
func service(t *testing.T, c daemon.ServeConfig) (*daemon.MigrationService, *http.Client) {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	s, err := daemon.StartService(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if ca, err := os.ReadFile(s.Ready().CA); err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("authority %s: %v", s.Ready().CA, err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s, &http.Client{Transport: transport}
}

// ask sends a GET with a token.
func ask(t *testing.T, c *http.Client, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// The first start makes an authority and an operator's token; later ones find them. Tokens come and go while it runs.
func TestServiceKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	c := daemon.ServeConfig{State: filepath.Join(t.TempDir(), "state")}
	s, client := service(t, c)
	r := s.Ready()
	secret, err := os.ReadFile(r.OperatorToken)
	if err != nil || !r.Engaged {
		t.Fatalf("%+v: %v", r, err)
	}
	operator := strings.TrimSpace(string(secret))
	for _, file := range []string{r.OperatorToken, r.Tokens} {
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, st, err)
		}
	}
	if text, err := os.ReadFile(r.Tokens); err != nil || strings.Contains(string(text), operator) {
		t.Errorf("the tokens' file holds the token: %v", err)
	}
	if code, body := ask(t, client, r.URL+"/v1/activities", operator); code != 200 || body != `{"activities":[]}` {
		t.Errorf("%d %s", code, body)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s, client = service(t, c)
	if r := s.Ready(); r.OperatorToken != "" {
		t.Errorf("a second token was made: %+v", r)
	}
	url := s.Ready().URL + "/v1/activities"
	if code, _ := ask(t, client, url, operator); code != 200 {
		t.Errorf("after a restart: %d", code)
	}
	viewer, err := daemon.AddToken(r.Tokens, "board", web.Viewer, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { code, _ := ask(t, client, url, viewer); return code == 200 })
	if err := daemon.RemoveToken(r.Tokens, "BOARD"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { code, _ := ask(t, client, url, viewer); return code == 401 })
	if _, err := daemon.AddToken(r.Tokens, "Operator", web.Viewer, 0); err == nil {
		t.Error("a second token of one name was made")
	}
	if err := daemon.RemoveToken(r.Tokens, "nobody"); err == nil {
		t.Error("a token that is not there was removed")
	}
}

// eventually waits for what a process does in its own time.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.Done():
			t.Fatal("it did not happen in a minute")
		}
	}
}

// A second service on a state folder shows it, and takes over when the first one ends.
func TestServiceTakesOver(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	first, _ := service(t, daemon.ServeConfig{State: dir})
	second, client := service(t, daemon.ServeConfig{State: dir})
	if !first.Ready().Engaged || second.Ready().Engaged {
		t.Fatalf("%+v, %+v", first.Ready(), second.Ready())
	}
	secret, err := os.ReadFile(filepath.Join(dir, "operator-token"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(t, client, second.Ready().URL+"/v1/audit", strings.TrimSpace(string(secret))); code != 200 {
		t.Errorf("the second one answers %d", code)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	third := func() bool { // while the second one works, nobody else can
		s, err := daemon.StartService(context.Background(), daemon.ServeConfig{State: dir, Listen: "127.0.0.1:0"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		engaged := s.Ready().Engaged
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		return !engaged
	}
	eventually(t, third)
}

func TestServeConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "serve.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("state: st\nlisten: 0.0.0.0:7443\nnames: [migrate1.example.com]\nspecs: sp\nsecretFolders: [a, /b]\n")
	c, err := daemon.LoadServeConfig(file)
	if err != nil || c.State != filepath.Join(dir, "st") || c.Specs != filepath.Join(dir, "sp") || c.SecretFolders[0] != filepath.Join(dir, "a") || c.SecretFolders[1] != "/b" {
		t.Errorf("%+v %v", c, err)
	}
	if err := c.Check(); err != nil || c.TokensFile() != filepath.Join(dir, "st", "tokens.json") {
		t.Errorf("%v, tokens in %s", err, c.TokensFile())
	}
	for name, text := range map[string]string{
		"unknown key": "stat: st\n", "two documents": "state: a\n---\nstate: b\n", "no port": "state: a\nlisten: localhost\n", "half a pair": "state: a\ntls: {cert: c.pem}\n",
		"names with tls": "state: a\nnames: [b]\ntls: {cert: c.pem, key: k.pem}\n", "any file": "state: a\nsecretFolders: [/]\n", "no state": "listen: 127.0.0.1:0\n", "no YAML": "\t",
	} {
		write(text)
		c, err := daemon.LoadServeConfig(file)
		if err == nil {
			err = c.Check()
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := daemon.StartService(context.Background(), daemon.ServeConfig{State: filepath.Join(dir, "x"), TLS: &daemon.ServeTLS{Cert: file, Key: file}}, nil); err == nil || !strings.Contains(err.Error(), "tls:") {
		t.Errorf("a certificate that is none: %v", err)
	}
}

// Secrets of the environment are not used unless the configuration says so; the log tells of those that lie there.
func TestServiceTellsOfUnusedSecrets(t *testing.T) {
	t.Setenv("LINKSPAN_SOURCE_PASSWORD", "a-secret")
	var log strings.Builder
	s, err := daemon.StartService(context.Background(), daemon.ServeConfig{State: t.TempDir(), Listen: "127.0.0.1:0"}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "LINKSPAN_SOURCE_PASSWORD") || strings.Contains(text, "a-secret") {
		t.Error(text)
	}
}

// The page lists every field of the configuration.
func TestServePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "serve.md"))
	if err != nil {
		t.Fatal(err)
	}
	for f := range reflect.TypeFor[daemon.ServeConfig]().Fields() {
		if name := f.Tag.Get("yaml"); !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/serve.md lacks %s", name)
		}
	}
}
