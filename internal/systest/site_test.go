package systest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// program is the compiled product; TestMain builds it once.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "linkspan-systest-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if program, err = harness.Build(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// site is a running sandbox on addresses of its own, so that it can have the documents' ports 1433 and 5022.
type site struct {
	dir            string
	process        *harness.Process
	source, target harness.Login
	fqdn           string
	arm            armSite
}

type armSite struct {
	URL, CA, Tenant, ClientID, Subscription, ResourceGroup string
	secret                                                 string
}

// loopback gives an address of 127.0.0.0/8 that is not in use.
func loopback(t *testing.T) string {
	t.Helper()
	for range 100 {
		ip := fmt.Sprintf("127.%d.%d.%d", 10+rand.IntN(200), rand.IntN(250), 2+rand.IntN(250))
		l, err := net.Listen("tcp", ip+":5022")
		if err == nil {
			_ = l.Close()
			return ip
		}
	}
	t.Fatal("no loopback address with a free port 5022")
	return ""
}

// startSite runs "linkspan sandbox up" and stops it with the test.
func startSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var ready struct {
		Source, Target struct {
			Name, FQDN, Address, User string
			Port                      int
		}
		ARM         armSite
		Credentials string
	}
	p, err := harness.Start(ctx, &ready, program, "sandbox", "up", "--json", "--dir", s.dir, "--source-address", loopback(t),
		"--target-address", loopback(t), "--arm-port", "0", "--verbose")
	if err != nil {
		t.Fatal(err)
	}
	s.process = p
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stop the sandbox: %v", err)
		}
		if t.Failed() {
			t.Logf("the sandbox said:\n%s", p.Stderr())
		}
	})
	b, err := os.ReadFile(ready.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	var creds struct {
		Source, Target struct{ User, Password string }
		ARM            struct{ ClientSecret string }
	}
	if err := json.Unmarshal(b, &creds); err != nil {
		t.Fatal(err)
	}
	s.source = harness.Login{Address: ready.Source.Address, Port: ready.Source.Port, User: creds.Source.User, Password: creds.Source.Password, CA: ready.ARM.CA}
	s.target = harness.Login{Address: ready.Target.Address, Port: ready.Target.Port, User: creds.Target.User, Password: creds.Target.Password, CA: ready.ARM.CA}
	s.fqdn, s.arm = ready.Target.FQDN, ready.ARM
	s.arm.secret = creds.ARM.ClientSecret
	return s
}

// http makes a client that trusts the site's authority.
func (s *site) http(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(s.arm.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in", s.arm.CA)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 60 * time.Second}
}

// token logs the service principal in.
func (s *site) token(t *testing.T, c *http.Client) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.arm.ClientID}, "client_secret": {s.arm.secret},
		"scope": {"https://management.azure.com/.default"}}
	r, err := c.PostForm(s.arm.URL+"/"+s.arm.Tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("log in: status %d, %v", r.StatusCode, err)
	}
	return answer.AccessToken
}

// send makes a document's request against the site and waits for the operation to end.
func (s *site) send(t *testing.T, c *http.Client, r harness.Request) {
	t.Helper()
	uri := strings.Replace(r.URI, "https://management.azure.com", s.arm.URL, 1)
	token := s.token(t, c)
	call := func(method, uri, body string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, uri, bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, b
	}
	resp, body := call(r.Method, uri, r.Body)
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: status %d: %s", r.Method, uri, resp.StatusCode, body)
	}
	operation := resp.Header.Get("Azure-AsyncOperation")
	for deadline := time.Now().Add(60 * time.Second); operation != ""; {
		_, body := call(http.MethodGet, operation, "")
		var state struct{ Status string }
		if err := json.Unmarshal(body, &state); err != nil {
			t.Fatalf("operation: %v: %s", err, body)
		}
		switch {
		case state.Status == "Succeeded":
			return
		case state.Status != "InProgress":
			t.Fatalf("%s %s: operation %s: %s", r.Method, uri, state.Status, body)
		case time.Now().After(deadline):
			t.Fatalf("%s %s: operation still %s after a minute", r.Method, uri, state.Status)
		}
		waitTick(t)
	}
}

// waitTick lets a moment pass between two looks at something outside this process.
func waitTick(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-t.Context().Done():
		t.Fatal("the test ended")
	}
}

// seedText reads a document of ../shared, or skips the test where that folder is absent.
func seedText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "seeds", name))
	if os.IsNotExist(err) {
		t.Skip("the seed documents of ../shared/seeds are absent; TestOwnDocument runs the project's own")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// freePort gives a TCP port of localhost that nobody has now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
