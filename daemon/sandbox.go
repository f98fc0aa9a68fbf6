package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// The names in a sandbox.
const (
	SandboxSource = "sqlserver1"
	SandboxTarget = "sqlmi1"
)

// SandboxOptions say where a sandbox lies and answers. Zero ports pick free ones; see DefaultSandbox.
type SandboxOptions struct {
	// Dir holds everything.
	Dir string
	// SourceAddress and TargetAddress are the two servers' addresses.
	SourceAddress, TargetAddress    string
	SQLPort, MirroringPort, ARMPort int
	// NoSync turns durability off.
	NoSync bool
}

// DefaultSandbox mirrors the real ports, on two loopback addresses.
func DefaultSandbox(dir string) SandboxOptions {
	return SandboxOptions{Dir: dir, SourceAddress: "127.0.0.1", TargetAddress: "127.0.0.2", SQLPort: 1433, MirroringPort: 5022, ARMPort: 8443}
}

// Sandbox is a source, a managed instance and its ARM endpoint in one process.
type Sandbox struct {
	Source, Target *Daemon
	ready          SandboxReady
	// Notes are what the user should know: an address that could not be had, for one.
	Notes []string
}

// SandboxReady is where a sandbox answers; "linkspan sandbox up --json" prints it.
type SandboxReady struct {
	Source SandboxServer `json:"source"`
	Target SandboxServer `json:"target"`
	ARM    SandboxARM    `json:"arm"`
	// Credentials is the file, mode 0600, with the passwords and the client secret. Secrets is a folder with the same as one
	// file each: source, target, arm.
	Credentials string `json:"credentials"`
	Secrets     string `json:"secrets"`
	// Share is the folder that the source's backups go to when a statement names none; Storage is one that the managed
	// instance restores from.
	Share   string `json:"share"`
	Storage string `json:"storage"`
}

