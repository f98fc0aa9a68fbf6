package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says what a finding means for the link.
type Severity string

// The severities.
const (
	// Blocking: a link cannot be made, or does not run.
	Blocking Severity = "blocking"
	// Warning: it runs, and will not for ever.
	Warning Severity = "warning"
	// Info: something could not be checked, and why.
	Info Severity = "info"
)

// Finding is something that is wrong, or could not be checked.
type Finding struct {
	// ID names the kind of finding, as LS-NET-002.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// Subject is what it is about: a side, a port, a link.
	Subject string `json:"subject"`
	Cause   string `json:"cause"`
	// Evidence is what was seen.
	Evidence string `json:"evidence"`
	Fix      string `json:"fix"`
}

// Check is something that was looked at.
type Check struct {
	// Side is where it was looked from: "here", or a server's name.
	Side    string `json:"side"`
	Name    string `json:"name"`
	Outcome string `json:"outcome"` // passed, failed, skipped
	Seen    string `json:"seen"`
}

// The outcomes.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped"
)

// Report is what an examination gave.
type Report struct {
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
}

// Blocked reports whether a finding keeps a link from running.
func (r *Report) Blocked() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Blocking })
}

// check notes what was looked at.
func (r *Report) check(side, name, outcome, format string, args ...any) {
	r.Checks = append(r.Checks, Check{side, name, outcome, fmt.Sprintf(format, args...)})
}

// find adds a finding of the catalogue; the same one about the same subject counts once.
func (r *Report) find(id, subject, format string, args ...any) {
	k, ok := catalogue[id]
	if !ok {
		k = Kind{ID: id, Severity: Blocking, Cause: "unknown", Fix: "report this: the finding is not in the catalogue"}
	}
	for _, f := range r.Findings {
		if f.ID == id && f.Subject == subject {
			return
		}
	}
	r.Findings = append(r.Findings, Finding{id, k.Severity, subject, k.Cause, fmt.Sprintf(format, args...), k.Fix})
}

// sort puts what blocks first.
func (r *Report) sort() {
	rank := map[Severity]int{Blocking: 0, Warning: 1, Info: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject, b.Subject))
	})
}
