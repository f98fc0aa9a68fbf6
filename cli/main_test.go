package cli

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Every goroutine that a test or the code under it starts has ended when the tests have. Times are printed as in Greenwich.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}
