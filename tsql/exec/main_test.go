package exec_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Every goroutine that a test or the code under it starts has ended when the tests have.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
