//go:build invariants || race

package invariant

import "fmt"

// Enabled tells whether checks are compiled in; guard costly ones with it.
const Enabled = true

// Check panics with the message when ok is false.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("broken invariant: " + fmt.Sprintf(format, args...))
	}
}
