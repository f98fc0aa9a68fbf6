package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/link/flow"
)

func newLinkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Make, watch, fail over and end links between a SQL Server and a managed instance",
		Long: `A link keeps a read-only copy of a database on a managed instance. These commands make and end links over
T-SQL and Azure's management API alone: of the embedded instances and of real ones.

What to link comes from a YAML spec (-f), from the line that "linkspan sandbox up --json" prints (--sandbox), or
from flags, which win. Secrets come from the environment (` + link.SourcePasswordVar + `, ` + link.ClientSecretVar + `,
` + link.MasterKeyPasswordVar + `), from files that the spec names, or from a credentials file (--credentials);
files that others can read are refused.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLinkPlanCommand(), newLinkCreateCommand(), newLinkStatusCommand(), newLinkFailoverCommand(), newLinkDeleteCommand(), newLinkListCommand())
	return c
}

// linkFlags are the flags that all link commands have.
type linkFlags struct {
	file, sandbox string
	spec          link.Spec // what flags set
	databases     []string
	one           link.LinkSpec // names for the one link that flags describe
	asJSON        bool
	timeout       time.Duration
}

func (f *linkFlags) register(c *cobra.Command) {
	l := c.Flags()
	l.StringVarP(&f.file, "file", "f", "", "the spec, a YAML `file` (docs/link-spec.md)")
	l.StringVar(&f.sandbox, "sandbox", "", "a `file` with the line that \"linkspan sandbox up --json\" printed")
	l.StringSliceVar(&f.databases, "database", nil, "the `database` to link; may be repeated")
	l.StringVar(&f.one.Name, "name", "", "the link's name (default DAG_<database>)")
	l.StringVar(&f.one.Group, "group", "", "the availability group on SQL Server (default AG_<database>)")
	l.StringVar(&f.one.InstanceAG, "instance-group", "", "the availability group on the managed instance (default AG_<database>_MI)")
	l.StringVar(&f.spec.Source.Address, "source", "", "SQL Server's `address`")
	l.IntVar(&f.spec.Source.Port, "source-port", 0, "its TDS port (default 1433)")
	l.StringVar(&f.spec.Source.Host, "source-host", "", "the name in its certificate (default the address)")
	l.StringVar(&f.spec.Source.CA, "source-ca", "", "a PEM `file` with the authority of its certificate")
	l.BoolVar(&f.spec.Source.TrustServerCertificate, "trust-server-certificate", false, "do not check that certificate")
	l.StringVar(&f.spec.Source.User, "source-user", "", "the login")
	l.StringVar(&f.spec.Source.MirroringAddress, "mirroring-address", "", "SQL Server's `address` as the managed instance reaches it (default --source)")
	l.IntVar(&f.spec.Source.MirroringPort, "mirroring-port", 0, "the port of a mirroring endpoint to make (default 5022)")
	l.StringVar(&f.spec.Target.Instance, "instance", "", "the managed instance's resource `id`")
	l.IntVar(&f.spec.Target.MirroringPort, "instance-mirroring-port", 0, "the managed instance's mirroring port (default 5022)")
	l.StringVar(&f.spec.Target.Endpoint, "arm-url", "", "a local management endpoint (default Azure)")
	l.StringVar(&f.spec.Target.CA, "arm-ca", "", "a PEM `file` with the authority of its certificate")
	l.StringVar(&f.spec.Target.Tenant, "tenant", "", "the service principal's tenant")
	l.StringVar(&f.spec.Target.ClientID, "client-id", "", "the service principal")
	l.StringVar(&f.spec.Credentials, "credentials", "", "a JSON `file` with user names and secrets of both sides")
	l.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	l.DurationVar(&f.timeout, "timeout", 0, "give up after this long; running the command again goes on (default never)")
}

// build puts the spec together: file, then sandbox, then flags.
func (f *linkFlags) build() (link.Spec, error) {
	var s link.Spec
	if f.file != "" {
		data, err := os.ReadFile(f.file)
		if err != nil {
			return s, usageError(fmt.Errorf("read spec: %w", err))
		}
		if s, err = link.ParseSpec(data); err != nil {
			return s, usageError(err)
		}
	}
	if f.sandbox != "" {
		if err := addSandbox(&s, f.sandbox); err != nil {
			return s, usageError(err)
		}
	}
	f.override(&s)
	return s, nil
}

// override puts the flags that were given over the spec.
func (f *linkFlags) override(s *link.Spec) {
	for _, p := range []struct {
		to   *string
		from string
	}{
		{&s.Source.Address, f.spec.Source.Address}, {&s.Source.Host, f.spec.Source.Host}, {&s.Source.CA, f.spec.Source.CA}, {&s.Source.User, f.spec.Source.User},
		{&s.Source.MirroringAddress, f.spec.Source.MirroringAddress}, {&s.Target.Instance, f.spec.Target.Instance}, {&s.Target.Endpoint, f.spec.Target.Endpoint},
		{&s.Target.CA, f.spec.Target.CA}, {&s.Target.Tenant, f.spec.Target.Tenant}, {&s.Target.ClientID, f.spec.Target.ClientID}, {&s.Credentials, f.spec.Credentials},
	} {
		if p.from != "" {
			*p.to = p.from
		}
	}
	for _, p := range []struct {
		to   *int
		from int
	}{{&s.Source.Port, f.spec.Source.Port}, {&s.Source.MirroringPort, f.spec.Source.MirroringPort}, {&s.Target.MirroringPort, f.spec.Target.MirroringPort}} {
		if p.from != 0 {
			*p.to = p.from
		}
	}
	s.Source.TrustServerCertificate = s.Source.TrustServerCertificate || f.spec.Source.TrustServerCertificate
	if len(f.databases) > 0 {
		s.Links = nil
		for _, d := range f.databases {
			l := f.one
			l.Database = d
			s.Links = append(s.Links, l)
		}
	}
}

// check reports what is wrong with the spec, as a mistake of usage.
func (f *linkFlags) check(s link.Spec) error {
	if len(s.Links) > 1 && (f.one.Name != "" || f.one.Group != "" || f.one.InstanceAG != "") {
		return usageError(errors.New("--name, --group and --instance-group name one link: give one --database with them"))
	}
	if err := s.Validate(); err != nil {
		return usageError(fmt.Errorf("the spec is not complete:\n%w", err))
	}
	return nil
}

// sandboxLine is what "linkspan sandbox up --json" prints.
type sandboxLine struct {
	Source struct {
		Address             string
		Port, MirroringPort int
	}
	ARM struct {
		URL, CA, Tenant, ClientID, Subscription, ResourceGroup string
	}
	Target struct {
		Name, FQDN, Address string
		Port, MirroringPort int
	}
	Credentials, Secrets, Share, Storage string
}

// sandboxStart is how long a sandbox that is being started is waited for.
const sandboxStart = 15 * time.Second

// readSandbox reads that line. An empty file is one to which a sandbox that is starting will write.
func readSandbox(file string) (sandboxLine, error) {
	var l sandboxLine
	data, err := os.ReadFile(file)
	for end := clock.System.Now().Add(sandboxStart); err == nil && len(data) == 0 && clock.System.Now().Before(end); data, err = os.ReadFile(file) {
		later, stop := clock.System.After(50 * time.Millisecond)
		<-later
		stop()
	}
	if err != nil {
		return l, fmt.Errorf("read sandbox: %w", err)
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return l, fmt.Errorf("read sandbox: %s is not the line that \"linkspan sandbox up --json\" prints: %w", file, err)
	}
	return l, nil
}

// instance is the managed instance's resource id.
func (l sandboxLine) instance() string {
	return "/subscriptions/" + l.ARM.Subscription + "/resourceGroups/" + l.ARM.ResourceGroup + "/providers/Microsoft.Sql/managedInstances/" + l.Target.Name
}

// addSandbox fills a spec from that line.
func addSandbox(s *link.Spec, file string) error {
	l, err := readSandbox(file)
	if err != nil {
		return err
	}
	s.Source.Address, s.Source.Port, s.Source.CA = l.Source.Address, l.Source.Port, l.ARM.CA
	s.Source.MirroringPort, s.Target.MirroringPort = l.Source.MirroringPort, l.Target.MirroringPort
	s.Target.SQL = link.TargetSQLSpec{Address: l.Target.Address, Port: l.Target.Port, Host: l.Target.FQDN, CA: l.ARM.CA}
	s.Target.Endpoint, s.Target.CA, s.Credentials = l.ARM.URL, l.ARM.CA, l.Credentials
	s.Target.Instance = l.instance()
	return nil
}

// open connects as the flags say. The context ends with the timeout.
func (f *linkFlags) open(c *cobra.Command, o link.Options) (context.Context, *link.Session, func(), error) {
	s, err := f.build()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := f.check(s); err != nil {
		return nil, nil, nil, err
	}
	secrets, err := s.Secrets(fsx.OS{}, os.Getenv)
	if err != nil {
		return nil, nil, nil, usageError(err)
	}
	ctx, cancel := c.Context(), func() {}
	if f.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
	}
	session, err := link.Open(ctx, s, secrets, fsx.OS{}, o)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, session, func() {
		_ = session.Close() // everything was answered
		cancel()
	}, nil
}

// linkError gives an error its exit code: a refusal is 3.
func linkError(err error) error {
	var refusal *flow.Refusal
	if errors.As(err, &refusal) {
		return refusedError(err)
	}
	return err
}
