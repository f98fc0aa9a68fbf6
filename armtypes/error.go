package armtypes

import "fmt"

// Error is what the API says when it refuses: a code for programs, a message for people, and the HTTP status. It
// implements error. Codes of Azure Resource Manager are words ("ResourceNotFound"); those that come from an instance
// are the SQL message's number ("41976").
type Error struct {
	// Status is the HTTP status; 0 for the error of a long-running operation, which has none of its own.
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	// Target is the resource or property the error is about, or "".
	Target string `json:"target,omitempty"`
}

// ErrorBody is the envelope {"error":{"code","message"}}.
type ErrorBody struct {
	Error *Error `json:"error"`
}

// Error spells code and message.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s (HTTP %d): %s", e.Code, e.Status, e.Message)
	}
	return e.Code + ": " + e.Message
}

// Errorf makes an Error.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}
