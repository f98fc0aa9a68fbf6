package flow

import "fmt"

// Place is an error's place: what of the migration does not work. One trouble is kept for each.
type Place string

// The places.
const (
	AtSource  Place = "source"
	AtShare   Place = "share"
	AtStorage Place = "storage"
	AtTarget  Place = "target"
	AtReport  Place = "report"
)

// Hindrance is something that does not work now and may work again by itself. Fix says what to do about it.
type Hindrance struct {
	At Place
	// What is cause and evidence, without secrets; Fix is the next step.
	What string
	Fix  string
	Err  error
}

// Error says cause, evidence and next step.
func (t *Hindrance) Error() string { return sentence(t.What, t.Fix, t.Err) }

// Unwrap gives the cause.
func (t *Hindrance) Unwrap() error { return t.Err }

// Halt is something that stays as it is until somebody acts: the migration fails, and Retry goes on.
type Halt struct {
	What string
	Fix  string
	Err  error
}

// Error says cause, evidence and next step.
func (h *Halt) Error() string { return sentence(h.What, h.Fix, h.Err) }

// Unwrap gives the cause.
func (h *Halt) Unwrap() error { return h.Err }

func sentence(what, fix string, err error) string {
	s := what
	if err != nil {
		s = fmt.Sprintf("%s: %v", s, err)
	}
	if fix != "" {
		s += " — " + fix
	}
	return s
}