// SandboxServer is one of the two servers.
type SandboxServer struct {
	Name    string `json:"name"`
	FQDN    string `json:"fqdn,omitempty"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	User    string `json:"user"`
	// MirroringPort is free for the endpoint that a link needs; a managed instance has its own there.
	MirroringPort int `json:"mirroringPort"`
}

// SandboxARM is the ARM endpoint.
type SandboxARM struct {
	URL           string `json:"url"`
	CA            string `json:"ca"`
	Tenant        string `json:"tenant"`
	ClientID      string `json:"clientId"`
	Subscription  string `json:"subscription"`
	ResourceGroup string `json:"resourceGroup"`
}

// sandboxCredentials is the content of a sandbox's credentials file.
type sandboxCredentials struct {
	Source sqlCredentials `json:"source"`
	Target sqlCredentials `json:"target"`
	ARM    armCredentials `json:"arm"`
}

// StartSandbox starts both servers, making them at the first start.
func StartSandbox(ctx context.Context, o SandboxOptions, log *slog.Logger) (*Sandbox, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	s := &Sandbox{}
	targetPort := o.SQLPort
	if !bindable(o.TargetAddress) {
		s.Notes = append(s.Notes, fmt.Sprintf("the address %s cannot be bound here, so both servers are on %s with different ports", o.TargetAddress, o.SourceAddress))
		o.TargetAddress = o.SourceAddress
		if o.SQLPort != 0 {
			targetPort = o.SQLPort + 1
		}
	}
	source, target := sandboxConfigs(o, targetPort)
	creds, err := openSecret(filepath.Join(dir, "credentials.json"), func() (sandboxCredentials, error) { return freshSandbox(target.ARM) })
	if err != nil {
		return nil, err
	}
	source.Password, target.Password, target.ARM.ClientSecret = creds.Source.Password, creds.Target.Password, creds.ARM.ClientSecret
	if err := prepareSandbox(o, creds); err != nil {
		return nil, err
	}
	if err := s.startBoth(ctx, source, target, log); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.describe(o, creds)
	return s, nil
}

// bindable tells whether a port can be opened at the address (only Linux gives every loopback address away unasked).
func bindable(address string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// freePort suggests a port for the endpoint that a link will make; 0 when there is none to be had.
func freePort(address string) int {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return 0
	}
	defer func() { _ = l.Close() }() // only its number was wanted
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return a.Port
}

func freshSandbox(a *ARMConfig) (sandboxCredentials, error) {
	source, err1 := freshSQL()
	target, err2 := freshSQL()
	arm, err3 := freshARM(a)
	return sandboxCredentials{Source: source, Target: target, ARM: arm}, errors.Join(err1, err2, err3)
}

// The folders in a sandbox's.
const (
	sandboxShare   = "share"
	sandboxStorage = "storage"
	sandboxSecrets = "secrets"
)

// prepareSandbox makes the folders for backups, and writes each secret into a file of its own, as the specs of migrations
// want them.
func prepareSandbox(o SandboxOptions, creds sandboxCredentials) error {
	var errs []error
	for _, name := range []string{sandboxShare, sandboxStorage} {
		errs = append(errs, os.MkdirAll(filepath.Join(o.Dir, name), 0o700))
	}
	for name, secret := range map[string]string{"source": creds.Source.Password, "target": creds.Target.Password, "arm": creds.ARM.ClientSecret} {
		errs = append(errs, writeSecret(filepath.Join(o.Dir, sandboxSecrets, name), []byte(secret+"\n")))
	}
	return errors.Join(errs...)
}

func sandboxConfigs(o SandboxOptions, targetPort int) (source, target Config) {
	mirroring := o.MirroringPort
	hosts := map[string]string{SandboxTarget + ".linkspan.test": o.TargetAddress, SandboxSource: o.SourceAddress}
	durability := "full"
	if o.NoSync {
		durability = "none"
	}
	source = Config{Name: SandboxSource, Kind: KindSQLServer, Dir: filepath.Join(o.Dir, SandboxSource), CA: o.Dir, Durability: durability,
		Listen: net.JoinHostPort(o.SourceAddress, strconv.Itoa(o.SQLPort)), Addresses: []string{o.SourceAddress}, Hosts: hosts}
	target = Config{Name: SandboxTarget, Kind: KindManagedInstance, Dir: filepath.Join(o.Dir, SandboxTarget), CA: o.Dir, Durability: durability,
		Listen: net.JoinHostPort(o.TargetAddress, strconv.Itoa(targetPort)), Addresses: []string{o.TargetAddress}, Hosts: hosts,
		MirroringPort: &mirroring, ARM: &ARMConfig{Listen: net.JoinHostPort("localhost", strconv.Itoa(o.ARMPort))}}
	share, storage := filepath.Join(o.Dir, sandboxShare), filepath.Join(o.Dir, sandboxStorage)
	source.Backups = []string{share, filepath.Join(source.Dir, "backup")}
	target.Backups = []string{filepath.Join(target.Dir, "backup"), storage, share}
	source.fillDefaults()
	target.fillDefaults()
	return source, target
}

// startBoth starts the servers side by side; the authority is made first, since they share it.
func (s *Sandbox) startBoth(ctx context.Context, source, target Config, log *slog.Logger) error {
	if _, err := openAuthority(source.CA, now()); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var err1, err2 error
	wg.Go(func() { s.Source, err1 = Start(ctx, source, log) })
	wg.Go(func() { s.Target, err2 = Start(ctx, target, log) })
	wg.Wait()
	return errors.Join(err1, err2)
}

func (s *Sandbox) describe(o SandboxOptions, creds sandboxCredentials) {
	source, target, a := s.Source.Ready(), s.Target.Ready(), s.Target.config.ARM
	mirroring := o.MirroringPort
	if mirroring == 0 {
		mirroring = freePort(o.SourceAddress)
	}
	targetMirroring := 0
	if e, ok := s.Target.instance.Replicas().Endpoint(); ok {
		targetMirroring = e.Port
	}
	s.ready = SandboxReady{
		Source: SandboxServer{Name: source.Name, Address: source.Address, Port: source.Port, User: creds.Source.User,
			MirroringPort: mirroring},
		Target: SandboxServer{Name: target.Name, FQDN: target.FQDN, Address: target.Address, Port: target.Port, User: creds.Target.User,
			MirroringPort: targetMirroring},
		ARM: SandboxARM{URL: target.ARM, CA: target.CA, Tenant: a.Tenant, ClientID: a.ClientID, Subscription: a.Subscription,
			ResourceGroup: a.ResourceGroup},
		Credentials: filepath.Join(o.Dir, "credentials.json"), Secrets: filepath.Join(o.Dir, sandboxSecrets),
		Share: filepath.Join(o.Dir, sandboxShare), Storage: filepath.Join(o.Dir, sandboxStorage),
	}
}

// Ready tells where the sandbox answers.
func (s *Sandbox) Ready() SandboxReady { return s.ready }

// Stop stops both servers and waits. Idempotent.
func (s *Sandbox) Stop() error {
	var wg sync.WaitGroup
	var errs [2]error
	for i, d := range []*Daemon{s.Source, s.Target} {
		if d != nil {
			wg.Go(func() { errs[i] = d.Stop() })
		}
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}
