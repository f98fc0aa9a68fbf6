package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
	"linkspan/web"
)

const spec = `name: move shop
source: {server: 10.0.0.4, user: sa, passwordFile: secrets/sa}
share: {path: \\files.example.com\backups, user: anna}
storage: {container: "https://acct.blob.core.windows.net/migration"}
target: {instance: /subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/mi}
databases: [{name: shop}]
`

func specBody(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(web.SpecBody{Spec: text})
	must(t, err)
	return string(data)
}

const activity = "/v1/activities/move%20sales"

// every is each route with a request that it serves.
func every(t *testing.T) []struct {
	method, path, body string
	role               web.Role
	status             int
} {
	return []struct {
		method, path, body string
		role               web.Role
		status             int
	}{
		{"GET", "/healthz", "", web.Anyone, 200},
		{"GET", "/v1/openapi.json", "", web.Anyone, 200},
		{"GET", "/v1/activities", "", web.Viewer, 200},
		{"POST", "/v1/activities", specBody(t, spec), web.Operator, 201},
		{"POST", "/v1/plan", specBody(t, spec), web.Operator, 200},
		{"GET", activity, "", web.Viewer, 200},
		{"GET", activity + "/timeline", "", web.Viewer, 200},
		{"POST", activity + "/cutover", "{}", web.Operator, 202},
		{"POST", activity + "/confirm", "", web.Operator, 202},
		{"POST", activity + "/giveup", "", web.Operator, 202},
		{"POST", activity + "/cancel", "", web.Operator, 202},
		{"POST", activity + "/retry", "", web.Operator, 202},
		{"POST", activity + "/accept-no-checksum", "", web.Operator, 202},
		{"GET", "/v1/audit", "", web.Viewer, 200},
		{"GET", "/metrics", "", web.Viewer, 200},
	}
}

// Who may do what: no token, a wrong one, one that expired, a viewer, an operator; on every route of the document.
func TestRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var doc struct{ Paths map[string]map[string]any }
	must(t, json.Unmarshal([]byte(r.call("GET", "/v1/openapi.json", "", "").body), &doc))
	described := 0
	for _, p := range doc.Paths {
		described += len(p)
	}
	if all := every(t); described != len(all) {
		t.Errorf("the document has %d operations, this test %d", described, len(all))
	}
	for _, x := range every(t) {
		for who, token := range map[string]string{"nobody": "", "wrong": web.NewSecret(), "expired": r.expired, "viewer": r.viewer, "operator": r.operator} {
			want := x.status
			switch {
			case x.role == web.Anyone || who == "operator" || who == "viewer" && x.role == web.Viewer:
			case who == "viewer":
				want = http.StatusForbidden
			default:
				want = http.StatusUnauthorized
			}
			a := r.call(x.method, x.path, token, x.body)
			if x.path == "/v1/activities" && a.status == 200 && want == 201 {
				want = 200 // it was started before
			}
			if a.status != want {
				t.Errorf("%s %s by %s: %d %s", x.method, x.path, who, a.status, a.body)
			}
			if want == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s by %s: no WWW-Authenticate", x.method, x.path, who)
			}
			if want >= 400 {
				a.problem(t)
			}
			if token != "" && strings.Contains(a.body, token) || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s by %s: %+v", x.method, x.path, who, a)
			}
		}
	}
}

