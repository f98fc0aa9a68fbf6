package flow

import (
	"fmt"
	"time"
)

// Verdict is what to do about a step after looking.
type Verdict int

// The verdicts.
const (
	// Done says that what the step is for is there.
	Done Verdict = iota + 1
	// Act says that the step's action has to run.
	Act
	// Wait says that somebody else is working on it.
	Wait
)

// Decision is a verdict and what was seen.
type Decision struct {
	Verdict Verdict
	Seen    string
}

// Step is a row of the table. Its functions change nothing but the facts in the State.
type Step struct {
	// ID names the step in output and tests; Title says what it is for.
	ID, Title string
	// Precondition says what the probe looks for, Effect what is seen once the step is done.
	Precondition, Effect string
	// Probe are the calls to look with.
	Probe func(s *State) []Call
	// Decide judges their answers, in order, and keeps what later steps need. An error ends the run; *Refusal is one that
	// the user has to remove the cause of.
	Decide func(s *State, a []Answer) (Decision, error)
	// Do is the action, Undo what takes it back; nil means there is none.
	Do, Undo func(s *State) []Call
	// Tolerates are numbers of SQL errors that only say that somebody else did it first; the probe decides again.
	Tolerates []int32
	// Patience is how long Wait is taken for an answer; 0 means no limit but the caller's.
	Patience time.Duration
	// Late says what it means that the patience is over: the error to end with, or nil to go on without the effect. A nil
	// Late is the error that the time is over.
	Late func(s *State, seen string) error
}

// State is a specification and what the probes found out.
type State struct {
	Spec

	ServerName string
	Collation  string
	// Version is SQL Server's major version, 0 when unknown.
	Version int
	FQDN    string
	// Certificate is that of the source's endpoint, PartnerCertificate that of the instance's; DER.
	Certificate, PartnerCertificate []byte
	// Endpoint is the source's mirroring endpoint; nil when there is none.
	Endpoint *Endpoint
	// UploadName is the certificate's name on the managed instance.
	UploadName string
	// dropPartner says that the imported certificate of the instance is an old one.
	dropPartner bool
	// dropLink says that the link is there but its creation failed.
	dropLink bool

	// Took is how long the last action ran. The package that carries the calls sets it.
	Took time.Duration
	// Change is what a failover is to do and has found out; nil for other flows.
	Change *Change
}

// Endpoint is a mirroring endpoint as SQL Server shows it.
type Endpoint struct {
	Name, State, Authentication, Algorithm string
	Encrypted                              bool
	Port                                   int
	// Certificate is the name of its certificate, "" when it has none.
	Certificate string
}

// certificateName is the name of the source's own certificate: the one that its endpoint uses already, or the one to
// make.
func (s *State) certificateName() string {
	switch {
	case s.Endpoint != nil && s.Endpoint.Certificate != "":
		return s.Endpoint.Certificate
	case s.CertificateName != "":
		return s.CertificateName
	}
	return "Cert_" + sanitize(s.ServerName) + "_endpoint"
}

// sanitize takes out what a certificate's name must not have: a named instance's backslash.
func sanitize(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == '\\' || r == '/' {
			out[i] = '_'
		}
	}
	return string(out)
}

// port is the mirroring endpoint's: the existing one's or the one to make.
func (s *State) port() int {
	if s.Endpoint != nil && s.Endpoint.Port != 0 {
		return s.Endpoint.Port
	}
	return s.SourcePort
}

// Refusal is a reason not to go on that the user has to remove; nothing was changed by the step that gives it.
type Refusal struct {
	// Step is the step's id.
	Step string
	// Reason says what is in the way, Fix what to do about it.
	Reason, Fix string
}

// Error spells reason and fix.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s; %s", r.Step, r.Reason, r.Fix) }

func refuse(step, fix, format string, args ...any) (Decision, error) {
	return Decision{}, &Refusal{Step: step, Reason: fmt.Sprintf(format, args...), Fix: fix}
}

func done(format string, args ...any) (Decision, error) {
	return Decision{Done, fmt.Sprintf(format, args...)}, nil
}

func act(format string, args ...any) (Decision, error) {
	return Decision{Act, fmt.Sprintf(format, args...)}, nil
}

func wait(format string, args ...any) (Decision, error) {
	return Decision{Wait, fmt.Sprintf(format, args...)}, nil
}
