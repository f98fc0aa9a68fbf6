package armclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"linkspan/armtypes"
)

// Operation is a request that the service has taken and carries out by itself. For one goroutine.
type Operation struct {
	poller *runtime.Poller[json.RawMessage]
	what   string
	done   bool
}

// Poll asks how it stands, once; done tells that it has ended, err how when that was badly. After it has ended nothing is
// asked.
func (o *Operation) Poll(ctx context.Context) (done bool, err error) {
	if o.done {
		return true, nil
	}
	if !o.poller.Done() {
		if _, err := o.poller.Poll(ctx); err != nil {
			return false, fmt.Errorf("%s: %w", o.what, asError(err))
		}
	}
	if !o.poller.Done() {
		return false, nil
	}
	o.done = true
	if _, err := o.poller.Result(ctx); err != nil {
		return true, fmt.Errorf("%s: %w", o.what, asError(err))
	}
	return true, nil
}

// wait waits for the end.
func (o *Operation) wait(ctx context.Context) error {
	if _, err := o.poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: pollEvery}); err != nil {
		return fmt.Errorf("%s: %w", o.what, asError(err))
	}
	return nil
}

// begin makes a request that may become a long-running operation. An operation that ended at once is done.
func (c *Client) begin(ctx context.Context, what, method, path string, body any) (*Operation, error) {
	resp, err := c.send(ctx, method, path, body, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	poller, err := runtime.NewPoller[json.RawMessage](resp, c.arm.Pipeline(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, asError(err))
	}
	return &Operation{poller: poller, what: what}, nil
}

// BeginReplay asks for a log replay. The operation lasts until the service has begun; with autocomplete, and with some
// versions of the service always, until the database is open.
func (c *Client) BeginReplay(ctx context.Context, id armtypes.InstanceID, location string, s armtypes.ReplaySpec) (*Operation, error) {
	body := armtypes.ManagedDatabaseRequest{Location: location, Tags: s.Tags, Properties: armtypes.ReplayProperty{CreateMode: armtypes.RestoreExternalBackup,
		StorageContainerURI: s.Container, StorageContainerSASToken: s.Signature, AutoCompleteRestore: s.AutoComplete, LastBackupName: s.LastBackup}}
	return c.begin(ctx, fmt.Sprintf("start the log replay of %q on %s", s.Database, id.Name), http.MethodPut, path(id, "databases", s.Database), body)
}

// StartReplay begins a log replay and waits as the service does: with autocomplete until the database is open.
func (c *Client) StartReplay(ctx context.Context, id armtypes.InstanceID, location string, s armtypes.ReplaySpec) error {
	o, err := c.BeginReplay(ctx, id, location, s)
	if err != nil {
		return err
	}
	return o.wait(ctx)
}

// Database reads a database; IsNotFound tells when there is none.
func (c *Client) Database(ctx context.Context, id armtypes.InstanceID, name string) (armtypes.ManagedDatabase, error) {
	var d armtypes.ManagedDatabase
	if err := c.get(ctx, path(id, "databases", name), &d); err != nil {
		return d, fmt.Errorf("read database %q of %s: %w", name, id.Name, err)
	}
	return d, nil
}

// ReplayDetails tells how a log replay stands.
func (c *Client) ReplayDetails(ctx context.Context, id armtypes.InstanceID, database string) (armtypes.RestoreProperties, error) {
	var d armtypes.RestoreDetails
	if err := c.get(ctx, path(id, "databases", database, "restoreDetails", "Default"), &d); err != nil {
		return d.Properties, fmt.Errorf("read the log replay of %q on %s: %w", database, id.Name, err)
	}
	return d.Properties, nil
}

// BeginComplete asks to restore up to the file lastBackup and to open the database then. The operation lasts until it is open.
func (c *Client) BeginComplete(ctx context.Context, id armtypes.InstanceID, database, lastBackup string) (*Operation, error) {
	body := armtypes.CompleteRestoreRequest{LastBackupName: lastBackup}
	return c.begin(ctx, fmt.Sprintf("complete the log replay of %q on %s", database, id.Name), http.MethodPost, path(id, "databases", database, "completeRestore"), body)
}

// CompleteReplay restores up to the file lastBackup and returns when the database is open.
func (c *Client) CompleteReplay(ctx context.Context, id armtypes.InstanceID, database, lastBackup string) error {
	o, err := c.BeginComplete(ctx, id, database, lastBackup)
	if err != nil {
		return err
	}
	return o.wait(ctx)
}

// BeginStop asks to end a log replay and to drop the database that it was restoring; IsNotFound tells when there is none.
func (c *Client) BeginStop(ctx context.Context, id armtypes.InstanceID, database string) (*Operation, error) {
	return c.begin(ctx, fmt.Sprintf("stop the log replay of %q on %s", database, id.Name), http.MethodDelete, path(id, "databases", database), nil)
}

// StopReplay ends a log replay and drops the database that it was restoring. What is not there is success.
func (c *Client) StopReplay(ctx context.Context, id armtypes.InstanceID, database string) error {
	o, err := c.BeginStop(ctx, id, database)
	if err == nil {
		err = o.wait(ctx)
	}
	if err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}
