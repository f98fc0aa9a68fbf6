package arm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"linkspan/arm"
)

// signingKey is the server's own, from its store: a token made with it is wrong only in what a test makes wrong.
func (w *world) signingKey() *ecdsa.PrivateKey {
	w.t.Helper()
	b, _ := pem.Decode(w.store["token-key.pem"])
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return k.(*ecdsa.PrivateKey)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *arm.Options) { o.Audiences = []string{"https://management.azure.com/"} })
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	good := jwt.MapClaims{
		"iss": w.base + "/" + tenant + "/v2.0", "aud": w.base, "tid": tenant, "appid": clientID, "scp": "resource.manage",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	with := func(k string, v any) jwt.MapClaims {
		c := maps.Clone(good)
		if c[k] = v; v == nil {
			delete(c, k)
		}
		return c
	}
	es256 := func(c jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(jwt.SigningMethodES256, c).SignedString(w.signingKey())
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	sign := func(m jwt.SigningMethod, key any) string {
		s, err := jwt.NewWithClaims(m, good).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	public, err := x509.MarshalPKIXPublicKey(w.signingKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	whole := es256(good)
	for _, c := range []struct {
		name, authorization string
		status              int
	}{
		{"good", whole, 200},
		{"scheme in another case", "bearer" + whole[6:], 200},
		{"a configured audience", es256(with("aud", "https://management.azure.com")), 200},
		{"missing", "", 401},
		{"another scheme", "Basic YTpi", 401},
		{"empty", "Bearer ", 401},
		{"no token at all", "Bearer nonsense", 401},
		{"algorithm none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), 401},
		{"public key as an HMAC secret", sign(jwt.SigningMethodHS256, public), 401},
		{"another key", sign(jwt.SigningMethodES256, other), 401},
		{"signature cut off", whole[:strings.LastIndexByte(whole, '.')+1], 401},
		{"another issuer", es256(with("iss", "https://sts.windows.net/"+tenant+"/")), 401},
		{"another tenant", es256(with("tid", subscription)), 401},
		{"another audience", es256(with("aud", "https://vault.azure.net")), 401},
		{"two audiences", es256(with("aud", []string{w.base, "https://vault.azure.net"})), 401},
		{"no audience", es256(with("aud", nil)), 401},
		{"expired", es256(with("exp", now.Add(-time.Minute).Unix())), 401},
		{"without end", es256(with("exp", nil)), 401},
		{"not yet valid", es256(with("nbf", now.Add(time.Hour).Unix())), 401},
		{"another scope", es256(with("scp", "resource.read")), 401},
		{"a client that is no more", es256(with("appid", tenant)), 401},
	} {
		h := map[string]string{}
		if c.authorization != "" {
			h["Authorization"] = c.authorization
		}
		for _, path := range []string{"/subscriptions?api-version=2020-01-01", instancePath + "/distributedAvailabilityGroups?api-version=2020-01-01", "/no/such/path"} {
			a := w.send("GET", path, "", h)
			if c.status == 401 && (a.status != 401 || a.header.Get("WWW-Authenticate") == "" || a.code() == "") {
				t.Errorf("%s: %s answers %d %s", c.name, path, a.status, a.raw)
			}
			if c.status == 200 && a.status == 401 {
				t.Errorf("%s: %s refuses: %s", c.name, path, a.raw)
			}
		}
	}
}

// A token of this server dies by the clock.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	tok := w.token()
	get := func() int {
		return w.send("GET", "/subscriptions?api-version=2020-01-01", "", map[string]string{"Authorization": "Bearer " + tok}).status
	}
	if s := get(); s != 200 {
		t.Fatal("fresh token:", s)
	}
	w.clock.Advance(time.Hour + time.Minute)
	if s := get(); s != 401 {
		t.Error("an hour later:", s)
	}
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	form := func(change map[string]string) url.Values {
		f := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {w.base + "//.default openid"}}
		for k, v := range change {
			if f.Del(k); v != "" {
				f.Set(k, v)
			}
		}
		return f
	}
	for _, c := range []struct {
		name, path string
		form       url.Values
		status     int
		err        string
	}{
		{"v2", "/" + tenant + "/oauth2/v2.0/token", form(nil), 200, ""},
		{"v1", "/" + tenant + "/oauth2/token", form(map[string]string{"scope": "", "resource": w.base + "/"}), 200, ""},
		{"adfs", "/adfs/oauth2/token", form(nil), 200, ""},
		{"any tenant's name for ours", "/organizations/oauth2/v2.0/token", form(nil), 200, ""},
		{"another tenant", "/" + subscription + "/oauth2/v2.0/token", form(nil), 400, "invalid_request"},
		{"another grant", "/" + tenant + "/oauth2/v2.0/token", form(map[string]string{"grant_type": "password"}), 400, "unsupported_grant_type"},
		{"another resource", "/" + tenant + "/oauth2/v2.0/token", form(map[string]string{"scope": "https://vault.azure.net/.default"}), 400, "invalid_resource"},
		{"no resource", "/" + tenant + "/oauth2/v2.0/token", form(map[string]string{"scope": ""}), 400, "invalid_resource"},
	} {
		a := w.post(c.path, c.form)
		if s, _ := a.body["error"].(string); a.status != c.status || s != c.err {
			t.Errorf("%s: %d %s", c.name, a.status, a.raw)
		}
	}
	if a := w.send("GET", "/"+tenant+"/oauth2/v2.0/token", "", nil); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
}

// A wrong secret and an unknown client get the same answer, after the same wait.
func TestWrongSecretWaits(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *arm.Options) { o.FailureDelay = time.Minute })
	answers := make(chan answer, 2)
	for _, c := range [][2]string{{clientID, secret + "x"}, {tenant, secret}} {
		go func() {
			answers <- w.post("/"+tenant+"/oauth2/v2.0/token", url.Values{
				"grant_type": {"client_credentials"}, "client_id": {c[0]}, "client_secret": {c[1]}, "scope": {w.base + "/.default"},
			})
		}()
	}
	w.token() // a right secret does not wait for the wrong ones
	select {
	case a := <-answers:
		t.Fatalf("answered at once: %d %s", a.status, a.raw)
	default:
	}
	var texts []string
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(texts) < 2 {
		select {
		case a := <-answers:
			if a.status != 401 || a.body["error"] != "invalid_client" {
				t.Errorf("%d %s", a.status, a.raw)
			}
			s, _ := a.body["error_description"].(string)
			texts = append(texts, s[:strings.Index(s, "Trace")])
		case <-tick.C:
			w.clock.Advance(time.Minute)
		}
	}
	if texts[0] != texts[1] {
		t.Errorf("the answers tell which it was:\n%s\n%s", texts[0], texts[1])
	}
}

