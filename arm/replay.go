package arm

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"linkspan/armtypes"
)

// LogReplay restores databases from backups as they arrive. Errors are *armtypes.Error or carry an *sqlerr.Error.
type LogReplay interface {
	// StartReplay begins; it returns when the folder was seen, with autocomplete when the database is open. It MUST be
	// idempotent.
	StartReplay(ctx context.Context, s armtypes.ReplaySpec) error
	// CompleteReplay restores up to the file lastBackup and returns when the database is open.
	CompleteReplay(ctx context.Context, database, lastBackup string) error
	// StopReplay ends it and drops the database, unless that is open already.
	StopReplay(ctx context.Context, database string) error
	// ReplayDetails tells how it stands; an error with RestoreDetailsNotAvailableOrExpired when there is none.
	ReplayDetails(ctx context.Context, database string) (armtypes.RestoreProperties, error)
}

func databaseKey(id armtypes.InstanceID, name string) string {
	return id.String() + "/database/" + strings.ToLower(name)
}

// replay finds the instance of the path and what replays logs on it.
func (c *call) replay() (Instance, armtypes.InstanceID, LogReplay, error) {
	i, id, err := c.instance()
	if err == nil && i.LogReplay == nil {
		err = armtypes.Errorf(http.StatusBadRequest, "OperationNotSupported", "This endpoint does not make, complete or delete databases.")
	}
	return i, id, i.LogReplay, err
}

// maxDatabaseName is the most characters of a database's name.
const maxDatabaseName = 128

func (s *Server) putDatabase(c *call) error {
	i, id, replay, err := c.replay()
	if err != nil {
		return err
	}
	var body armtypes.ManagedDatabaseRequest
	if err := c.body(&body); err != nil {
		return err
	}
	name := c.path["db"]
	if n := len([]rune(name)); n == 0 || n > maxDatabaseName {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidResourceName", "The name of a database has 1 to %d characters.", maxDatabaseName)
	}
	spec, err := body.Spec(name)
	if err != nil {
		return armtypes.Errorf(http.StatusBadRequest, "InvalidParameterValue", "The database cannot be made: %v.", err)
	}
	o, err := s.ops.start(request{
		name: "CreateManagedRestoreRequest", key: databaseKey(id, name), same: fmt.Sprintf("PUT %+v", spec),
		work:   func(ctx context.Context) error { return replay.StartReplay(ctx, spec) },
		result: databaseResult(i, id, name),
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, databaseBody(i, id, Database{Name: name, Status: "Creating", Tags: spec.Tags}))
}

// databaseResult shows the database as it is when asked.
func databaseResult(i Instance, id armtypes.InstanceID, name string) func(context.Context, armtypes.Version) (any, error) {
	return func(ctx context.Context, _ armtypes.Version) (any, error) {
		all, err := i.Databases.Databases(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			if strings.EqualFold(d.Name, name) {
				return databaseBody(i, id, d), nil
			}
		}
		return nil, nil
	}
}

func (s *Server) completeRestore(c *call) error {
	i, id, replay, err := c.replay()
	if err != nil {
		return err
	}
	var body armtypes.CompleteRestoreRequest
	if err := c.body(&body); err != nil {
		return err
	}
	name := c.path["db"]
	if _, err := replay.ReplayDetails(c.r.Context(), name); err != nil {
		return err
	}
	o, err := s.ops.start(request{
		name: "CompleteManagedDatabaseExternalBackupRestore", key: databaseKey(id, name) + "/complete", same: "COMPLETE " + body.LastBackupName,
		work:   func(ctx context.Context) error { return replay.CompleteReplay(ctx, name, body.LastBackupName) },
		result: databaseResult(i, id, name),
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, nil)
}

func (s *Server) deleteDatabase(c *call) error {
	i, id, replay, err := c.replay()
	if err != nil {
		return err
	}
	name := c.path["db"]
	if _, err := replay.ReplayDetails(c.r.Context(), name); err != nil && s.ops.current(databaseKey(id, name)) == nil {
		there, lerr := databaseResult(i, id, name)(c.r.Context(), c.version)
		switch {
		case lerr != nil:
			return lerr
		case there != nil:
			return armtypes.Errorf(http.StatusConflict, "OperationNotSupported", "This endpoint deletes only databases that a log replay is restoring: drop '%s' with DROP DATABASE.", name)
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	o, err := s.ops.start(request{
		name: "DropManagedDatabase", key: databaseKey(id, name), same: "DELETE", deletes: true,
		work: func(ctx context.Context) error { return replay.StopReplay(ctx, name) },
	})
	if err != nil {
		return err
	}
	return c.accepted(i, o, nil)
}

func (s *Server) getRestoreDetails(c *call) error {
	_, id, replay, err := c.replay()
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.path["name"], "default") {
		return c.notFound("databases/" + c.path["db"] + "/restoreDetails/" + c.path["name"])
	}
	p, err := replay.ReplayDetails(c.r.Context(), c.path["db"])
	if err != nil {
		return err
	}
	d := armtypes.RestoreDetails{Properties: p, Resource: armtypes.Resource{ID: id.String() + "/databases/" + c.path["db"] + "/restoreDetails/Default",
		Name: "Default", Type: "Microsoft.Sql/managedInstances/databases/restoreDetails"}}
	return c.json(http.StatusOK, d.Body(c.version))
}
