package migrate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
	"linkspan/media/azblob"
	"linkspan/media/smb"
	"linkspan/migrate/depot"
	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
	"linkspan/migrate/logins"
	"linkspan/migrate/replay"
	"linkspan/migrate/servers"
	"linkspan/migrate/share"
	"linkspan/sqlclient"
)

// parts are the two servers, the share and the storage of one activity. They connect when they are first asked.
type parts struct {
	spec    Spec
	secrets Secrets
	fs      fsx.FS
	clock   clock.Clock
	log     *slog.Logger
	reports string
	status  func(context.Context) (ledger.Status, error) // nil in a plan

	arm        *armclient.Client
	armOptions armclient.Options
	id         armtypes.InstanceID
	source     *servers.Server
	depot      *depot.Depot
	shares     map[Place]*share.Share // by their roots
	lanes      map[string]*lane       // by folded database
	logins     *logins.Logins

	blocks sync.Pool // of *[]byte: blocks are large, and many

	mu       sync.Mutex // protects what follows
	instance *armtypes.ManagedInstance
	target   *servers.Server
}

// lane is what belongs to one database.
type lane struct {
	spec   DatabaseSpec
	share  *share.Share
	folder string
	replay *replay.Target // made when the target was asked where it is
}

// openParts makes the parts of a spec whose paths are absolute. Nothing is asked of anybody.
func openParts(s Spec, secrets Secrets, o Options, status func(context.Context) (ledger.Status, error)) (*parts, error) {
	p := &parts{spec: s, secrets: secrets, fs: fsx.OS{}, clock: o.Clock, log: o.Log, reports: o.Reports, status: status,
		shares: map[Place]*share.Share{}, lanes: map[string]*lane{}}
	p.id, _ = armtypes.ParseInstanceID(s.Target.Instance) // Parse has read it
	for _, open := range []func(Options) error{p.openManagement, p.openSource, p.openStorage, p.openShares, p.openLogins} {
		if err := open(o); err != nil {
			return nil, errors.Join(fmt.Errorf("open migration %q: %w", s.Name, err), p.Close())
		}
	}
	return p, nil
}

func (p *parts) openManagement(Options) (err error) {
	t := p.spec.Target
	ca, err := p.authority(t.CA)
	if err != nil {
		return err
	}
	p.armOptions = armclient.Options{Endpoint: t.Endpoint, Tenant: t.Tenant, ClientID: t.ClientID, ClientSecret: p.secrets.ClientSecret, CA: ca}
	p.arm, err = armclient.New(p.armOptions)
	return err
}

func (p *parts) openSource(Options) (err error) {
	to, err := p.login(p.spec.Source.ServerSpec, p.spec.Source.Server, p.secrets.SourcePassword)
	if err != nil {
		return err
	}
	p.source, err = servers.Open(context.Background(), servers.Options{Target: to, At: flow.AtSource, Clock: p.clock, Log: p.log})
	return err
}

// login is one of the two servers as clients reach it.
func (p *parts) login(s ServerSpec, address, password string) (sqlclient.Target, error) {
	ca, err := p.authority(s.CA)
	return sqlclient.Target{Address: address, Port: s.Port, Host: s.Host, User: s.User, Password: password, CA: ca,
		TrustServerCertificate: s.TrustServerCertificate, AppName: "linkspan migrate"}, err
}

// authority reads a file of certificates; none for "".
func (p *parts) authority(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	return smallfile.Read(p.fs, file)
}

func (p *parts) openStorage(o Options) (err error) {
	st := p.spec.Storage
	options := depot.Options{Folder: st.Folder, Prefix: p.spec.Name, Limit: depot.NewLimit(int64(p.spec.Settings.BandwidthMiB)<<20, p.clock)}
	if st.Folder == "" {
		options.Blob = azblob.Options{Container: st.Container, SAS: p.secrets.StorageSAS, Client: o.Client}
		switch {
		case st.Account != "":
			options.Blob.Account, options.Blob.Key = st.Account, p.secrets.StorageKey
		case p.secrets.StorageSAS == "":
			if options.Blob.Token, err = p.armOptions.Credential(); err != nil { // the application that the target is asked as
				return err
			}
		}
	}
	p.depot, err = depot.New(options)
	return err
}

// openShares makes one source for each place, however many databases have their backups there.
func (p *parts) openShares(Options) error {
	for _, d := range p.spec.Databases {
		place, err := ParsePlace(d.Path)
		if err != nil {
			return err
		}
		root, folder := place, place.Folder
		root.Folder = "" // a server is logged in to once, however many folders there are
		if p.shares[root] == nil {
			s, err := share.New(share.Options{Local: root.Local, Clock: p.clock,
				SMB: smb.Options{Address: root.Address, Share: root.Share, User: p.spec.Share.User, Password: p.secrets.SharePassword}})
			if err != nil {
				return err
			}
			p.shares[root] = s
		}
		p.lanes[fold(d.Name)] = &lane{spec: d, share: p.shares[root], folder: folder}
	}
	return nil
}

