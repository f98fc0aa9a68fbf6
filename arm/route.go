package arm

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/sqlerr"
)

// call is one request on its way.
type call struct {
	s *Server
	w http.ResponseWriter
	r *http.Request
	// version is the api-version asked for, path the segments of the path that the pattern's {names} stand for.
	version armtypes.Version
	path    map[string]string
	claims  *claims

	requestID, correlationID string
}

// route is one operation of the API. pattern has segments in lower case and {names}.
type route struct {
	method  string
	pattern []string
	serve   func(*call) error
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, requestID: newID(), correlationID: newID()}
	if id := r.Header.Get("x-ms-correlation-request-id"); guidForm.MatchString(id) {
		c.correlationID = id
	}
	h := w.Header()
	h.Set("x-ms-request-id", c.requestID)
	h.Set("x-ms-correlation-request-id", c.correlationID)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := s.dispatch(c); err != nil {
		c.fail(err)
	}
}

func (s *Server) dispatch(c *call) error {
	if key, known := s.anonymousKey(c.r.URL.Path); anonymousPaths[key].serve != nil {
		if !known {
			return c.oauthError(http.StatusBadRequest, "invalid_request", "AADSTS90002", "The tenant is not known here.")
		}
		if c.r.Method != anonymousPaths[key].method {
			c.w.Header().Set("Allow", anonymousPaths[key].method)
			return armtypes.Errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method %s is not allowed here.", c.r.Method)
		}
		return s.serveStranger(c, anonymousPaths[key].serve)
	}
	if err := s.authenticate(c); err != nil {
		return err
	}
	// Only now: strangers take no room from those who are known.
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return c.busy()
	}
	if err := c.readVersion(); err != nil {
		return err
	}
	return s.find(c)
}

// busy refuses a request because too many are served.
func (c *call) busy() error {
	c.w.Header().Set("Retry-After", "1")
	return armtypes.Errorf(http.StatusTooManyRequests, "TooManyRequests", "The endpoint serves too many requests already. Try again later.")
}

// serveStranger answers who has no token, in bounds: so many at a time from one address and altogether, and a body that
// does not come in time is not waited for.
func (s *Server) serveStranger(c *call, serve func(*Server, *call) error) error {
	leave, ok := s.strangers.enter(c.r.RemoteAddr)
	if !ok {
		return c.busy()
	}
	defer leave()
	// The connection's next request gets its own deadline from the server.
	_ = http.NewResponseController(c.w).SetReadDeadline(clock.Machine.Now().Add(strangerTime)) // errs only without a connection
	return serve(s, c)
}

// readVersion takes the api-version from the query; its name is matched in any case.
func (c *call) readVersion() error {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidQuery", "The query of the address cannot be read.")
	}
	var given []string
	for k, v := range q {
		if strings.EqualFold(k, "api-version") {
			given = append(given, v...)
		}
	}
	if len(given) == 0 || given[0] == "" {
		return armtypes.Errorf(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	v, err := armtypes.ParseVersion(given[0])
	if err != nil || len(given) > 1 {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '%.60s' is invalid: it must be one date, YYYY-MM-DD or YYYY-MM-DD-preview.", given[0])
	}
	c.version = v
	return nil
}

// find routes a call. Words of the path are matched in any case; what stands for a {name} keeps its own.
func (s *Server) find(c *call) error {
	raw := strings.Split(strings.Trim(c.r.URL.EscapedPath(), "/"), "/")
	segments := make([]string, len(raw))
	for i, r := range raw {
		var err error
		if segments[i], err = url.PathUnescape(r); err != nil {
			return armtypes.Errorf(http.StatusBadRequest, "InvalidPath", "The path of the address cannot be read.")
		}
	}
	var allowed []string
	for _, rt := range s.routes {
		path, ok := match(rt.pattern, segments)
		if !ok {
			continue
		}
		if rt.method != c.r.Method {
			allowed = append(allowed, rt.method)
			continue
		}
		c.path = path
		if err := c.checkSubscription(); err != nil {
			return err
		}
		return rt.serve(c)
	}
	if len(allowed) > 0 {
		c.w.Header().Set("Allow", strings.Join(slices.Compact(allowed), ", "))
		return armtypes.Errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method %s is not allowed for '%s'.", c.r.Method, c.r.URL.Path)
	}
	return armtypes.Errorf(http.StatusNotFound, "ResourceNotFound", "There is nothing at '%s'; docs/parity.md lists what this endpoint serves.", c.r.URL.Path)
}

func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	var path map[string]string
	for i, p := range pattern {
		if strings.HasPrefix(p, "{") {
			if path == nil {
				path = make(map[string]string, 4)
			}
			path[p[1:len(p)-1]] = segments[i]
		} else if !strings.EqualFold(p, segments[i]) {
			return nil, false
		}
	}
	return path, true
}

func (c *call) checkSubscription() error {
	if sub, ok := c.path["sub"]; ok && !strings.EqualFold(sub, c.s.o.Subscription) {
		return armtypes.Errorf(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", sub)
	}
	return nil
}

// body reads the JSON body into v.
func (c *call) body(v any) error {
	if ct := c.r.Header.Get("Content-Type"); ct != "" {
		if m, _, err := mime.ParseMediaType(ct); err != nil || m != "application/json" && !strings.HasSuffix(m, "+json") {
			return armtypes.Errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content media type '%.60s' is not supported. Only 'application/json' is supported.", ct)
		}
	}
	data, err := io.ReadAll(c.r.Body)
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return armtypes.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is larger than %d bytes.", tooBig.Limit)
	}
	if err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidRequestContent", "The request content could not be read.")
	}
	if err := armtypes.DecodeJSON(data, v); err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized: %v.", err)
	}
	return nil
}

// json answers with a document.
func (c *call) json(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("answer %s: %w", c.r.URL.Path, err)
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(data) // a client that went away needs no answer
	return nil
}

// fail answers with an error in the API's envelope.
func (c *call) fail(err error) {
	e := c.s.asError(err, c.requestID)
	if e.Status == 0 {
		e.Status = http.StatusInternalServerError
	}
	c.w.Header().Set("x-ms-error-code", e.Code)
	_ = c.json(e.Status, armtypes.ErrorBody{Error: e})
}

// asError turns what a part returned into what the API says. SQL errors keep number and text; errors that nobody
// numbered are logged under the request's id and not told.
func (s *Server) asError(err error, requestID string) *armtypes.Error {
	var known *armtypes.Error
	if errors.As(err, &known) {
		e := *known
		return &e
	}
	var sql *sqlerr.Error
	switch {
	case errors.As(err, &sql):
		return armtypes.Errorf(http.StatusBadRequest, strconv.Itoa(int(sql.Number)), "%s", sql.Message)
	case errors.Is(err, ErrNotFound):
		return armtypes.Errorf(http.StatusNotFound, "ResourceNotFound", "%v.", err)
	}
	s.o.Log.Error("request failed", "request", requestID, "cause", err)
	return armtypes.Errorf(http.StatusInternalServerError, "InternalServerError", "The server met an unexpected condition; its log has the cause under request %s.", requestID)
}

// newID is a random GUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
