package armclient

import (
	"context"
	"fmt"
	"net/http"

	"linkspan/armtypes"
)

// StartReplay begins a log replay and waits as the service does: with autocomplete until the database is open.
func (c *Client) StartReplay(ctx context.Context, id armtypes.InstanceID, location string, s armtypes.ReplaySpec) error {
	body := armtypes.ManagedDatabaseRequest{Location: location, Properties: armtypes.ReplayProperty{CreateMode: armtypes.RestoreExternalBackup,
		StorageContainerURI: s.Container, StorageContainerSASToken: s.Signature, AutoCompleteRestore: s.AutoComplete, LastBackupName: s.LastBackup}}
	if err := c.run(ctx, http.MethodPut, path(id, "databases", s.Database), body, nil); err != nil {
		return fmt.Errorf("start the log replay of %q on %s: %w", s.Database, id.Name, err)
	}
	return nil
}

// ReplayDetails tells how a log replay stands.
func (c *Client) ReplayDetails(ctx context.Context, id armtypes.InstanceID, database string) (armtypes.RestoreProperties, error) {
	var d armtypes.RestoreDetails
	if err := c.get(ctx, path(id, "databases", database, "restoreDetails", "Default"), &d); err != nil {
		return d.Properties, fmt.Errorf("read the log replay of %q on %s: %w", database, id.Name, err)
	}
	return d.Properties, nil
}

// CompleteReplay restores up to the file lastBackup and returns when the database is open.
func (c *Client) CompleteReplay(ctx context.Context, id armtypes.InstanceID, database, lastBackup string) error {
	body := armtypes.CompleteRestoreRequest{LastBackupName: lastBackup}
	if err := c.run(ctx, http.MethodPost, path(id, "databases", database, "completeRestore"), body, nil); err != nil {
		return fmt.Errorf("complete the log replay of %q on %s: %w", database, id.Name, err)
	}
	return nil
}

// StopReplay ends a log replay and drops the database that it was restoring. What is not there is success.
func (c *Client) StopReplay(ctx context.Context, id armtypes.InstanceID, database string) error {
	if err := c.run(ctx, http.MethodDelete, path(id, "databases", database), nil, nil); err != nil && !IsNotFound(err) {
		return fmt.Errorf("stop the log replay of %q on %s: %w", database, id.Name, err)
	}
	return nil
}