// Wrong secrets in numbers are turned away unread, and the endpoint recovers.
func TestManyWrongSecrets(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *arm.Options) { o.FailureDelay = time.Hour })
	wrong := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {"wrong"}}
	const n = 40
	answers := make(chan answer, n)
	for range n {
		go func() { answers <- w.post("/"+tenant+"/oauth2/v2.0/token", wrong) }()
	}
	if a := <-answers; a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("want 429, got %d %s", a.status, a.raw)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for got := 1; got < n; {
		select {
		case <-answers:
			got++
		case <-tick.C:
			w.clock.Advance(time.Hour)
		}
	}
	w.token()
}

// Exactly these paths answer without a token.
func TestAnonymousPaths(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, p := range []string{
		"/metadata/endpoints?api-version=2015-01-01", "/Metadata/Endpoints", "/common/discovery/instance", "/adfs/.well-known/openid-configuration",
		"/" + tenant + "/v2.0/.well-known/openid-configuration", "/" + tenant + "/discovery/v2.0/keys",
	} {
		a := w.send("GET", p, "", nil)
		if a.status != 200 {
			t.Errorf("%s: %d %s", p, a.status, a.raw)
		}
		if strings.Contains(a.raw, `"d"`) || strings.Contains(a.raw, secret) {
			t.Errorf("%s shows a secret: %s", p, a.raw)
		}
	}
	for _, p := range []string{"/", "/metadata", "/metadata/endpoints/x", "/adfs", "/subscriptions", "/adfs/../subscriptions", "/" + tenant, "/.well-known/openid-configuration", "/metrics", "/debug/pprof/"} {
		if a := w.send("GET", p, "", nil); a.status != 401 {
			t.Errorf("%s: %d %s", p, a.status, a.raw)
		}
	}
}