// targetInstance asks the management API for the managed instance, once.
func (p *parts) targetInstance(ctx context.Context) (armtypes.ManagedInstance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.instance == nil {
		mi, err := p.arm.Instance(ctx, p.id)
		if err != nil {
			return armtypes.ManagedInstance{}, &flow.Hindrance{At: flow.AtTarget, What: "the managed instance " + p.id.Name + " could not be asked about", Err: err,
				Fix: "check target.instance, target.endpoint and that the application may read it (role SQL Managed Instance Contributor)"}
		}
		p.instance = &mi
	}
	return *p.instance, nil
}

// destination is the target as it takes T-SQL.
func (p *parts) destination(ctx context.Context) (*servers.Server, error) {
	to, err := p.targetLogin(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.target == nil {
		p.target, err = servers.Open(ctx, servers.Options{Target: to, At: flow.AtTarget, Clock: p.clock, Log: p.log})
	}
	return p.target, err
}

// targetLogin is where the target takes T-SQL: as the spec says, or the managed instance's own name.
func (p *parts) targetLogin(ctx context.Context) (sqlclient.Target, error) {
	address := p.spec.Target.SQL.Server
	if address == "" {
		mi, err := p.targetInstance(ctx)
		if err != nil {
			return sqlclient.Target{}, err
		}
		address = mi.Properties.FullyQualifiedDomainName
	}
	return p.login(p.spec.Target.SQL, address, p.secrets.TargetPassword)
}

// openLogins connects both sides for the logins, when they are first asked for.
func (p *parts) openLogins(Options) error {
	source, err := p.login(p.spec.Source.ServerSpec, p.spec.Source.Server, p.secrets.SourcePassword)
	if err != nil {
		return err
	}
	o := logins.Options{Scope: p.spec.Settings.Logins, Log: p.log, Source: logins.Dial(source),
		Target: func(ctx context.Context) (*sqlclient.Client, error) {
			t, err := p.targetLogin(ctx)
			if err != nil {
				return nil, err
			}
			return logins.Dial(t)(ctx)
		}}
	for _, d := range p.spec.Databases {
		o.Databases = append(o.Databases, logins.Pair{Source: d.Name, Target: d.Target})
	}
	p.logins = logins.New(o)
	return nil
}

// Logins implements engine.Works.
func (p *parts) Logins(ctx context.Context) ([]engine.Found, error) {
	list, err := p.logins.List(ctx)
	out := make([]engine.Found, len(list))
	for i, f := range list {
		out[i] = engine.Found(f)
	}
	return out, err
}

// Login implements engine.Works.
func (p *parts) Login(ctx context.Context, name string, stage flow.Stage) (string, error) {
	return p.logins.Do(ctx, name, stage)
}

// replays is the database on the target as the Log Replay Service has it.
func (p *parts) replays(ctx context.Context, l *lane) (*replay.Target, error) {
	mi, err := p.targetInstance(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.replay == nil {
		l.replay = replay.New(replay.Options{Client: p.arm, Instance: p.id, Location: mi.Location, Container: p.depot.Location(l.spec.Name),
			SAS: p.secrets.TargetSAS, Database: l.spec.Target})
	}
	return l.replay, nil
}

// tailFile is where the source writes the tail of a database's log, as the source itself reaches it.
func (p *parts) tailFile(l *lane, number int) string {
	name := fmt.Sprintf("%s_tail_%s_%d.trn", ownName(l.spec.Name), plainName(p.spec.Name), number)
	own := p.spec.Share.Path
	if p.spec.Share.Folders == perDatabase {
		own = inside(own, l.spec.Name)
	}
	at := p.spec.Share.Source
	switch place, _ := ParsePlace(l.spec.Path); { // Parse has read it
	case at != "" && l.spec.Path == own:
		if p.spec.Share.Folders == perDatabase {
			at = inside(at, l.spec.Name)
		}
		return inside(at, name)
	case place.Local != "":
		return filepath.Join(place.Local, name)
	default: // share.sourcePath is another place than this database's
		return place.UNC() + `\` + name
	}
}

// Close implements engine.Works.
func (p *parts) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.shares {
		errs = append(errs, s.Close())
	}
	for _, s := range []*servers.Server{p.source, p.target} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if p.logins != nil {
		errs = append(errs, p.logins.Close())
	}
	if p.arm != nil {
		p.arm.Close()
	}
	return errors.Join(errs...)
}

func fold(name string) string { return strings.ToLower(name) }

var unplain = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// ownName is a plain name that no other name has: tails of two databases are taken at the same moment, into one folder, and
// a file takes one of them.
func ownName(s string) string {
	plain := plainName(s)
	if plain == s {
		return s
	}
	mark := sha256.Sum256([]byte(fold(s)))
	return strings.TrimPrefix(fmt.Sprintf("%s-%x", plain, mark[:4]), "-")
}

// plainName is a name made of what every file system and URL takes.
func plainName(s string) string { return strings.Trim(unplain.ReplaceAllString(s, "-"), "-.") }
