package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"linkspan/migrate"
	"linkspan/migrate/flow"
)

// Problem is what an error is answered with: a problem document of RFC 9457 with members of ours.
type Problem struct {
	// Type is "urn:linkspan:problem:" and the kind; programs go by it. Title is the same in words.
	Type  string `json:"type"`
	Title string `json:"title"`
	// Status is that of the answer.
	Status int `json:"status"`
	// Detail is cause and evidence, Next the next step.
	Detail string `json:"detail"`
	Next   string `json:"next,omitempty"`
	// Instance names this answer; the service's log has it.
	Instance string `json:"instance"`
	// Problems are all that is wrong with a spec, each with its place.
	Problems []SpecProblem `json:"problems,omitempty"`
	// Refused are the databases for which something cannot be asked; the others were asked.
	Refused []migrate.Refused `json:"refused,omitempty"`
	// Plan is the plan that has findings in the way.
	Plan *migrate.Plan `json:"plan,omitempty"`
	// Lines are those in which two specs differ: "- " before what is stored, "+ " before what was given.
	Lines []string `json:"lines,omitempty"`
}

// SpecProblem is one thing that is wrong with a spec.
type SpecProblem struct {
	// At is its place, as databases[2].name, or a line of the text.
	At   string `json:"at"`
	Text string `json:"text"`
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// problem makes one. kind is a word of problemTitles.
func problem(status int, kind, next, format string, args ...any) *Problem {
	return &Problem{Type: problemType + kind, Title: problemTitles[kind], Status: status, Detail: fmt.Sprintf(format, args...), Next: next}
}

const problemType = "urn:linkspan:problem:"

// problemTitles are the kinds of problems.
var problemTitles = map[string]string{
	"bad-request":       "The request cannot be read",
	"too-large":         "The request is too large",
	"unsupported-media": "The content type is not supported",
	"unauthorized":      "A valid token is needed",
	"forbidden":         "The token's role does not allow this",
	"not-found":         "There is no such thing",
	"not-allowed":       "The method is not allowed here",
	"in-progress":       "The same request is being served",
	"key-used":          "The idempotency key was used for another request",
	"busy":              "Too many requests are served already",
	"spec-wrong":        "The spec is wrong",
	"plan-blocked":      "Something stands in the way of the migration",
	"spec-differs":      "The activity was started with another spec",
	"refused":           "This cannot be asked now",
	"hindrance":         "Something does not work at the moment",
	"time-over":         "It took too long",
	"internal":          "The service met an unexpected condition",
}

// asProblem turns an error of the service into what the API says. What nobody made for clients is logged and not told.
func (c *call) asProblem(err error) *Problem {
	var (
		known     *Problem
		wrong     migrate.Problems
		blocked   *migrate.BlockedError
		different *migrate.DifferentError
		refused   *migrate.Refusals
		unknown   *migrate.UnknownError
		hindrance *flow.Hindrance
	)
	switch {
	case errors.As(err, &known):
		p := *known
		return &p
	case errors.As(err, &wrong):
		p := problem(http.StatusUnprocessableEntity, "spec-wrong", "mend every problem that is listed", "the spec has %d problems", len(wrong))
		for _, w := range wrong {
			p.Problems = append(p.Problems, SpecProblem{w.At, w.Text})
		}
		return p
	case errors.As(err, &blocked):
		p := problem(http.StatusConflict, "plan-blocked", "mend the findings that block, and send the request again", "%v", blocked)
		p.Plan = &blocked.Plan
		return p
	case errors.As(err, &different):
		p := problem(http.StatusConflict, "spec-differs", "give this spec another name, or cancel that activity", "%v", different)
		p.Lines = different.Lines
		return p
	case errors.As(err, &refused):
		p := problem(http.StatusConflict, "refused", "look at the gates and waits of the status; the databases that are not listed were asked", "%v", refused)
		p.Refused = refused.Refused
		return p
	case errors.As(err, &unknown):
		return problem(http.StatusNotFound, "not-found", "GET /v1/activities lists what there is", "%v", unknown)
	case errors.As(err, &hindrance):
		return problem(http.StatusServiceUnavailable, "hindrance", hindrance.Fix, "%s", hindrance.What)
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusGatewayTimeout, "time-over", "send the request again; what was asked twice is done once", "the request was not done in %s", workTime)
	}
	c.s.o.Log.Error("request failed", "request", c.id, "path", c.r.URL.Path, "cause", err)
	return problem(http.StatusInternalServerError, "internal", "look for the request in the service's log", "the service's log has the cause under request %s", c.id)
}

// fail answers with a problem.
func (c *call) fail(err error) {
	p := c.asProblem(err)
	p.Instance = "urn:uuid:" + c.id
	data, merr := json.Marshal(p)
	if merr != nil {
		data = []byte(`{"type":"` + problemType + `internal"}`)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(p.Status)
	_, _ = c.w.Write(data) // a client that went away needs no answer
}