// What is asked comes to the service as it was meant, with the token's name and the client's address.
func TestAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, x := range []struct{ path, body, want string }{
		{"/cutover", `{"databases":["sales"],"apply":true,"userTail":false,"maxPause":"90s"}`, "cutover move sales [sales] apply=true userTail=false maxPause=1m30s by anna"},
		{"/cutover", ``, "cutover move sales [] apply=false userTail=- maxPause=0s by anna"},
		{"/confirm", `{"lastFile":"tail.trn"}`, `confirm move sales [] "tail.trn" by anna`},
		{"/giveup", `{"databases":["sales"]}`, "giveup move sales [sales] by anna"},
		{"/cancel", `{"databases":["sales","stock"]}`, "cancel move sales [sales stock] by anna"},
		{"/retry", `{}`, "retry move sales [] by anna"},
		{"/accept-no-checksum", `{"databases":["sales"]}`, "accept move sales [sales] by anna"},
	} {
		a := r.call("POST", activity+x.path, r.operator, x.body)
		if said := r.service.said(); a.status != http.StatusAccepted || said != x.want {
			t.Errorf("%s: %d, asked %s", x.path, a.status, said)
		}
		var st ledger.Status
		if err := json.Unmarshal([]byte(a.body), &st); err != nil || st.Activity != "move sales" {
			t.Errorf("%s: %v %s", x.path, err, a.body)
		}
	}
	a := r.call("POST", "/v1/activities", r.operator, spec, "Content-Type", "application/yaml")
	if said := r.service.said(); a.status != 201 || a.header.Get("Location") != "/v1/activities/move%20shop" || said != "start by anna from 127.0.0.1" {
		t.Errorf("start: %+v, asked %s", a, said)
	}
	if a := r.call("POST", "/v1/activities", r.operator, specBody(t, spec)); a.status != 200 {
		t.Errorf("start again: %+v", a)
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.call("GET", activity+"?files=true&database=SALES", r.viewer, "")
	if !strings.Contains(a.body, "a.trn") || strings.Contains(a.body, "stock") {
		t.Errorf("one database: %+v", a)
	}
	a = r.call("GET", activity, r.viewer, "")
	if tag := a.header.Get("ETag"); tag == "" || r.call("GET", activity, r.viewer, "", "If-None-Match", tag).status != http.StatusNotModified {
		t.Errorf("ETag %s", tag)
	}
	r.service.said()
	a = r.call("GET", activity+"/timeline?after=7&database=sales&limit=3", r.viewer, "")
	if said := r.service.said(); said != "timeline move sales sales 7 3" || !strings.Contains(a.body, `"number":8`) {
		t.Errorf("timeline: %+v, asked %s", a, said)
	}
	if a = r.call("GET", "/v1/audit?after=5", r.viewer, ""); a.body != `{"entries":[]}` || r.service.said() != "audit 5 500" {
		t.Errorf("audit: %+v", a)
	}
	r.service.known = nil
	if a = r.call("GET", "/v1/activities", r.viewer, ""); a.body != `{"activities":[]}` {
		t.Errorf("list: %+v", a)
	}
}

