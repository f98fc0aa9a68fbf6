package arm_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"linkspan/arm"
)

// Whatever a stranger sends: no panic, an answer in JSON (or none), and nothing but what is public.
func FuzzStranger(f *testing.F) {
	id, err := arm.OpenIdentity(memStore{}, []string{"localhost"}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	back := &fake{}
	s, err := arm.New(arm.Options{
		BaseURL: "https://localhost:1", Subscription: subscription, Tenant: tenant, Identity: id, FailureDelay: time.Nanosecond,
		Clients: []arm.Client{{ID: clientID, Secret: secret}},
		Instances: []arm.Instance{{Name: "sqlmi1", ResourceGroup: "rg1", Location: "local",
			Describe:          func(context.Context) (arm.InstanceInfo, error) { return arm.InstanceInfo{}, nil },
			TrustCertificates: back, EndpointCertificates: back, Links: back, Databases: back}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Add("GET", "/metadata/endpoints", "", "", "")
	f.Add("PUT", instancePath+"/distributedAvailabilityGroups/d", "api-version=2021-05-01-preview", "Bearer a.b.c", oldBody("x"))
	f.Add("POST", "/"+tenant+"/oauth2/v2.0/token", "", "Basic YTpi", "grant_type=client_credentials&client_id=x&client_secret=y&scope=z")
	f.Add("GET", "/adfs/%2e%2e/subscriptions", "api-version=%zz", "Bearer eyJhbGciOiJub25lIn0.e30.", "")
	f.Fuzz(func(t *testing.T, method, path, query, authorization, body string) {
		if len(path)+len(query)+len(authorization)+len(body) > 1<<16 {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 400 && method != http.MethodGet && !strings.HasSuffix(strings.ToLower(path), "/token") {
			t.Fatalf("%s %q by a stranger: %d", method, path, w.Code)
		}
		if strings.Contains(w.Body.String(), "managedInstances") || strings.Contains(w.Body.String(), "access_token") {
			t.Fatalf("%s %q shows a stranger %s", method, path, w.Body)
		}
	})
}
