package logins

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"linkspan/sqlerr"
)

// secret is the hash of a password. Only a statement may hold its bytes: they lie inside a function, because what prints a
// struct asks no methods of its unexported fields, and follows pointers.
type secret struct{ read func() []byte }

const hidden = "(hidden)"

// keep makes bytes a secret; nil is none.
func keep(b []byte) secret {
	if b == nil {
		return secret{}
	}
	return secret{func() []byte { return b }}
}

// Format prints nothing of it, whatever the verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON gives nothing of it.
func (secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue gives nothing of it.
func (secret) LogValue() slog.Value { return slog.StringValue(hidden) }

func (s secret) known() bool { return s.read != nil }

func (s secret) bytes() []byte {
	if s.read == nil {
		return nil
	}
	return s.read()
}

func (s secret) equal(o secret) bool { return bytes.Equal(s.bytes(), o.bytes()) }

// echoes are what a server may repeat of a statement that holds a hash: the literal or a part of it.
var echoes = regexp.MustCompile(`0[xX][0-9A-Fa-f]{4,}|[0-9A-Fa-f]{24,}`)

// scrubbed takes what may be a part of a hash out of an error. SQL errors stay SQL errors with their numbers; of an error
// of another kind only the text is left when it had such a part, and the error itself otherwise.
func scrubbed(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlerr.Error
	if errors.As(err, &e) {
		c := *e
		c.Message = echoes.ReplaceAllString(c.Message, hidden)
		c.Cause = scrubbed(e.Cause)
		return &c
	}
	if text := err.Error(); echoes.MatchString(text) {
		return errors.New(echoes.ReplaceAllString(text, hidden))
	}
	return err
}
