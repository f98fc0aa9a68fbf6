//go:build diehook && unix

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"linkspan/internal/fsx"
	"linkspan/migrate/flow"
)

// Only programs built with the tag "diehook", which are for tests, look at these variables: dieDir is a folder of files that
// each tell of one death, dieTimes how often to die in each state; 1 when it is not a number.
const (
	dieDir   = "LINKSPAN_DIE_DIR"
	dieTimes = "LINKSPAN_DIE_TIMES"
)

// dieIn kills this process by SIGKILL, right after it was stored that a migration is in a state.
func dieIn(s flow.State) {
	times, err := strconv.Atoi(os.Getenv(dieTimes))
	if err != nil {
		times = 1
	}
	for n := range times {
		dieOnce(fmt.Sprintf("%s-%d", s, n))
	}
}

// dieAfter kills it after an effect was carried out, BEFORE what came of it is stored.
func dieAfter(k flow.EffectKind) { dieOnce("did-" + string(k)) }

func dieOnce(name string) {
	dir := os.Getenv(dieDir)
	if dir == "" {
		return
	}
	path := filepath.Join(dir, name)
	disk := fsx.OS{}
	if _, err := disk.Stat(path); err == nil {
		return
	}
	f, err := disk.Create(path)
	if err != nil {
		return
	}
	if err := f.Close(); err != nil {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // whoever survives it goes on
	select {}
}
