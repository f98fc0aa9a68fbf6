package arm

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"linkspan/armtypes"
)

// maxTokenBody bounds a token request.
const maxTokenBody = 64 << 10

// anonymousPaths are all that answers without a token, by path in lower case; {tenant} stands for the tenant's GUID or
// one of tenantAliases. The Azure CLI takes an endpoint's login address for its own only when it ends in /adfs.
var anonymousPaths = map[string]struct {
	method string
	serve  func(*Server, *call) error
}{
	"/metadata/endpoints":                                  {http.MethodGet, (*Server).metadata},
	"/common/discovery/instance":                           {http.MethodGet, (*Server).discovery},
	"/{tenant}/.well-known/openid-configuration":           {http.MethodGet, (*Server).openID},
	"/{tenant}/v2.0/.well-known/openid-configuration":      {http.MethodGet, (*Server).openID},
	"/adfs/.well-known/openid-configuration":               {http.MethodGet, (*Server).openID},
	"/adfs/{tenant}/v2.0/.well-known/openid-configuration": {http.MethodGet, (*Server).openID},
	"/{tenant}/discovery/v2.0/keys":                        {http.MethodGet, (*Server).keySet},
	"/adfs/discovery/keys":                                 {http.MethodGet, (*Server).keySet},
	"/{tenant}/oauth2/v2.0/token":                          {http.MethodPost, (*Server).token},
	"/{tenant}/oauth2/token":                               {http.MethodPost, (*Server).token},
	"/adfs/oauth2/token":                                   {http.MethodPost, (*Server).token},
}

// anonymousKey is the key of anonymousPaths for a path, with the tenant's name put in its place. An unknown tenant is
// kept apart so that it can be told so.
func (s *Server) anonymousKey(path string) (key string, tenantKnown bool) {
	p := strings.ToLower(path)
	segments := strings.Split(strings.TrimPrefix(p, "/"), "/")
	at := 0
	if segments[0] == "adfs" {
		if at = 1; len(segments) > 1 && !guidForm.MatchString(segments[1]) {
			return p, true
		}
	}
	if at >= len(segments) || !(guidForm.MatchString(segments[at]) || segments[at] == "organizations" || segments[at] == "common") {
		return p, true
	}
	if p == "/common/discovery/instance" {
		return p, true
	}
	known := !guidForm.MatchString(segments[at]) || strings.EqualFold(segments[at], s.o.Tenant)
	segments[at] = "{tenant}"
	return "/" + strings.Join(segments, "/"), known
}

func (s *Server) metadata(c *call) error {
	base := s.baseURL()
	return c.json(http.StatusOK, map[string]any{
		"galleryEndpoint": base, "graphEndpoint": base + "/graph", "portalEndpoint": base,
		"authentication": map[string]any{"loginEndpoint": base + "/adfs", "audiences": []string{base + "/"}, "tenant": s.o.Tenant, "identityProvider": "AAD"},
	})
}

func (s *Server) discovery(c *call) error {
	return c.json(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.auth.issuer() + "/.well-known/openid-configuration", "api-version": "1.1", "metadata": []any{},
	})
}

func (s *Server) openID(c *call) error {
	t := s.baseURL() + "/" + s.o.Tenant
	return c.json(http.StatusOK, map[string]any{
		"issuer": s.auth.issuer(), "token_endpoint": t + "/oauth2/v2.0/token", "jwks_uri": t + "/discovery/v2.0/keys",
		"authorization_endpoint": t + "/oauth2/v2.0/authorize", "device_authorization_endpoint": t + "/oauth2/v2.0/devicecode",
		"grant_types_supported": []string{"client_credentials"}, "response_types_supported": []string{"token"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"id_token_signing_alg_values_supported": []string{algorithm}, "subject_types_supported": []string{"pairwise"}, "tenant_region_scope": "WW",
	})
}

func (s *Server) keySet(c *call) error {
	keys, err := s.auth.keys()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"keys": keys})
}

