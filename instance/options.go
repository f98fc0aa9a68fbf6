package instance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/sqltype"
	"linkspan/storage"
)

// Kind is what an instance plays.
type Kind uint8

const (
	// SQLServer plays SQL Server: the source of links.
	SQLServer Kind = iota + 1
	// ManagedInstance plays Azure SQL Managed Instance: it has an endpoint and its certificate from the start, and
	// joins links when its ARM endpoint is told to.
	ManagedInstance
)

// Options configure an instance.
type Options struct {
	// Name is the server's short name.
	Name string
	Kind Kind
	// FQDN is the managed instance's full name, which is its @@SERVERNAME; "" for a SQL Server.
	FQDN string
	// FS is the disk; nil means the operating system's. Dir holds all the instance stores.
	FS  fsx.FS
	Dir string
	// Clock is the time; nil means the machine's.
	Clock clock.Clock
	// Rand is the source of secrets; nil means the machine's.
	Rand io.Reader
	// Log receives the error log; nil discards.
	Log *slog.Logger
	// Collation is the server's; "" means SQL_Latin1_General_CP1_CI_AS.
	Collation string
	// NoSync turns durability off for every database.
	NoSync bool
	// Administrator and Password are the login made at first start ("sa" when empty). The password is not kept.
	Administrator, Password string
	// Addresses are what LISTENER_IP = ALL listens on.
	Addresses []string
	// MirroringPort is the port of a managed instance's own endpoint, 0 for a free one.
	MirroringPort int
	// LookupHost resolves host names to addresses for links; nil means the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// BackupFolders are those that BACKUP and RESTORE may name files in, absolute; names that are not absolute are files
	// of the first. None means the folder "backup" below Dir.
	BackupFolders []string
	// MaxSessions bounds the sessions open at once; 0 means 1,000.
	MaxSessions int
	// Storage are the bounds of what databases take.
	Storage StorageOptions
}

// StorageOptions bound memory, disk and time. A zero field means its default.
type StorageOptions struct {
	// MemoryBytes is the memory that all databases share for pages, at least 16 MiB; 0 means 1 GiB.
	MemoryBytes int64
	// TransactionBytes bounds the pages one transaction changes, beyond which it fails with 9002; 0 means a quarter of
	// MemoryBytes.
	TransactionBytes int64
	// TempBytes bounds one database's temporary files on disk, beyond which a statement fails with 1105; 0 means 4 GiB.
	TempBytes int64
	// RecoveryTarget is how long redo after a crash may take for a database; 0 means one second.
	RecoveryTarget time.Duration
	// MaxLogBytes bounds each database's log files; ALTER DATABASE … MODIFY FILE (MAXSIZE) sets it for one. 0 means 2 TiB.
	MaxLogBytes int64
	// LinkLogBytes bounds the log that one database keeps for links only; 0 means no bound but the disk's.
	LinkLogBytes int64
	// ReserveBytes is the free disk that log for links leaves to others; 0 means 5 % of the disk, at most 1 GiB, and a
	// negative value none.
	ReserveBytes int64
	// ScrubBytes is how many bytes a second the scrub of each database reads; 0 means that there is no scrub.
	ScrubBytes int64
	// ScrubInterval is the least time from the start of one pass of the scrub to the next; 0 means a day.
	ScrubInterval time.Duration
	// Seedings is how many copies are sent their pages at once, those beyond wait; 0 means five. SeedingBytes is how many
	// bytes a second these take together; 0 means no bound.
	Seedings     int
	SeedingBytes int64
}

// Validate fills in defaults and reports every problem.
func (o *Options) Validate() error {
	var errs []error
	if o.Name == "" {
		errs = append(errs, errors.New("instance options: Name is empty"))
	}
	if o.Dir == "" {
		errs = append(errs, errors.New("instance options: Dir is empty"))
	}
	if o.Kind != SQLServer && o.Kind != ManagedInstance {
		errs = append(errs, fmt.Errorf("instance options: Kind is %d", o.Kind))
	}
	if o.Kind == ManagedInstance && o.FQDN == "" {
		errs = append(errs, errors.New("instance options: a managed instance needs its FQDN"))
	}
	o.defaults()
	if _, ok := sqltype.LookupCollation(o.Collation); !ok {
		errs = append(errs, fmt.Errorf("instance options: the collation %q is not known; docs/parity.md lists those that are", o.Collation))
	}
	return errors.Join(errs...)
}

func (o *Options) defaults() {
	if o.FS == nil {
		o.FS = fsx.OS{}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Collation == "" {
		o.Collation = "SQL_Latin1_General_CP1_CI_AS"
	}
	if o.Administrator == "" {
		o.Administrator = "sa"
	}
	if o.LookupHost == nil {
		o.LookupHost = net.DefaultResolver.LookupHost
	}
	if len(o.BackupFolders) == 0 {
		if dir, err := filepath.Abs(o.Dir); err == nil {
			o.BackupFolders = []string{filepath.Join(dir, "backup")}
		}
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 1000
	}
	o.Storage.defaults()
}

const (
	mib = 1 << 20
	// maxLog is the largest log file of SQL Server.
	maxLog = 2 << 40
)

func (s *StorageOptions) defaults() {
	if s.MemoryBytes <= 0 {
		s.MemoryBytes = 1024 * mib
	}
	s.MemoryBytes = max(s.MemoryBytes, storage.MinMemory)
	if s.TransactionBytes <= 0 {
		s.TransactionBytes = s.MemoryBytes / 4
	}
	if s.Seedings <= 0 {
		s.Seedings = 5
	}
	if s.RecoveryTarget <= 0 {
		s.RecoveryTarget = time.Second
	}
	if s.MaxLogBytes <= 0 {
		s.MaxLogBytes = maxLog
	}
	switch {
	case s.ReserveBytes == 0:
		s.ReserveBytes = -1 // storage's 5 %
	case s.ReserveBytes < 0:
		s.ReserveBytes = 0
	}
}

// serverName is @@SERVERNAME.
func (o *Options) serverName() string {
	if o.Kind == ManagedInstance {
		return o.FQDN
	}
	return o.Name
}
