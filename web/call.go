package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"linkspan/migrate"
)

// call is one request on its way.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	id    string
	path  map[string]string // by the names in the pattern
	token Token
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, ctx: r.Context(), id: newID()}
	defer func() {
		if v := recover(); v != nil {
			s.o.Log.Error("request ended in a panic", "request", c.id, "path", r.URL.Path, "cause", v)
			c.fail(problem(http.StatusInternalServerError, "internal", "look for the request in the service's log", "the service's log has the cause under request %s", c.id))
		}
	}()
	h := w.Header()
	h.Set("X-Request-Id", c.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := s.dispatch(c); err != nil {
		c.fail(err)
	}
}

// dispatch finds the route, admits the client, and serves. Strangers learn nothing but the routes' names.
func (s *Server) dispatch(c *call) error {
	rt, err := s.find(c)
	if err != nil {
		return err
	}
	if rt.role == Anyone {
		return rt.serve(c)
	}
	if err := s.admit(c, rt); err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		c.w.Header().Set("Retry-After", "1")
		return problem(http.StatusTooManyRequests, "busy", "send the request again in a second", "%d requests are served at this moment", maxInFlight)
	}
	ctx, cancel := context.WithTimeout(c.ctx, workTime)
	defer cancel()
	c.ctx = ctx
	if c.r.Method == http.MethodPost {
		return s.kept.serve(c, rt)
	}
	return rt.serve(c)
}

// find looks the route up and takes the path apart.
func (s *Server) find(c *call) (*route, error) {
	segments := strings.Split(strings.TrimPrefix(c.r.URL.EscapedPath(), "/"), "/")
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return nil, problem(http.StatusBadRequest, "bad-request", "escape the path as RFC 3986 says", "the path cannot be read")
		}
	}
	var allowed []string
	for i := range s.routes {
		rt := &s.routes[i]
		path, ok := match(strings.Split(rt.path[1:], "/"), segments)
		switch {
		case !ok:
		case rt.method != c.r.Method:
			allowed = append(allowed, rt.method)
		default:
			c.path = path
			return rt, nil
		}
	}
	if len(allowed) > 0 {
		c.w.Header().Set("Allow", strings.Join(slices.Compact(allowed), ", "))
		return nil, problem(http.StatusMethodNotAllowed, "not-allowed", "use "+strings.Join(allowed, " or "), "%s is not served here", c.r.Method)
	}
	return nil, problem(http.StatusNotFound, "not-found", "GET /v1/openapi.json lists what is served", "nothing is served at this path")
}

func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	path := map[string]string{}
	for i, p := range pattern {
		if strings.HasPrefix(p, "{") && segments[i] != "" {
			path[p[1:len(p)-1]] = segments[i]
		} else if p != segments[i] {
			return nil, false
		}
	}
	return path, true
}

// admit finds the bearer of the token, and asks for the route's role.
func (s *Server) admit(c *call, rt *route) error {
	if rt.open != nil && rt.open(c) {
		return nil
	}
	scheme, secret, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(c.r.Header.Values("Authorization")) > 1 {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="linkspan"`)
		return problem(http.StatusUnauthorized, "unauthorized", "send the header Authorization: Bearer TOKEN", "the request has no bearer token")
	}
	t, err := s.o.Tokens.find(strings.TrimSpace(secret))
	if err != nil {
		s.o.Log.Warn("token refused", "request", c.id, "remote", c.r.RemoteAddr, "cause", err)
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="linkspan", error="invalid_token"`)
		return problem(http.StatusUnauthorized, "unauthorized", "have a token made with \"linkspan serve token\"", "the token is not valid here, or has expired")
	}
	c.token = t
	if !t.Role.allows(rt.role) {
		s.o.Log.Warn("role refused", "request", c.id, "remote", c.r.RemoteAddr, "token", t.Name, "path", c.r.URL.Path)
		return problem(http.StatusForbidden, "forbidden", "use a token of an operator", "the token %s has the role %s; this needs %s", t.Name, t.Role, rt.role)
	}
	return nil
}

// who is the client, for the audit.
func (c *call) who() migrate.Who {
	from, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		from = c.r.RemoteAddr
	}
	return migrate.Who{Name: c.token.Name, From: from}
}

// body reads the body.
func (c *call) body() ([]byte, error) {
	data, err := io.ReadAll(c.r.Body)
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return nil, problem(http.StatusRequestEntityTooLarge, "too-large", "send less", "the body is larger than %d bytes", tooBig.Limit)
	}
	if err != nil {
		return nil, problem(http.StatusBadRequest, "bad-request", "send the request again", "the body did not come whole")
	}
	return data, nil
}

// media is the request's content type.
func (c *call) media() string {
	m, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return m
}

// decode reads a JSON body into v; an empty body leaves it as it is. Unknown members are refused: a misspelt one would be
// a wish that silently is not followed.
func (c *call) decode(v any) error {
	data, err := c.body()
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return err
	}
	if m := c.media(); m != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "unsupported-media", "send Content-Type: application/json", "the content type is %q", m)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(v); err == nil && d.More() {
		err = errors.New("there is more behind the document")
	}
	if err != nil {
		return problem(http.StatusBadRequest, "bad-request", "GET /v1/openapi.json says what the body may hold", "the body is not what is expected: %s", strings.ReplaceAll(err.Error(), "web.", ""))
	}
	return nil
}

// json answers with a document. A GET is answered with its ETag, and with 304 when the client has it.
func (c *call) json(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("answer %s: %w", c.r.URL.Path, err)
	}
	h := c.w.Header()
	if c.r.Method == http.MethodGet {
		sum := sha256.Sum256(data)
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		h.Set("ETag", tag)
		if c.r.Header.Get("If-None-Match") == tag {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(data) // a client that went away needs no answer
	return nil
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
