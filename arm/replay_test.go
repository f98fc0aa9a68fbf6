package arm_test

import (
	"context"
	"net/http"
	"testing"

	"linkspan/arm"
	"linkspan/armtypes"
)

// replays is a fake of what restores databases.
type replays struct {
	f *fake
	// jobs are by database, all with the same details.
	jobs map[string]armtypes.ReplaySpec
	last string
}

func (r *replays) StartReplay(_ context.Context, s armtypes.ReplaySpec) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if s.Signature == "expired" {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidParameterValue", "The shared access signature expired.")
	}
	r.jobs[s.Database] = s
	r.f.dbs = append(r.f.dbs, arm.Database{Name: s.Database, Status: "Restoring"})
	return nil
}

func (r *replays) CompleteReplay(_ context.Context, database, last string) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if last == "gap.trn" {
		return armtypes.Errorf(http.StatusConflict, "LastBackupNotReachable", "The log is missing.")
	}
	r.last = last
	for i := range r.f.dbs {
		if r.f.dbs[i].Name == database {
			r.f.dbs[i].Status = "Online"
		}
	}
	return nil
}

func (r *replays) StopReplay(_ context.Context, database string) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	delete(r.jobs, database)
	for i := range r.f.dbs {
		if r.f.dbs[i].Name == database {
			r.f.dbs = append(r.f.dbs[:i], r.f.dbs[i+1:]...)
			break
		}
	}
	return nil
}

func (r *replays) ReplayDetails(_ context.Context, database string) (armtypes.RestoreProperties, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if _, ok := r.jobs[database]; !ok {
		return armtypes.RestoreProperties{}, armtypes.Errorf(http.StatusNotFound, "RestoreDetailsNotAvailableOrExpired", "There are no restore details.")
	}
	return armtypes.RestoreProperties{Type: "LRSRestore", Status: armtypes.ReplayRestoring, PercentCompleted: 40, NumberOfFilesDetected: 3, NumberOfFilesRestored: 2, NumberOfFilesBad: 1,
		LastRestoredFileName: "l1.trn", FullBackupSets: []armtypes.ReplaySet{{Status: "Restored", FirstStripeName: "f.bak", NumberOfStripes: 1}},
		UnrestorableFiles: []armtypes.BadFile{{Name: "letter.bak", Reason: "it holds no backup"}}}, nil
}

// replaying is an endpoint that restores.
func replaying(t *testing.T, change func(*arm.Options)) (*world, *replays) {
	t.Helper()
	r := &replays{jobs: map[string]armtypes.ReplaySpec{}}
	w := start(t, func(o *arm.Options) {
		o.Instances[0].LogReplay = r
		if change != nil {
			change(o)
		}
	})
	r.f = w.fake
	return w, r
}

// A log replay is started, shown, completed and stopped; each refusal has its code.
func TestLogReplay(t *testing.T) {
	t.Parallel()
	w, r := replaying(t, nil)
	db := instancePath + "/databases/db1"
	body := func(more string) string {
		return `{"location":"local","properties":{"createMode":"restoreexternalbackup","storageContainerUri":"https://a.blob.core.windows.net/c",` + more + `}}`
	}
	for _, c := range []struct{ what, body, code string }{
		{"another mode", `{"properties":{"createMode":"Default"}}`, "InvalidParameterValue"},
		{"no container", `{"properties":{"createMode":"RestoreExternalBackup"}}`, "InvalidParameterValue"},
		{"autocomplete without a last backup", body(`"autoCompleteRestore":true`), "InvalidParameterValue"},
		{"an identity", body(`"storageContainerIdentity":"ManagedIdentity"`), "InvalidParameterValue"},
	} {
		if a := w.do("PUT", db+version, c.body); a.status != 400 || a.code() != c.code {
			t.Errorf("%s: %d %s", c.what, a.status, a.raw)
		}
	}
	if a := w.finish(w.do("PUT", db+version, body(`"storageContainerSasToken":"expired"`))); a.body["status"] != "Failed" || a.code() != "InvalidParameterValue" {
		t.Errorf("a signature that the service refuses: %s", a.raw)
	}
	if a := w.do("GET", db+"/restoreDetails/default"+version, ""); a.status != 404 || a.code() != "RestoreDetailsNotAvailableOrExpired" {
		t.Errorf("details of nothing: %d %s", a.status, a.raw)
	}
	if a := w.finish(w.do("PUT", db+version, body(`"storageContainerSasToken":"sp=rl&sig=x"`))); a.body["status"] != "Succeeded" || r.jobs["db1"].Signature != "sp=rl&sig=x" {
		t.Errorf("start: %s", a.raw)
	}
	a := w.do("GET", db+"/RestoreDetails/Default"+version, "")
	if bad, _ := a.at("properties", "unrestorableFiles").([]any); a.at("properties", "type") != "LRSRestore" || len(bad) != 1 || bad[0].(map[string]any)["name"] != "letter.bak" {
		t.Errorf("details: %s", a.raw)
	}
	a = w.do("GET", db+"/restoreDetails/default?api-version=2020-11-01-preview", "")
	if bad, _ := a.at("properties", "unrestorableFiles").([]any); len(bad) != 1 || bad[0] != "letter.bak" || a.at("properties", "status") != "Restoring" {
		t.Errorf("details in the first version: %s", a.raw)
	}
	if a := w.finish(w.do("POST", db+"/completeRestore"+version, `{"lastBackupName":"gap.trn"}`)); a.code() != "LastBackupNotReachable" {
		t.Errorf("completed over a gap: %s", a.raw)
	}
	if a := w.finish(w.do("POST", db+"/completeRestore"+version, `{"lastBackupName":"l1.trn"}`)); a.body["status"] != "Succeeded" || r.last != "l1.trn" {
		t.Errorf("complete: %s", a.raw)
	}
	if a := w.finish(w.do("DELETE", db+version, "")); a.body["status"] != "Succeeded" || len(r.jobs) != 0 {
		t.Errorf("stop: %s", a.raw)
	}
	if a := w.do("DELETE", db+version, ""); a.status != 204 {
		t.Errorf("stop again: %d %s", a.status, a.raw)
	}
	if _, err := r.f.Databases(t.Context()); err != nil {
		t.Error(err)
	}
}

// A database that no log replay made is not deleted here, and an endpoint without log replays says so.
func TestLogReplayNotSupported(t *testing.T) {
	t.Parallel()
	w, _ := replaying(t, nil)
	w.fake.dbs = []arm.Database{{Name: "db1", Status: "Online"}}
	if a := w.do("DELETE", instancePath+"/databases/DB1"+version, ""); a.status != 409 || len(w.fake.dbs) != 1 {
		t.Errorf("delete: %d %s", a.status, a.raw)
	}
	w = start(t, nil)
	if a := w.do("PUT", instancePath+"/databases/db1"+version, "{}"); a.status != 400 || a.code() != "OperationNotSupported" {
		t.Errorf("put: %d %s", a.status, a.raw)
	}
}
