package ast

// CreateMasterKey is CREATE MASTER KEY [ENCRYPTION BY PASSWORD = …].
type CreateMasterKey struct {
	Pos
	Password *string // nil when absent
}

// AlterMasterKey is ALTER MASTER KEY.
type AlterMasterKey struct {
	Pos
	// Verb is "REGENERATE", "ADD" or "DROP".
	Verb  string
	Force bool
	// Service is true for ADD or DROP ENCRYPTION BY SERVICE MASTER KEY; else Password is meant.
	Service  bool
	Password string
}

// OpenMasterKey is OPEN MASTER KEY DECRYPTION BY PASSWORD = ….
type OpenMasterKey struct {
	Pos
	Password string
}

// CloseMasterKey is CLOSE MASTER KEY.
type CloseMasterKey struct{ Pos }

// DropMasterKey is DROP MASTER KEY.
type DropMasterKey struct{ Pos }

// BackupMasterKey is BACKUP MASTER KEY TO FILE.
type BackupMasterKey struct {
	Pos
	Service        bool // BACKUP SERVICE MASTER KEY
	File, Password string
}

// RestoreMasterKey is RESTORE MASTER KEY FROM FILE.
type RestoreMasterKey struct {
	Pos
	Service                bool
	File                   string
	Decryption, Encryption string // passwords
	Force                  bool
}

// PrivateKeyDef is WITH PRIVATE KEY (FILE = … | BINARY = 0x…, DECRYPTION BY PASSWORD = …, ENCRYPTION BY PASSWORD = …).
type PrivateKeyDef struct {
	Pos
	File                   *string
	Binary                 []byte
	Decryption, Encryption *string // passwords; nil when absent
}

// CreateCertificate is CREATE CERTIFICATE. It is self-signed with a Subject, or comes from Binary or File.
type CreateCertificate struct {
	Pos
	Name, Owner string // Owner is that of AUTHORIZATION, "" when absent
	// Password is ENCRYPTION BY PASSWORD of a self-signed certificate's key; nil: by the master key.
	Password *string
	// Subject, Start and Expiry are those of a self-signed certificate; the dates are as written, nil when absent.
	Subject       *string
	Start, Expiry *string
	Binary        []byte // FROM BINARY; nil otherwise
	File          *string
	Executable    bool   // FROM EXECUTABLE FILE
	Assembly      string // FROM ASSEMBLY, refused by name
	PrivateKey    *PrivateKeyDef
	Format        string // of FROM FILE … WITH FORMAT = 'PFX'
	// ActiveForBeginDialog is nil when not said.
	ActiveForBeginDialog *bool
}

// AlterCertificate is ALTER CERTIFICATE.
type AlterCertificate struct {
	Pos
	Name                 string
	RemovePrivateKey     bool
	PrivateKey           *PrivateKeyDef
	ActiveForBeginDialog *bool
}

// DropCertificate is DROP CERTIFICATE.
type DropCertificate struct {
	Pos
	Name     string
	IfExists bool
}

// BackupCertificate is BACKUP CERTIFICATE n TO FILE = ….
type BackupCertificate struct {
	Pos
	Name, File string
	Format     string // "DER", "PFX" or ""
	PrivateKey *PrivateKeyDef
}

// CreateEndpoint is CREATE ENDPOINT or ALTER ENDPOINT; of the latter everything may be absent.
type CreateEndpoint struct {
	Pos
	Alter       bool
	Name, Owner string
	State       string // "STARTED", "STOPPED", "DISABLED" or ""
	TCP         *EndpointTCP
	// Protocol is that of AS: "TCP", or another that is refused; "" when absent.
	Protocol string
	// Payload is that of FOR: "DATABASE_MIRRORING", or "TSQL", "SERVICE_BROKER", "SOAP", which are refused; "" when absent.
	Payload   string
	Mirroring *EndpointMirroring
}

// EndpointTCP is AS TCP (…).
type EndpointTCP struct {
	Pos
	Port *int // LISTENER_PORT; nil when absent
	// IP is LISTENER_IP: "ALL", an address as written, or "" when absent.
	IP string
}

// EndpointMirroring is FOR DATABASE_MIRRORING (…).
type EndpointMirroring struct {
	Pos
	// Authentication lists the ways in order of trial; nil when absent. At most one of each kind.
	Authentication []EndpointAuth
	// Encryption is "DISABLED", "SUPPORTED", "REQUIRED" or "".
	Encryption string
	// Algorithms are "AES" and "RC4" in the order given; empty when not said.
	Algorithms []string
	Role       string // "WITNESS", "PARTNER", "ALL" or ""
}

// EndpointAuth is one way of AUTHENTICATION.
type EndpointAuth struct {
	Pos
	// Kind is "WINDOWS" or "CERTIFICATE".
	Kind string
	// Windows is "NTLM", "KERBEROS", "NEGOTIATE" or "" of WINDOWS.
	Windows string
	// Certificate is the name of CERTIFICATE.
	Certificate string
}

// DropEndpoint is DROP ENDPOINT.
type DropEndpoint struct {
	Pos
	Name     string
	IfExists bool
}

func (*CreateMasterKey) statement()   {}
func (*AlterMasterKey) statement()    {}
func (*OpenMasterKey) statement()     {}
func (*CloseMasterKey) statement()    {}
func (*DropMasterKey) statement()     {}
func (*BackupMasterKey) statement()   {}
func (*RestoreMasterKey) statement()  {}
func (*CreateCertificate) statement() {}
func (*AlterCertificate) statement()  {}
func (*DropCertificate) statement()   {}
func (*BackupCertificate) statement() {}
func (*CreateEndpoint) statement()    {}
func (*DropEndpoint) statement()      {}
