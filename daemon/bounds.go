package daemon

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"linkspan/instance"
)

// MemoryConfig bounds what databases hold in memory and in temporary files; absent fields have their defaults.
type MemoryConfig struct {
	// BudgetMB is the memory that all databases of the instance share for pages.
	BudgetMB *int `yaml:"budgetMB"`
	// TransactionMB bounds the pages one transaction changes.
	TransactionMB *int `yaml:"transactionMB"`
	// TempMB bounds one database's temporary files.
	TempMB *int `yaml:"tempMB"`
}

// LogConfig bounds transaction logs.
type LogConfig struct {
	// MaxSizeMB bounds each database's log, unless ALTER DATABASE … MODIFY FILE says otherwise.
	MaxSizeMB *int `yaml:"maxSizeMB"`
	// LinkLogRetentionMB bounds the log that one database keeps for links only; 0 is no bound.
	LinkLogRetentionMB *int `yaml:"linkLogRetentionMB"`
	// DiskReserveMB is the free disk that log for links leaves to others; 0 is none.
	DiskReserveMB *int `yaml:"diskReserveMB"`
	// RecoverySeconds is how long redo after a crash may take for one database.
	RecoverySeconds *int `yaml:"recoverySeconds"`
}

// ScrubConfig is the background reading of every page.
type ScrubConfig struct {
	// MBPerSecond is how much is read of each database; 0 turns it off.
	MBPerSecond *int `yaml:"mbPerSecond"`
	// EveryHours is the least time from one full pass to the next.
	EveryHours *int `yaml:"everyHours"`
}

// SeedingConfig bounds what copies of this instance's databases take while they are made.
type SeedingConfig struct {
	// MBPerSecond is how much all of them are sent together; 0 is no bound.
	MBPerSecond *int `yaml:"mbPerSecond"`
	// Parallel is how many are sent their pages at once; those beyond wait.
	Parallel *int `yaml:"parallel"`
}

// bound is one number of these sections: its name, its range, and its default.
type bound struct {
	name               string
	value              *int
	least, most, usual int
}

func (b bound) get() int64 {
	if b.value == nil {
		return int64(b.usual)
	}
	return int64(*b.value)
}

// The defaults of what is not a default of the instance.
const (
	defaultBudgetMB = 1024
	defaultScrubMB  = 4
)

func (c *Config) bounds() map[string]bound {
	all := map[string]bound{}
	for _, b := range []bound{
		{"memory: budgetMB", c.Memory.BudgetMB, 64, 1 << 20, defaultBudgetMB}, {"memory: transactionMB", c.Memory.TransactionMB, 1, 1 << 20, 0},
		{"memory: tempMB", c.Memory.TempMB, 1, math.MaxInt32, 4096}, {"log: maxSizeMB", c.Log.MaxSizeMB, 8, 2 << 20, 0},
		{"log: linkLogRetentionMB", c.Log.LinkLogRetentionMB, 0, math.MaxInt32, 0}, {"log: diskReserveMB", c.Log.DiskReserveMB, 0, math.MaxInt32, 0},
		{"log: recoverySeconds", c.Log.RecoverySeconds, 1, 3600, 1}, {"scrub: mbPerSecond", c.Scrub.MBPerSecond, 0, 1 << 20, defaultScrubMB},
		{"scrub: everyHours", c.Scrub.EveryHours, 1, 10000, 24}, {"seeding: mbPerSecond", c.Seeding.MBPerSecond, 0, 1 << 20, 0},
		{"seeding: parallel", c.Seeding.Parallel, 1, 1000, 5},
	} {
		all[b.name] = b
	}
	return all
}

func (c *Config) validateBounds() (problems []error) {
	for _, b := range c.bounds() {
		if b.value != nil && (*b.value < b.least || *b.value > b.most) {
			problems = append(problems, fmt.Errorf("%s %d: %d to %d", b.name, *b.value, b.least, b.most))
		}
	}
	return problems
}

// storage gives the bounds as the instance's options.
func (c *Config) storage() instance.StorageOptions {
	const mib = 1 << 20
	b := c.bounds()
	o := instance.StorageOptions{MemoryBytes: b["memory: budgetMB"].get() * mib, TransactionBytes: b["memory: transactionMB"].get() * mib,
		TempBytes: b["memory: tempMB"].get() * mib, MaxLogBytes: b["log: maxSizeMB"].get() * mib,
		LinkLogBytes: b["log: linkLogRetentionMB"].get() * mib, ReserveBytes: b["log: diskReserveMB"].get() * mib,
		RecoveryTarget: time.Duration(b["log: recoverySeconds"].get()) * time.Second, ScrubBytes: b["scrub: mbPerSecond"].get() * mib,
		ScrubInterval: time.Duration(b["scrub: everyHours"].get()) * time.Hour, SeedingBytes: b["seeding: mbPerSecond"].get() * mib,
		Seedings: int(b["seeding: parallel"].get())}
	if p := c.Log.DiskReserveMB; p != nil && *p == 0 {
		o.ReserveBytes = -1
	}
	return o
}

// memoryLimit is the sum of the budgets of the daemons of this process: what the garbage collector is told.
var memoryLimit struct {
	mu  sync.Mutex // protects sum
	sum int64
}

// limitMemory has the garbage collector keep the process near the budget: what is not pages comes on top, as a quarter.
// GOMEMLIMIT in the environment takes precedence. bytes is negative when a daemon stops.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	memoryLimit.mu.Lock()
	defer memoryLimit.mu.Unlock()
	memoryLimit.sum += bytes
	if memoryLimit.sum <= 0 {
		debug.SetMemoryLimit(math.MaxInt64)
		return
	}
	debug.SetMemoryLimit(memoryLimit.sum + memoryLimit.sum/4)
}
