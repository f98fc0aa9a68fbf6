package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"linkspan/armtypes"
	"linkspan/migrate/flow"
)

// The service's answers, each with its own words.
func TestRefusals(t *testing.T) {
	t.Parallel()
	x := New(Options{Instance: armtypes.InstanceID{Subscription: "s", ResourceGroup: "rg", Name: "mi"}, Database: "db"})
	for says, e := range map[string]*armtypes.Error{
		"SQL Managed Instance Contributor": armtypes.Errorf(403, "AuthorizationFailed", "The client does not have authorization to perform action"),
		"key: it may have expired":         armtypes.Errorf(401, "InvalidAuthenticationToken", "expired"),
		"subscription s is not there":      armtypes.Errorf(404, "SubscriptionNotFound", "x"),
		"no resource group rg":             armtypes.Errorf(404, "ResourceGroupNotFound", "x"),
		"no managed instance mi in rg":     armtypes.Errorf(404, "ResourceNotFound", "x"),
		"as many databases as it can":      armtypes.Errorf(409, "TooManyLogReplays", "x"),
		"(sp=rl)":                          armtypes.Errorf(400, "InvalidParameterValue", "The shared access signature gives the rights 'rwl'"),
		"cannot read the storage":          armtypes.Errorf(400, "StorageContainerNotAccessible", "x"),
		"refuses the request":              armtypes.Errorf(500, "InternalServerError", "x"),
	} {
		err := x.trouble(t.Context(), fmt.Errorf("ask: %w", e))
		var h *flow.Hindrance
		if !errors.As(err, &h) || h.At != flow.AtTarget || h.Fix == "" || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), e.Message) {
			t.Errorf("%s: %v", e.Code, err)
		}
	}
	for says, e := range map[string]*armtypes.Error{
		"that is not this migration's": armtypes.Errorf(409, "DatabaseAlreadyExists", "x"),
		"another name":                 armtypes.Errorf(400, "InvalidParameterValue", "The container or folder is called 'backup': the Log Replay Service refuses the names backup and backups"),
	} {
		if err := x.trouble(t.Context(), e); !errors.As(err, new(*flow.Halt)) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", e.Code, err)
		}
	}
}

func set(name, status string) armtypes.ReplaySet {
	return armtypes.ReplaySet{FirstStripeName: name, Status: status}
}

// What the details say, as the migration has it; files of other names are nobody's business.
func TestRestoreOf(t *testing.T) {
	t.Parallel()
	name := func(id string) string { return id + "_1of1_0123456789ab.trn" }
	r := restoreOf(&armtypes.RestoreProperties{Status: "Restoring", BlockReason: "blocked", CurrentRestoringFile: name("c"), LastRestoredFileName: "folder/" + name("b"),
		FullBackupSets: []armtypes.ReplaySet{set(name("a"), "Restored")}, DifferentialBackupSets: []armtypes.ReplaySet{set("theirs.diff", "Restored")},
		LogBackupSets:     []armtypes.ReplaySet{set(name("c"), "Restoring"), set(name("d"), "Queued")},
		UnrestorableFiles: []armtypes.BadFile{{Name: "letter.txt", Reason: "no backup"}, {Name: name("a"), Reason: "old"}, {Name: name("d"), Reason: "old"}, {Name: name("e")}}})
	if got := fmt.Sprintf("%v %s %s %s %v", r.Restored, r.Restoring, r.Unusable, r.Why, r.Opened); got != "[a b] c e blocked false" {
		t.Error(got)
	}
	if r := restoreOf(&armtypes.RestoreProperties{Status: "Completed"}); !r.Opened {
		t.Errorf("completed: %+v", r)
	}
}

// Whose a database is: by the tag; without one by the files' names.
func TestOwner(t *testing.T) {
	t.Parallel()
	x := New(Options{Container: "https://a/c/db/", Database: "DB"})
	same := New(Options{Container: "https://a/c/db", Database: "db"})
	other := New(Options{Container: "https://a/c/db2", Database: "db"})
	named := func(n string) *armtypes.RestoreProperties {
		return &armtypes.RestoreProperties{LastUploadedFileName: n}
	}
	for i, c := range []struct {
		tags map[string]string
		d    *armtypes.RestoreProperties
		want owner
	}{
		{map[string]string{"LinkspanMigration": same.tag}, nil, ours},
		{map[string]string{tagName: other.tag}, named("a_1of1_0123456789ab.trn"), others},
		{map[string]string{"team": "x"}, named("a_1of1_0123456789ab.trn"), ours},
		{nil, named("full.bak"), others},
		{nil, named(""), unknown},
		{nil, nil, unknown},
	} {
		if got := x.owner(c.tags, c.d); got != c.want {
			t.Errorf("case %d: %d, want %d", i, got, c.want)
		}
	}
}

// A target that is blocked is hindered when it has what comes next; when that is missing it only waits.
func TestHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    armtypes.RestoreProperties
		want bool
	}{
		{armtypes.RestoreProperties{Status: "Blocked", BlockReason: "9002", NumberOfFilesQueued: 1}, true},
		{armtypes.RestoreProperties{Status: "Blocked", BlockReason: "9002", NumberOfFilesRestoring: 1}, true},
		{armtypes.RestoreProperties{Status: "Blocked", BlockReason: "a log is missing", NumberOfFilesSkipped: 1}, false},
		{armtypes.RestoreProperties{Status: "Restoring", NumberOfFilesQueued: 1}, false},
	} {
		if got := held(&c.d); got != c.want {
			t.Errorf("%+v: %v", c.d, got)
		}
	}
}
