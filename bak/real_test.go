package bak_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
)

// realBackups is the folder of real SQL Server backups beside the repository. Tests that read it skip when it is absent.
func realBackups(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "shared", "backups"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skipf("no real backups beside the repository: %v", err)
	}
	return dir
}

type manifestSet struct {
	Position                                                       int
	BackupSetGUID, BackupName, UserName                            string
	SSETattr                                                       uint32
	Type                                                           string
	Flags                                                          uint32
	SoftwareVersion, DatabaseName, ServerName                      string
	DatabaseVersion, Compat                                        int
	DatabaseCreationDate, BackupStartDate, BackupFinishDate        string
	BackupSize                                                     int64
	FirstLSN, LastLSN, CheckpointLSN, DatabaseBackupLSN, BindingID string
	DiffBaseLSN, DiffBaseGUID, FamilyGUID, RecoveryForkID          string
	RecoveryModel                                                  string
}

type manifestEntry struct {
	File      string `json:"file"`
	Size      int64  `json:"size"`
	Container string `json:"container"`
	Media     struct {
		MediaSetGUID string
		FamilyCount  int `json:"family_count"`
		FamilySeq    int `json:"family_seq"`
	} `json:"media"`
	Sets   []manifestSet  `json:"sets"`
	Verify map[string]int `json:"verify"`
}

func manifest(t testing.TB) (string, []manifestEntry) {
	t.Helper()
	dir := realBackups(t)
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []manifestEntry
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 38 {
		t.Fatalf("manifest lists %d files", len(all))
	}
	return dir, all
}

// openReal opens one file; the test closes it.
func openReal(t testing.TB, name string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}

func asManifest(s *bak.Set) manifestSet {
	date := func(t time.Time) string { return t.Format("2006-01-02T15:04:05") }
	return manifestSet{Position: s.Position, BackupSetGUID: s.SetGUID.String(), BackupName: s.Name, UserName: s.User, SSETattr: s.SetAttributes,
		Type: string(s.Type), Flags: s.Flags, SoftwareVersion: s.SoftwareVersion(), DatabaseName: s.Database, ServerName: s.Server,
		DatabaseVersion: int(s.DatabaseVersion), Compat: int(s.Compatibility), DatabaseCreationDate: date(s.DatabaseCreated),
		BackupStartDate: date(s.Started), BackupFinishDate: date(s.Finished), BackupSize: s.Size, FirstLSN: s.FirstLSN.Decimal(), LastLSN: s.LastLSN.Decimal(),
		CheckpointLSN: s.CheckpointLSN.Decimal(), DatabaseBackupLSN: s.DatabaseBackupLSN.Decimal(), BindingID: s.BindingID.String(),
		DiffBaseLSN: s.DifferentialBase.Decimal(), DiffBaseGUID: s.DifferentialBaseGUID.String(), FamilyGUID: s.FamilyGUID.String(),
		RecoveryForkID: s.RecoveryForkID.String(), RecoveryModel: s.RecoveryModel()}
}

func TestRealHeadersEqualTheManifest(t *testing.T) {
	t.Parallel()
	dir, all := manifest(t)
	for _, e := range all {
		t.Run(e.File, func(t *testing.T) {
			t.Parallel()
			f, size := openReal(t, filepath.Join(dir, e.File))
			c, err := bak.OpenContent(f, size, bak.Options{})
			if err != nil {
				t.Fatal(err)
			}
			at, err := bak.ReadMedia(c, bak.Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkMedia(t, e, at)
			if _, err := f.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			stream, err := bak.ReadMediaStream(f, bak.Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkMedia(t, e, stream)
		})
	}
}

func checkMedia(t *testing.T, e manifestEntry, m *bak.Media) {
	t.Helper()
	if got := m.Container.String(); got != e.Container {
		t.Errorf("container %s, want %s", got, e.Container)
	}
	fam := m.Family
	if fam.MediaSet.String() != e.Media.MediaSetGUID || fam.Count != e.Media.FamilyCount || fam.Sequence != e.Media.FamilySeq {
		t.Errorf("family %+v, want %+v", fam, e.Media)
	}
	if fam.Software != "Microsoft SQL Server" || fam.Vendor != 4608 {
		t.Errorf("software %q, vendor %d", fam.Software, fam.Vendor)
	}
	var got []manifestSet
	for _, s := range m.Sets {
		got = append(got, asManifest(s))
		if !s.Ended || !s.Final {
			t.Errorf("set %d: ended %v, final %v", s.Position, s.Ended, s.Final)
		}
	}
	if d := cmp.Diff(e.Sets, got); d != "" {
		t.Errorf("sets (-manifest +read):\n%s", d)
	}
}
