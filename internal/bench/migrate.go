package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
	"linkspan/media/azblob"
	"linkspan/media/mediatest"
	"linkspan/media/smb"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// mover is a pair with its backups on a file server and storage in an emulator, and the service of migrations in this
// process.
type mover struct {
	b            *bench
	s            *stage
	p            *pair
	share        *mediatest.Samba
	container    string
	ours, theirs string
	master       *sql.DB
	service      *migrate.Service
}

const moved = "shop"

var benchWho = migrate.Who{Name: "bench", From: "console"}

// migrations measures a migration by backups: the copy of a large full backup, a small log, the cutover.
func (b *bench) migrations(ctx context.Context) error {
	var rate, base, small, pause []float64
	err := b.perform(ctx, func(s *stage) error {
		for range b.samples {
			m, err := b.startMover(ctx, s)
			if err != nil {
				return err
			}
			err = m.walk(ctx, &rate, &base, &small, &pause)
			if err := errors.Join(err, m.close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(b.report("migrate_pipeline_MBps", "MB/s", rate, "smb_read_or_blob_write_MBps", base),
		b.report("migrate_small_log_s", "s", small, "", nil), b.report("cutover_pause_s", "s", pause, "", nil))
}

// startMover starts everything, with a full backup on the share.
func (b *bench) startMover(ctx context.Context, s *stage) (*mover, error) {
	m := &mover{b: b, s: s}
	m.share = mediatest.StartSamba(s, mediatest.SambaOptions{})
	a := mediatest.StartAzurite(s)
	client, address, ours := a.Container(s, "move", sas.ContainerPermissions{Read: true, Write: true, Create: true, List: true})
	theirs, err := client.GetSASURL(sas.ContainerPermissions{Read: true, List: true}, clock.System.Now().Add(time.Hour), nil)
	if err != nil {
		return nil, err
	}
	m.container, m.ours = address, ours
	_, m.theirs, _ = strings.Cut(theirs, "?")
	if m.p, err = b.startPair(ctx, filepath.Base(s.TempDir()), fmt.Sprintf("backups: [%s]\n", m.share.Folder)); err != nil {
		return nil, err
	}
	s.Cleanup(m.p.close)
	db, err := database(ctx, m.p.source.login, moved)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	mib := backupMiB
	if b.short {
		mib = 64
	}
	if err := fillBlobs(ctx, db, mib); err != nil {
		return nil, err
	}
	if m.master, err = harness.OpenSQL(m.p.source.login, "master"); err != nil {
		return nil, err
	}
	return m, m.backup(ctx, "DATABASE", "full.bak")
}

func (m *mover) backup(ctx context.Context, what, file string) error {
	_, err := m.master.ExecContext(ctx, fmt.Sprintf("BACKUP %s [%s] TO DISK = '%s' WITH CHECKSUM", what, moved, filepath.Join(m.share.Folder, file)))
	return err
}

func (m *mover) close() error {
	var err error
	if m.service != nil {
		err = m.service.Close()
	}
	return errors.Join(err, m.master.Close())
}

// walk is one migration from the first byte to the cutover.
func (m *mover) walk(ctx context.Context, rate, base, small, pause *[]float64) error {
	raw, err := m.raw(ctx)
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	*base = append(*base, raw)
	if err := m.begin(ctx); err != nil {
		return err
	}
	copied, err := m.copied(ctx)
	if err != nil {
		return err
	}
	*rate = append(*rate, copied)
	took, err := m.smallLog(ctx)
	if err != nil {
		return err
	}
	*small = append(*small, took)
	if err := m.service.Cutover(ctx, moved, nil, migrate.CutoverOptions{Apply: true}, benchWho); err != nil {
		return err
	}
	d, err := m.until(ctx, func(d ledger.Database) bool { return d.State == flow.Completed })
	if err == nil && d.Cutover != nil {
		*pause = append(*pause, d.Cutover.PauseSeconds)
	}
	return err
}

// raw is the slower of reading the full backup from the share and writing as many bytes to the container, in MB a second.
func (m *mover) raw(ctx context.Context) (float64, error) {
	src, err := smb.Open(ctx, smb.Options{Address: m.share.Address, Share: m.share.Share, User: m.share.User, Password: m.share.Password})
	if err != nil {
		return 0, err
	}
	defer func() { _ = src.Close() }()
	f, err := src.Open(ctx, "full.bak")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	start := clock.System.Now()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(f, 0, f.Size())}, make([]byte, 8<<20))
	if err != nil {
		return 0, err
	}
	read := float64(n) / 1e6 / time.Since(start).Seconds()
	dst, err := azblob.New(azblob.Options{Container: m.container, SAS: m.ours})
	if err != nil {
		return 0, err
	}
	start = clock.System.Now()
	up := dst.Create(ctx, "raw")
	local, err := os.Open(filepath.Join(m.share.Folder, "full.bak"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = local.Close() }()
	if _, err := io.CopyBuffer(struct{ io.Writer }{up}, struct{ io.Reader }{local}, make([]byte, 8<<20)); err != nil {
		return 0, err
	}
	if err := up.Commit(); err != nil {
		return 0, err
	}
	return min(read, float64(n)/1e6/time.Since(start).Seconds()), nil
}

// begin plans and starts the migration and the service.
func (m *mover) begin(ctx context.Context) error {
	dir := m.s.TempDir()
	secrets, err := m.secrets()
	if err != nil {
		return err
	}
	m.service, err = migrate.Open(ctx, migrate.Options{State: filepath.Join(dir, "state"), Env: func(name string) string { return secrets[name] }})
	if err != nil {
		return err
	}
	spec, err := m.specText(fmt.Sprintf("{path: 'smb://%s/%s', sourcePath: %s, user: %s}", m.share.Address, m.share.Share, m.share.Folder, m.share.User),
		fmt.Sprintf("{container: '%s'}", m.container), "{name: "+moved+"}")
	if err != nil {
		return err
	}
	if err := m.service.Engage(ctx); err != nil {
		return err
	}
	_, err = m.service.Start(ctx, migrate.SpecSource{Text: []byte(spec), Base: dir}, benchWho)
	var blocked *migrate.BlockedError
	if errors.As(err, &blocked) {
		return fmt.Errorf("%w: %+v", err, blocked.Plan.Findings)
	}
	return err
}

// secrets are what a spec does not hold, by the names of their variables.
func (m *mover) secrets() (map[string]string, error) {
	var arm struct{ ClientSecret string }
	data, err := os.ReadFile(filepath.Join(m.p.dir, "sqlmi1", "data", "arm.json"))
	if err == nil {
		err = json.Unmarshal(data, &arm)
	}
	return map[string]string{migrate.SourcePasswordVar: m.p.source.login.Password, migrate.TargetPasswordVar: m.p.target.login.Password,
		migrate.SharePasswordVar: m.share.Password, migrate.StorageSASVar: m.ours, migrate.TargetSASVar: m.theirs, migrate.ClientSecretVar: arm.ClientSecret}, err
}

// specText is a spec with these lines of share, storage and databases.
func (m *mover) specText(share, storage, databases string) (string, error) {
	source, target := m.p.source.login, m.p.target.login
	text := fmt.Sprintf(`name: %s
source: {server: %s, port: %d, ca: %s, user: sa}
share: %s
storage: %s
target:
  instance: /subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1
  endpoint: "https://localhost:%d"
  ca: %s
  tenant: 00000000-0000-4000-8000-000000000001
  clientId: 00000000-0000-4000-8000-000000000003
  sql: {server: %s, port: %d, ca: %s, user: sa}
databases: [%s]
`, moved, source.Address, source.Port, source.CA, share, storage, m.p.arm, source.CA, target.Address, target.Port, target.CA, databases)
	_, err := migrate.Parse([]byte(text))
	return text, err
}

// until polls the status.
func (m *mover) until(ctx context.Context, ok func(ledger.Database) bool) (ledger.Database, error) {
	for {
		s, err := m.service.Status(ctx, moved, true)
		if err != nil {
			return ledger.Database{}, err
		}
		d := s.Databases[0]
		if ok(d) || d.State == flow.Failed {
			if d.State == flow.Failed {
				err = errors.New(d.Reason)
			}
			return d, err
		}
		tick, stop := clock.System.After(10 * time.Millisecond)
		select {
		case <-tick:
		case <-ctx.Done():
			err = ctx.Err()
		}
		stop()
		if err != nil {
			return d, err
		}
	}
}

// copied is the rate of the full backup's copy, from the timeline's own times.
func (m *mover) copied(ctx context.Context) (float64, error) {
	if _, err := m.until(ctx, func(d ledger.Database) bool { return d.State == flow.LogsUploading }); err != nil {
		return 0, err
	}
	entries, err := m.service.Timeline(ctx, moved, "", 0, 1000)
	if err != nil {
		return 0, err
	}
	var began, ended time.Time
	for _, e := range entries {
		switch {
		case e.Kind == "State" && strings.HasSuffix(e.Text, " "+string(flow.FullUploading)) && began.IsZero():
			began = e.At
		case e.Kind == "State" && strings.HasSuffix(e.Text, " "+string(flow.FullUploaded)):
			ended = e.At
		}
	}
	return megabytes(filepath.Join(m.share.Folder, "full.bak"), ended.Sub(began))
}

// smallLog is how long a small log takes from the end of its backup until it is restored on the target.
func (m *mover) smallLog(ctx context.Context) (float64, error) {
	if _, err := m.master.ExecContext(ctx, "INSERT "+moved+".dbo.blobs(b) VALUES (0x01)"); err != nil { // a log that holds nothing is not needed
		return 0, err
	}
	if err := m.backup(ctx, "LOG", "log.trn"); err != nil {
		return 0, err
	}
	start := clock.System.Now()
	_, err := m.until(ctx, func(d ledger.Database) bool { return d.LastRestored == "log.trn" })
	return time.Since(start).Seconds(), err
}

// planned is how many databases are planned at once.
const planned = 500

// planMany measures the plan of many databases, each with a full backup in a folder of its own.
func (b *bench) planMany(ctx context.Context) error {
	n := planned
	if b.short {
		n = 20
	}
	var took []float64
	err := b.perform(ctx, func(s *stage) error {
		m := &mover{b: b, s: s, share: &mediatest.Samba{Folder: s.TempDir()}}
		var err error
		if m.p, err = b.startPair(ctx, filepath.Base(s.TempDir()), fmt.Sprintf("backups: [%s]\ndurability: none\n", m.share.Folder)); err != nil {
			return err
		}
		s.Cleanup(m.p.close)
		if m.master, err = harness.OpenSQL(m.p.source.login, "master"); err != nil {
			return err
		}
		names, err := m.many(ctx, n)
		if err != nil {
			return err
		}
		spec, err := m.planSpec(names)
		if err != nil {
			return err
		}
		for range b.samples {
			t, err := m.timedPlan(ctx, spec, n)
			if err != nil {
				return err
			}
			took = append(took, t)
		}
		return m.master.Close()
	})
	if err != nil {
		return err
	}
	return b.report("migrate_plan_500_s", "s", took, "", nil)
}

// many makes databases, each with a full backup in its folder.
func (m *mover) many(ctx context.Context, n int) ([]string, error) {
	var names []string
	for i := range n {
		name := fmt.Sprintf("db%03d", i)
		folder := filepath.Join(m.share.Folder, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, err
		}
		for _, statement := range []string{"CREATE DATABASE [" + name + "]", fmt.Sprintf("BACKUP DATABASE [%s] TO DISK = '%s' WITH CHECKSUM", name, filepath.Join(folder, "full.bak"))} {
			if _, err := m.master.ExecContext(ctx, statement); err != nil {
				return nil, err
			}
		}
		names = append(names, "{name: "+name+"}")
	}
	return names, nil
}

// planSpec writes the spec of all of them.
func (m *mover) planSpec(names []string) (string, error) {
	dir := m.s.TempDir()
	text, err := m.specText("{path: "+m.share.Folder+", folders: perDatabase}", "{folder: "+dir+"}", strings.Join(names, ", "))
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "many.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// timedPlan is the seconds that the command takes.
func (m *mover) timedPlan(ctx context.Context, spec string, n int) (float64, error) {
	secrets, err := m.secrets()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, m.b.program, "migrate", "plan", spec, "--json")
	cmd.Env = os.Environ()
	for name, value := range secrets {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	start := clock.System.Now()
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("plan: %w: %.2000s", err, out)
	}
	took := time.Since(start).Seconds()
	var plan migrate.Plan
	if err := json.Unmarshal(out, &plan); err != nil {
		return 0, err
	}
	for _, d := range plan.Databases {
		if d.Full == "" {
			return 0, fmt.Errorf("no full backup of %s was found", d.Name)
		}
	}
	if len(plan.Databases) != n {
		return 0, fmt.Errorf("%d databases in the plan", len(plan.Databases))
	}
	return took, nil
}