// What clients do wrong, and what they are told.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	huge := `{"spec":"` + strings.Repeat("x", 2<<20) + `"}`
	for name, x := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		kind               string
	}{
		"huge body":           {"POST", "/v1/activities", huge, nil, 413, "too-large"},
		"no JSON":             {"POST", activity + "/cutover", "{", nil, 400, "bad-request"},
		"wrong type":          {"POST", activity + "/cutover", `{"apply":"yes"}`, nil, 400, "bad-request"},
		"unknown member":      {"POST", activity + "/cutover", `{"aply":true}`, nil, 400, "bad-request"},
		"two documents":       {"POST", activity + "/cutover", `{} {}`, nil, 400, "bad-request"},
		"a list":              {"POST", activity + "/cancel", `["sales"]`, nil, 400, "bad-request"},
		"wrong media":         {"POST", activity + "/cutover", `{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported-media"},
		"bad pause":           {"POST", activity + "/cutover", `{"maxPause":"soon"}`, nil, 400, "bad-request"},
		"negative pause":      {"POST", activity + "/cutover", `{"maxPause":"-5s"}`, nil, 400, "bad-request"},
		"unknown activity":    {"GET", "/v1/activities/nobody", "", nil, 404, "not-found"},
		"unknown database":    {"GET", activity + "?database=x", "", nil, 404, "not-found"},
		"unknown path":        {"GET", "/v2/activities", "", nil, 404, "not-found"},
		"slash at the end":    {"GET", "/v1/activities/", "", nil, 404, "not-found"},
		"a way out":           {"GET", "/v1/activities/..%2f..%2fetc", "", nil, 404, "not-found"},
		"wrong method":        {"DELETE", activity, "", nil, 405, "not-allowed"},
		"unknown parameter":   {"GET", activity + "?file=true", "", nil, 400, "bad-request"},
		"no number":           {"GET", "/v1/audit?after=x", "", nil, 400, "bad-request"},
		"limit too large":     {"GET", "/v1/audit?limit=5001", "", nil, 400, "bad-request"},
		"limit 0":             {"GET", activity + "/timeline?limit=0", "", nil, 400, "bad-request"},
		"empty spec":          {"POST", "/v1/plan", `{"spec":""}`, nil, 422, "spec-wrong"},
		"wrong spec":          {"POST", "/v1/plan", specBody(t, "name: a\nsorce: {}\n"), nil, 422, "spec-wrong"},
		"key too long":        {"POST", activity + "/cancel", `{}`, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "bad-request"},
		"binary spec":         {"POST", "/v1/plan", "\x00\xff\xfe", []string{"Content-Type", "application/yaml"}, 422, "spec-wrong"},
		"password elsewhere":  {"POST", "/v1/plan", specBody(t, strings.ReplaceAll(spec, "secrets/sa", "/etc/shadow")), nil, 422, "spec-wrong"},
		"a step up":           {"POST", "/v1/activities", specBody(t, strings.ReplaceAll(spec, "secrets/sa", "secrets/../../x")), nil, 422, "spec-wrong"},
		"another local share": {"POST", "/v1/plan", specBody(t, strings.ReplaceAll(spec, `\\files.example.com\backups`, "/srv/backups")), nil, 422, "spec-wrong"},
	} {
		a := r.call(x.method, x.path, r.operator, x.body, x.headers...)
		if p := a.problem(t); a.status != x.status || p.Type != "urn:linkspan:problem:"+x.kind || p.Next == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if said := r.service.said(); said != "" {
		t.Errorf("the service was asked: %s", said)
	}
	a := r.call("GET", "/v1/activities", r.operator, "", "Authorization", "Basic YTpi")
	if a.status != http.StatusUnauthorized {
		t.Errorf("basic: %+v", a)
	}
}

// Every way in which the service refuses has its own problem, with what the client needs to act; faults of ours say nothing.
func TestProblems(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, x := range []struct {
		err    error
		status int
		kind   string
		want   string
	}{
		{&migrate.Refusals{Asked: "Cutover", Refused: []migrate.Refused{{Database: "sales", Lacks: "no full backup"}}}, 409, "refused", `"lacks":"no full backup"`},
		{&migrate.BlockedError{Plan: migrate.Plan{Findings: []migrate.Finding{{ID: "sysadmin", Text: "not sysadmin", Blocks: true}}}}, 409, "plan-blocked", `"id":"sysadmin"`},
		{&migrate.DifferentError{Activity: "a", Lines: []string{"- x", "+ y"}}, 409, "spec-differs", `"lines":["- x","+ y"]`},
		{&migrate.UnknownError{What: "database", Name: "x"}, 404, "not-found", "there is no database x"},
		{&flow.Hindrance{At: flow.AtShare, What: "the share does not answer", Fix: "look at the network", Err: errors.New("dial 10.0.0.9")}, 503, "hindrance", "look at the network"},
		{errors.New("open /secret/path: disk full"), 500, "internal", "the service's log has the cause"},
	} {
		r.service.err = x.err
		a := r.call("POST", activity+"/cutover", r.operator, "{}")
		if p := a.problem(t); a.status != x.status || p.Type != "urn:linkspan:problem:"+x.kind || !strings.Contains(a.body, x.want) || strings.Contains(a.body, "/secret/path") {
			t.Errorf("%v: %d %s", x.err, a.status, a.body)
		}
	}
}

// A link in a folder that may be used leads nowhere else.
func TestFoldersFollowLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	must(t, os.MkdirAll(filepath.Join(r.dir, "secrets"), 0o700))
	must(t, os.WriteFile(filepath.Join(r.dir, "outside"), []byte("x"), 0o600))
	must(t, os.Symlink(filepath.Join(r.dir, "outside"), filepath.Join(r.dir, "secrets", "sa")))
	a := r.call("POST", "/v1/plan", r.operator, specBody(t, spec))
	if p := a.problem(t); a.status != 422 || len(p.Problems) != 1 || p.Problems[0].At != "source.passwordFile" {
		t.Errorf("%+v", a)
	}
}

// A request that is sent again with its key is served once; another request with that key is refused.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k1")
	again := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k1")
	if first.status != 202 || again.status != 202 || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%+v, then %+v", first, again)
	}
	if said := r.service.said(); strings.Count(said, "cutover") != 1 {
		t.Errorf("asked %s", said)
	}
	if a := r.call("POST", activity+"/cutover", r.operator, `{"apply":true}`, "Idempotency-Key", "k1"); a.status != 422 || !strings.HasSuffix(a.problem(t).Type, "key-used") {
		t.Errorf("another body: %+v", a)
	}
	r.service.err = errors.New("the disk is full")
	if a := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k2"); a.status != 500 {
		t.Errorf("fault: %+v", a)
	}
	r.service.err = nil
	if a := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k2"); a.status != 202 {
		t.Errorf("after a fault: %+v", a)
	}
	r.clock.Advance(25 * time.Hour)
	r.writeTokens([]web.Token{{Name: "anna", Role: web.Operator, Hash: web.HashSecret(r.operator)}})
	r.service.said()
	if a := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k1"); a.status != 202 || r.service.said() == "" {
		t.Errorf("a day later: %+v", a)
	}
}

// While a request is served, the same one is told to wait; when the service closes, it ends.
func TestRequestsInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.service.hold, r.service.begun = make(chan struct{}), make(chan struct{}, 2)
	done := make(chan answer, 1)
	go func() { done <- r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k") }()
	<-r.service.begun
	if a := r.call("POST", activity+"/cutover", r.operator, "{}", "Idempotency-Key", "k"); a.status != 409 || !strings.HasSuffix(a.problem(t).Type, "in-progress") {
		t.Errorf("%+v", a)
	}
	close(r.service.hold)
	if a := <-done; a.status != 202 {
		t.Errorf("%+v", a)
	}
}

// Tokens are read again when their file changes; a file that others can read, or that is broken, admits nobody.
func TestTokensFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	status := func(token string) int {
		r.clock.Advance(2 * time.Second)
		return r.call("GET", "/v1/activities", token, "").status
	}
	if got := status(r.viewer); got != 200 {
		t.Fatalf("viewer: %d", got)
	}
	r.writeTokens([]web.Token{{Name: "anna", Role: web.Operator, Hash: web.HashSecret(r.operator)}})
	if got := status(r.viewer); got != 401 {
		t.Errorf("a token that was taken out: %d", got)
	}
	if got := status(r.operator); got != 200 {
		t.Errorf("one that stayed: %d", got)
	}
	must(t, os.Chmod(r.tokens, 0o644))
	if got := status(r.operator); got != 401 {
		t.Errorf("others can read the file: %d", got)
	}
	must(t, os.Chmod(r.tokens, 0o600))
	if got := status(r.operator); got != 200 {
		t.Errorf("mended: %d", got)
	}
	must(t, os.WriteFile(r.tokens, []byte("{"), 0o600))
	if got := status(r.operator); got != 401 {
		t.Errorf("broken file: %d", got)
	}
	must(t, os.Remove(r.tokens))
	if got := status(r.operator); got != 401 {
		t.Errorf("no file: %d", got)
	}
}

func TestParseTokens(t *testing.T) {
	t.Parallel()
	hash := web.HashSecret("x")
	for name, text := range map[string]string{
		"no JSON": "tokens:", "unknown member": `{"tokens":[],"x":1}`, "no role": `{"tokens":[{"name":"a","hash":"` + hash + `"}]}`,
		"no hash": `{"tokens":[{"name":"a","role":"viewer","hash":"secret"}]}`, "bad name": `{"tokens":[{"name":"a b","role":"viewer","hash":"` + hash + `"}]}`,
		"twice": `{"tokens":[{"name":"a","role":"viewer","hash":"` + hash + `"},{"name":"A","role":"viewer","hash":"` + hash + `"}]}`,
	} {
		if _, err := web.ParseTokens([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte(`{"tokens":[{"name":"a","role":"viewer","hash":"sha256:00"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := web.ParseTokens(data)
		if err != nil {
			return
		}
		if _, err := web.FormatTokens(all); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}

// The metrics are what the status says; without a token only this machine sees them, and only where that is allowed.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *web.Options) { o.OpenMetrics = true })
	r.clock.Advance(time.Minute)
	a := r.call("GET", "/metrics", "", "")
	if a.status != 200 {
		t.Fatalf("%+v", a)
	}
	for _, want := range []string{
		`linkspan_migration_running{activity="move sales"} 1`,
		`linkspan_migration_databases{activity="move sales",state="LOG_FILES_UPLOADING"} 1`,
		`linkspan_migration_databases{activity="move sales",state="FAILED"} 0`,
		`linkspan_migration_pending_changes{activity="move sales",database="sales"} 2`,
		`linkspan_migration_copied_bytes{activity="move sales",database="sales"} 700`,
		`linkspan_migration_restored_age_seconds{activity="move sales",database="sales"} 60`,
		`linkspan_migration_troubles{activity="move sales",database="sales"} 1`,
		`linkspan_migration_pause_seconds{activity="move sales",database="stock"} 2.5`,
		`linkspan_migration_logins{activity="move sales",state="Completed"} 1`,
	} {
		if !strings.Contains(a.body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(a.body, `restored_age_seconds{activity="move sales",database="stock"}`) {
		t.Error("a database that is done has an age")
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	must(t, err)
	for _, f := range web.Families() {
		if !bytes.Contains(page, []byte("| `"+f.Name+"` | gauge | "+strings.Join(f.Labels, ", ")+" | "+f.Help+" |")) {
			t.Errorf("docs/metrics.md lacks %s: %s", f.Name, f.Help)
		}
	}
}