// token answers a client-credentials request (RFC 6749 4.4; the errors are Microsoft Entra's).
func (s *Server) token(c *call) error {
	if !s.auth.refused.mayAsk(c.r.RemoteAddr) {
		c.w.Header().Set("Retry-After", "1")
		return c.oauthError(http.StatusTooManyRequests, "temporarily_unavailable", "AADSTS50196", "Too many token requests are being refused at this moment. Try again later.")
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxTokenBody)
	if err := c.r.ParseForm(); err != nil {
		return c.oauthError(http.StatusBadRequest, "invalid_request", "AADSTS900144", "The request body could not be read as a form.")
	}
	f := c.r.PostForm
	if g := f.Get("grant_type"); g != "client_credentials" {
		return c.oauthError(http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003", "The grant type is not supported: log in as a service principal (grant_type=client_credentials).")
	}
	id, secret := f.Get("client_id"), f.Get("client_secret")
	if user, pass, ok := c.r.BasicAuth(); ok {
		id, secret = user, pass
	}
	if !s.auth.admits(id, secret) {
		s.o.Log.Warn("token request refused: wrong client or secret", "remote", c.r.RemoteAddr)
		done := s.auth.refused.waits(c.r.RemoteAddr)
		s.delay(c)
		done()
		return c.oauthError(http.StatusUnauthorized, "invalid_client", "AADSTS7000215", "Invalid client secret provided, or the application is not known here.")
	}
	aud := s.auth.audience(requestedResource(f.Get("scope"), f.Get("resource")))
	if aud == "" {
		return c.oauthError(http.StatusBadRequest, "invalid_resource", "AADSTS500011", "The resource principal is not known here: ask for the scope "+s.baseURL()+"/.default.")
	}
	t, err := s.auth.issue(id, aud)
	if err != nil {
		return err
	}
	return c.tokenAnswer(t, aud)
}

// tokenAnswer is the successful answer. The v1 endpoint prints its numbers as strings.
func (c *call) tokenAnswer(t, audience string) error {
	o := c.s.o
	life := int64(o.TokenLifetime / time.Second)
	answer := map[string]any{"token_type": "Bearer", "access_token": t, "expires_in": life, "ext_expires_in": life}
	if !strings.Contains(strings.ToLower(c.r.URL.Path), "/v2.0/") {
		n := o.Clock.Now().Unix()
		answer["expires_in"], answer["ext_expires_in"] = strconv.FormatInt(life, 10), strconv.FormatInt(life, 10)
		answer["expires_on"], answer["not_before"], answer["resource"] = strconv.FormatInt(n+life, 10), strconv.FormatInt(n, 10), audience
	}
	return c.json(http.StatusOK, answer)
}

// delay makes guessing slow.
func (s *Server) delay(c *call) {
	wait, stop := s.o.Clock.After(s.o.FailureDelay)
	defer stop()
	select {
	case <-wait:
	case <-c.r.Context().Done():
	case <-s.group.Context().Done():
	}
}

// requestedResource is what a token is asked for: v2's scope "RESOURCE/.default" or v1's resource.
func requestedResource(scope, resource string) string {
	for w := range strings.FieldsSeq(scope) {
		if r, ok := strings.CutSuffix(w, "/.default"); ok {
			return r
		}
	}
	return resource
}

// oauthError answers as the token endpoint does.
func (c *call) oauthError(status int, code, number, text string) error {
	n, _ := strconv.Atoi(strings.TrimPrefix(number, "AADSTS"))
	return c.json(status, map[string]any{
		"error": code, "error_description": number + ": " + text + " Trace ID: " + c.requestID, "error_codes": []int{n},
		"timestamp": c.s.o.Clock.Now().UTC().Format("2006-01-02 15:04:05Z"), "trace_id": c.requestID, "correlation_id": c.correlationID,
	})
}

// authenticate finds and verifies the bearer token.
func (s *Server) authenticate(c *call) error {
	h := c.r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(h, " ")
	var err error
	switch {
	case h == "":
		err = armtypes.Errorf(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	case !strings.EqualFold(scheme, "Bearer") || token == "" || len(c.r.Header.Values("Authorization")) > 1:
		err = armtypes.Errorf(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is provided in an invalid format.")
	default:
		if c.claims, err = s.auth.verify(strings.TrimSpace(token)); err != nil {
			s.o.Log.Warn("access token refused", "remote", c.r.RemoteAddr, "cause", err)
			err = armtypes.Errorf(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid, expired or not for this endpoint.")
		}
	}
	if err != nil {
		c.w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.baseURL()+"/"+s.o.Tenant+`", error="invalid_token", error_description="The access token is missing or not valid here."`)
	}
	return err
}
