package daemon_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/media/mediatest"
)

// armsqlClients are Azure's own Go clients, which know of the endpoint only where it is.
func (r *replayRig) armsqlClients() *armsql.ClientFactory {
	r.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(r.ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	r.t.Cleanup(transport.CloseIdleConnections)
	core := azcore.ClientOptions{Transport: &http.Client{Transport: transport}, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: r.at.URL + "/",
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: r.at.URL, Audience: r.at.URL}}}}
	cred, err := azidentity.NewClientSecretCredential(r.at.Tenant, r.at.ClientID, r.secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: core, DisableInstanceDiscovery: true})
	if err != nil {
		r.t.Fatal(err)
	}
	f, err := armsql.NewClientFactory(r.at.Subscription, cred, &arm.ClientOptions{ClientOptions: core, DisableRPRegistration: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// TestArmsqlDrivesLogReplay has Azure's own Go SDK restore a database on the managed instance, from a folder and from a
// container: begin, watch, complete, and delete one that is being restored.
func TestArmsqlDrivesLogReplay(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	client, address, signature := a.Container(t, "migration", sas.ContainerPermissions{Read: true, List: true})
	r := newReplayRig(t)
	r.take()
	files := []string{"f1.bak", "f2.bak", "l1.trn", "l2.trn", "l3.trn", "l4.trn"}
	for _, n := range files {
		r.put("db1", n, r.backup(n))
		if _, err := client.NewBlockBlobClient("db1/"+n).UploadBuffer(t.Context(), r.backup(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]armsql.ManagedDatabaseProperties{
		"folder":    {StorageContainerURI: new("file://" + filepath.Join(r.dir, "sqlmi1", "backup", "db1"))},
		"container": {StorageContainerURI: new(address + "/db1"), StorageContainerSasToken: &signature},
	} {
		p.CreateMode = new(armsql.ManagedDatabaseCreateModeRestoreExternalBackup)
		r.armsqlRestores("from_"+name, p)
	}
}

// armsqlRestores restores a database and opens it, and another one of the same files that is deleted.
func (r *replayRig) armsqlRestores(database string, p armsql.ManagedDatabaseProperties) {
	r.t.Helper()
	ctx, f := r.t.Context(), r.armsqlClients()
	dbs, details := f.NewManagedDatabasesClient(), f.NewManagedDatabaseRestoreDetailsClient()
	often := &runtime.PollUntilDoneOptions{Frequency: 50 * time.Millisecond}
	for _, name := range []string{database, database + "_not"} {
		start, err := dbs.BeginCreateOrUpdate(ctx, r.id.ResourceGroup, r.id.Name, name, armsql.ManagedDatabase{Location: new("local"), Tags: map[string]*string{"team": new("dba")}, Properties: &p}, nil)
		if err != nil {
			r.t.Fatalf("start %s: %v", name, err)
		}
		made, err := start.PollUntilDone(ctx, often)
		if err != nil || *made.Name != name || *made.Properties.Status != armsql.ManagedDatabaseStatusRestoring || *made.Tags["team"] != "dba" {
			r.t.Fatalf("start %s: %+v, %v", name, made.ManagedDatabase, err)
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
			d, err := details.Get(ctx, r.id.ResourceGroup, r.id.Name, name, armsql.RestoreDetailsNameDefault, nil)
			if err != nil || time.Now().After(deadline) {
				r.t.Fatalf("details of %s: %+v, %v", name, d.Properties, err)
			}
			if q := d.Properties; *q.LastRestoredFileName == "l4.trn" && *q.Status == "Waiting" && *q.NumberOfFilesDetected == 6 && *q.PercentCompleted == 100 && len(q.UnrestorableFiles) == 0 {
				break
			}
		}
	}
	complete, err := dbs.BeginCompleteRestore(ctx, r.id.ResourceGroup, r.id.Name, database, armsql.CompleteDatabaseRestoreDefinition{LastBackupName: new("l4.trn")}, nil)
	if err == nil {
		_, err = complete.PollUntilDone(ctx, often)
	}
	if err != nil {
		r.t.Fatalf("complete: %v", err)
	}
	if got, err := dbs.Get(ctx, r.id.ResourceGroup, r.id.Name, database, nil); err != nil || *got.Properties.Status != armsql.ManagedDatabaseStatusOnline {
		r.t.Errorf("completed: %+v, %v", got.Properties, err)
	}
	if want, rows := r.on(r.source, "SELECT id, s FROM db1.dbo.t ORDER BY id"), r.on(r.target, "SELECT id, s FROM "+database+".dbo.t ORDER BY id"); rows != want {
		r.t.Errorf("%s has %s instead of %s", database, rows, want)
	}
	remove := func(name string) error {
		stop, err := dbs.BeginDelete(ctx, r.id.ResourceGroup, r.id.Name, name, nil)
		if err == nil {
			_, err = stop.PollUntilDone(ctx, often)
		}
		return err
	}
	if err := remove(database + "_not"); err != nil {
		r.t.Errorf("delete what is being restored: %v", err)
	}
	for want, name := range map[string]string{"": database + "_not", "LogReplayCompleted": database} {
		err := remove(name)
		var e *azcore.ResponseError
		if want == "" && err != nil || want != "" && (!errors.As(err, &e) || e.ErrorCode != want) {
			r.t.Errorf("delete %s: %v", name, err)
		}
	}
	if _, err := dbs.Get(ctx, r.id.ResourceGroup, r.id.Name, database+"_not", nil); err == nil {
		r.t.Error("what was deleted is there")
	}
}
