//go:build clockhook

package clock

import (
	"os"
	"time"
)

// offsetVariable is the environment variable that says, as in "-8760h", how far the clock of this process is from the
// machine's. Only programs built with the tag "clockhook", which are for tests, ask for it.
const offsetVariable = "LINKSPAN_CLOCK_OFFSET"

// product is the machine's clock, moved. An offset that cannot be read is none: whoever set it sees that nothing moved.
func product() Clock {
	d, err := time.ParseDuration(os.Getenv(offsetVariable))
	if err != nil {
		return Machine
	}
	return moved{d}
}

// moved shows another time than the machine's, and waits as long as that.
type moved struct{ by time.Duration }

// Now implements Clock.
func (m moved) Now() time.Time { return Machine.Now().Add(m.by) }

// After implements Clock.
func (m moved) After(d time.Duration) (<-chan time.Time, func()) { return Machine.After(d) }
