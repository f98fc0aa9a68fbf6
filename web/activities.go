package web

import (
	"context"
	_ "embed"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"linkspan/migrate"
	"linkspan/migrate/ledger"
)

//go:embed openapi.json
var openAPI []byte

func (c *call) health() error { return c.json(http.StatusOK, HealthBody{"ok"}) }

func (c *call) document() error {
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = c.w.Write(openAPI) // a client that went away needs no answer
	return nil
}

func (c *call) metrics() error {
	c.s.scrape.ServeHTTP(c.w, c.r)
	return nil
}

// onThisMachine admits clients of this machine to the metrics, where the configuration says so.
func (c *call) onThisMachine() bool {
	at, err := netip.ParseAddrPort(c.r.RemoteAddr)
	return err == nil && c.s.o.OpenMetrics && at.Addr().Unmap().IsLoopback()
}

func (c *call) list() error {
	all, err := c.s.o.Service.List(c.ctx)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, ActivitiesBody{orEmpty(all)})
}

// orEmpty is a list that JSON shows as one.
func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// spec reads the spec of a request: YAML as it is, or in a JSON body.
func (c *call) spec() (migrate.Spec, migrate.SpecSource, error) {
	src := migrate.SpecSource{Base: c.s.o.Folders.Base}
	switch c.media() {
	case "application/yaml", "application/x-yaml", "text/yaml":
		var err error
		if src.Text, err = c.body(); err != nil {
			return migrate.Spec{}, src, err
		}
	default:
		var b SpecBody
		if err := c.decode(&b); err != nil {
			return migrate.Spec{}, src, err
		}
		src.Text = []byte(b.Spec)
	}
	s, err := c.s.o.Folders.check(src.Text)
	return s, src, err
}

func (c *call) plan() error {
	_, src, err := c.spec()
	if err != nil {
		return err
	}
	p, err := c.s.o.Service.Plan(c.ctx, src)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, p)
}

func (c *call) start() error {
	s, src, err := c.spec()
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if _, err := c.s.o.Service.Status(c.ctx, s.Name, false); err == nil {
		status = http.StatusOK
	}
	name, err := c.s.o.Service.Start(c.ctx, src, c.who())
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/activities/"+url.PathEscape(name))
	return c.answerStatus(status, name)
}

// answerStatus answers with an activity's status.
func (c *call) answerStatus(status int, activity string) error {
	st, err := c.s.o.Service.Status(c.ctx, activity, false)
	if err != nil {
		return err
	}
	return c.json(status, listed(st))
}

// listed has its lists as lists.
func listed(st ledger.Status) ledger.Status {
	st.Databases, st.Logins = orEmpty(st.Databases), orEmpty(st.Logins)
	return st
}

func (c *call) status() error {
	q, err := c.parameters("files", "database")
	if err != nil {
		return err
	}
	files := false
	if v := q.Get("files"); v != "" {
		if files, err = strconv.ParseBool(v); err != nil {
			return badParameter("files", "true or false")
		}
	}
	st, err := c.s.o.Service.Status(c.ctx, c.path["activity"], files)
	if err != nil {
		return err
	}
	if names := q["database"]; len(names) > 0 {
		var kept []ledger.Database
		for _, n := range names {
			i := slices.IndexFunc(st.Databases, func(d ledger.Database) bool { return strings.EqualFold(d.Name, n) })
			if i < 0 {
				return &migrate.UnknownError{What: "database of this activity called", Name: n}
			}
			kept = append(kept, st.Databases[i])
		}
		st.Databases = kept
	}
	return c.json(http.StatusOK, listed(st))
}

func (c *call) timeline() error {
	q, err := c.parameters("database", "after", "limit")
	if err != nil {
		return err
	}
	after, limit, err := span(q)
	if err != nil {
		return err
	}
	all, err := c.s.o.Service.Timeline(c.ctx, c.path["activity"], q.Get("database"), after, limit)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, TimelineBody{orEmpty(all)})
}

func (c *call) audit() error {
	q, err := c.parameters("after", "limit")
	if err != nil {
		return err
	}
	after, limit, err := span(q)
	if err != nil {
		return err
	}
	all, err := c.s.o.Service.Audit(c.ctx, after, limit)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, AuditBody{orEmpty(all)})
}

// parameters reads the query and refuses names that mean nothing here.
func (c *call) parameters(known ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "bad-request", "escape the query as RFC 3986 says", "the query cannot be read")
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return nil, problem(http.StatusBadRequest, "bad-request", "leave it out, or use one of: "+strings.Join(known, ", "), "there is no parameter %.60q here", name)
		}
	}
	return q, nil
}

func badParameter(name, form string) *Problem {
	return problem(http.StatusBadRequest, "bad-request", "give "+form, "the parameter %s is not %s", name, form)
}

// The sizes of lists.
const (
	defaultLimit = 500
	maxLimit     = 5000
)

// span reads after and limit.
func span(q url.Values) (after int64, limit int, err error) {
	limit = defaultLimit
	if v := q.Get("after"); v != "" {
		if after, err = strconv.ParseInt(v, 10, 64); err != nil || after < 0 {
			return 0, 0, badParameter("after", "a whole number from 0")
		}
	}
	if v := q.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxLimit {
			return 0, 0, badParameter("limit", "a whole number from 1 to 5000")
		}
	}
	return after, limit, nil
}

// asked answers to what was asked of an activity.
func (c *call) asked(err error) error {
	if err != nil {
		return err
	}
	return c.answerStatus(http.StatusAccepted, c.path["activity"])
}

func (c *call) cutover() error {
	var b CutoverBody
	if err := c.decode(&b); err != nil {
		return err
	}
	o := migrate.CutoverOptions{Apply: b.Apply, UserTail: b.UserTail}
	if b.MaxPause != "" {
		var err error
		if o.MaxPause, err = time.ParseDuration(b.MaxPause); err != nil || o.MaxPause < time.Second || o.MaxPause > 24*time.Hour {
			return badParameter("maxPause", "a time from 1s to 24h")
		}
	}
	return c.asked(c.s.o.Service.Cutover(c.ctx, c.path["activity"], b.Databases, o, c.who()))
}

func (c *call) confirm() error {
	var b ConfirmBody
	if err := c.decode(&b); err != nil {
		return err
	}
	return c.asked(c.s.o.Service.Confirm(c.ctx, c.path["activity"], b.Databases, b.LastFile, c.who()))
}

func (c *call) giveUp() error { return c.databases(c.s.o.Service.GiveUp) }
func (c *call) cancel() error { return c.databases(c.s.o.Service.Cancel) }
func (c *call) retry() error  { return c.databases(c.s.o.Service.Retry) }
func (c *call) acceptNoChecksum() error {
	return c.databases(c.s.o.Service.AcceptNoChecksum)
}

// databases asks one thing of the databases that the body names.
func (c *call) databases(ask func(context.Context, string, []string, migrate.Who) error) error {
	var b DatabasesBody
	if err := c.decode(&b); err != nil {
		return err
	}
	return c.asked(ask(c.ctx, c.path["activity"], b.Databases, c.who()))
}
