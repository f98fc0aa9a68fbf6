package migrate

import (
	"path/filepath"
	"time"
)

// Spec is one activity: databases of one source that move to one target. The tags about, need and enum are what the
// schema says of a field.
type Spec struct {
	Name      string         `yaml:"name" need:"yes" about:"the activity's name, as status and reports show it"`
	Source    SourceSpec     `yaml:"source" need:"yes" about:"the SQL Server that has the databases"`
	Share     ShareSpec      `yaml:"share" need:"yes" about:"where its backups are"`
	Storage   StorageSpec    `yaml:"storage" need:"yes" about:"where the backups are brought for the target to restore"`
	Target    TargetSpec     `yaml:"target" need:"yes" about:"where the databases go"`
	Databases []DatabaseSpec `yaml:"databases" need:"yes" about:"the user databases to move"`
	Settings  SettingsSpec   `yaml:"settings" about:"how it is done"`
}

// ServerSpec is where T-SQL is spoken.
type ServerSpec struct {
	Server                 string `yaml:"server" about:"host name or address; with \\INSTANCE the port is asked of SQL Server Browser (UDP 1434)"`
	Port                   int    `yaml:"port" about:"TDS port; default 1433, or what SQL Server Browser says of the instance"`
	Host                   string `yaml:"host" about:"the name in the server's certificate; default: the server"`
	CA                     string `yaml:"ca" about:"PEM file with the authorities the certificate may be under; default: the machine's own list"`
	TrustServerCertificate bool   `yaml:"trustServerCertificate" about:"encrypt without checking who answers: open to a man in the middle; not for production"`
	User                   string `yaml:"user" about:"SQL login, member of sysadmin"`
	PasswordFile           string `yaml:"passwordFile" about:"its password, in a file of mode 0600; the environment comes first"`
}

// SourceSpec is SQL Server.
type SourceSpec struct {
	ServerSpec `yaml:",inline"`
}

// ShareSpec is where the backups are. The service reads there and writes nothing, but for tail-log backups that SQL Server
// itself writes.
type ShareSpec struct {
	Path         string `yaml:"path" need:"yes" about:"\\\\server\\share\\folder, smb://server/share/folder, or a local folder"`
	Source       string `yaml:"sourcePath" about:"the same folder as SQL Server reaches it, for the tail-log backup; default: path, as UNC"`
	User         string `yaml:"user" about:"name, DOMAIN\\name, name@domain, or AZURE\\account for an Azure file share"`
	PasswordFile string `yaml:"passwordFile" about:"its password, or the storage account's key, in a file of mode 0600"`
	Folders      string `yaml:"folders" enum:"one,perDatabase" about:"all databases in one folder (default), or each in a folder of its name"`
}

// StorageSpec is where the backups are brought: a blob container, or a local folder for a target on this machine.
type StorageSpec struct {
	Container string `yaml:"container" about:"https://account.blob.core.windows.net/container"`
	Account   string `yaml:"account" about:"the storage account, with keyFile"`
	KeyFile   string `yaml:"keyFile" about:"the account's key, in a file of mode 0600"`
	SASFile   string `yaml:"sasFile" about:"a shared access signature that may read, write, create and list, in a file of mode 0600"`
	TargetSAS string `yaml:"targetSasFile" about:"a shared access signature for the target that may read and list and nothing else, in a file of mode 0600"`
	Folder    string `yaml:"folder" about:"a local folder; only with a local target"`
}

// TargetSpec is a managed instance: behind the management API, and where it takes T-SQL.
type TargetSpec struct {
	Instance         string     `yaml:"instance" about:"the managed instance's resource id"`
	Endpoint         string     `yaml:"endpoint" about:"a local management endpoint; empty: Azure"`
	CA               string     `yaml:"ca" about:"PEM file with that endpoint's authority"`
	Tenant           string     `yaml:"tenant" about:"tenant of the application; with Azure, without one, the ambient login is used"`
	ClientID         string     `yaml:"clientId" about:"the application's id"`
	ClientSecretFile string     `yaml:"clientSecretFile" about:"the application's key, in a file of mode 0600"`
	SQL              ServerSpec `yaml:"sql" about:"where the target takes T-SQL, for logins and for comparing; the server defaults to the managed instance's full name"`
}

// DatabaseSpec is one database.
type DatabaseSpec struct {
	Name   string `yaml:"name" need:"yes" about:"its name on the source"`
	Target string `yaml:"targetName" about:"its name on the target; default: the same"`
	Path   string `yaml:"path" about:"its folder, when that is not the share's: as share.path"`
}

// The choices of logins.
const (
	LoginsNeeded = "needed"
	LoginsAll    = "all"
	LoginsNone   = "none"
)

// SettingsSpec is how it is done. Zero values are replaced by the defaults of Normalize.
type SettingsSpec struct {
	Logins           string        `yaml:"logins" enum:"needed,all,none" about:"logins to move: those that users of the databases need (default), all, or none"`
	AcceptNoChecksum bool          `yaml:"acceptNoChecksum" about:"take backups made without CHECKSUM: nobody finds damage in them"`
	BlockMiB         int           `yaml:"blockMiB" about:"size of one step of a copy; default 8, at most 100"`
	Parallel         int           `yaml:"parallel" about:"files copied at once per database; default 4, at most 64"`
	BandwidthMiB     int           `yaml:"bandwidthMiB" about:"MiB per second for all copies together; default: no limit"`
	ScanEvery        time.Duration `yaml:"scanEvery" about:"how long the share is left alone at most; default 2s; it is read more often while files come and in a cutover"`
	MaxPause         time.Duration `yaml:"maxPause" about:"give a cutover up when the source was closed this long; default 5m, at most 24h"`
	UserTail         bool          `yaml:"userTail" about:"the tail-log backup is put on the share by you; default: taken by BACKUP LOG … WITH NORECOVERY"`
}

// perDatabase of ShareSpec.Folders: each database's backups lie in a folder of its name.
const perDatabase = "perDatabase"

// The defaults.
const (
	defaultBlockMiB  = 8
	defaultParallel  = 4
	defaultScanEvery = 2 * time.Second
	defaultMaxPause  = 5 * time.Minute
)

// Normalize fills the defaults in.
func (s Spec) Normalize() Spec {
	set(&s.Share.Folders, "one")
	set(&s.Settings.Logins, LoginsNeeded)
	set(&s.Settings.BlockMiB, defaultBlockMiB)
	set(&s.Settings.Parallel, defaultParallel)
	set(&s.Settings.ScanEvery, defaultScanEvery)
	set(&s.Settings.MaxPause, defaultMaxPause)
	s.Databases = append([]DatabaseSpec(nil), s.Databases...)
	for i := range s.Databases {
		d := &s.Databases[i]
		set(&d.Target, d.Name)
		if d.Path == "" {
			d.Path = s.Share.Path
			if s.Share.Folders == perDatabase {
				d.Path = inside(d.Path, d.Name)
			}
		}
	}
	return s
}

// Under resolves the relative paths of files and folders against a folder, which is the spec file's own.
func (s Spec) Under(base string) Spec {
	for _, p := range []*string{&s.Source.CA, &s.Source.PasswordFile, &s.Share.PasswordFile, &s.Storage.KeyFile, &s.Storage.SASFile, &s.Storage.TargetSAS,
		&s.Storage.Folder, &s.Target.CA, &s.Target.ClientSecretFile, &s.Target.SQL.CA, &s.Target.SQL.PasswordFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	return s
}

func set[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
