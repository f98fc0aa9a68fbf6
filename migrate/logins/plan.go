package logins

import (
	"fmt"
	"slices"

	"linkspan/migrate/flow"
	"linkspan/sqlclient"
)

// step is one statement for the target.
type step struct {
	// text is the T-SQL; it may hold a hash. what names it in messages, and holds none.
	text, what string
	// lenient: when the target refuses it, that is a warning and not the end.
	lenient bool
	// instead gives what is run when the target refused text, or what was last run instead, with a number; "" for nothing.
	// May be nil.
	instead func(number int32) string
}

// plan is what is to be done for a stage.
type plan struct {
	steps    []step
	warnings []string
	// halt: nothing is done before somebody acts.
	halt *flow.Halt
}

func (p *plan) add(s ...step) { p.steps = append(p.steps, s...) }

// warn keeps a warning once.
func (p *plan) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

func halted(what, fix string) plan { return plan{halt: &flow.Halt{What: what, Fix: fix}} }

// quote is the name in brackets.
func quote(name string) string { return sqlclient.QuoteName(name) }
