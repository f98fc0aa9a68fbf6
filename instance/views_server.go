package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/storage"
)

// serverViews are views that monitoring tools and scripts look into, with the columns that have a meaning here.
func (in *Instance) serverViews() []rel.View {
	return []rel.View{in.masterFiles(), in.databaseFiles(), in.configurations(), in.requests(), in.credentialsView()}
}

// fileColumns are what sys.master_files and sys.database_files have in common.
func fileColumns() []sqlapi.Column {
	return []sqlapi.Column{key("file_id", tInt), key("type", tTinyInt), col("type_desc", tDesc), key("data_space_id", tInt), key("name", tSysname),
		key("physical_name", nvarchar(260)), col("state", tTinyInt), col("state_desc", tDesc), key("size", tInt), key("max_size", tInt),
		key("growth", tInt), key("is_read_only", tBit), key("is_percent_growth", tBit)}
}

// fileRows are a database's two files as SQL Server would have them: the logical ones. physical_name is the folder that
// holds everything.
func (in *Instance) fileRows(d *Database) [][]sqltype.Value {
	doc := d.snapshot()
	var pages, logPages int
	if db := d.opened(); db != nil {
		s := db.Stats()
		pages, logPages = int(int64(s.Pages)*storage.PageSize/8192), int(s.LogSize/8192)
	}
	folder := filepath.Join(in.opts.Dir, doc.Folder)
	row := func(id int, kind uint8, desc string, space int, name string, size, most int) []sqltype.Value {
		return []sqltype.Value{vInt(id), vTiny(kind), vText(desc), vInt(space), vText(name), vText(folder), vTiny(0), vText("ONLINE"),
			vInt(size), vInt(most), vInt(8192), vBit(false), vBit(false)}
	}
	return [][]sqltype.Value{row(1, 0, "ROWS", 1, doc.Name, pages, -1), row(2, 1, "LOG", 0, doc.logFileName(), logPages, int(in.maxLog(doc)/8192))}
}

func (in *Instance) masterFiles() rel.View {
	v := rel.View{Schema: "sys", Name: "master_files", Columns: append([]sqlapi.Column{key("database_id", tInt)}, fileColumns()...)}
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, d := range in.list() {
			for _, r := range in.fileRows(d) {
				all = append(all, append([]sqltype.Value{vInt(d.ID())}, r...))
			}
		}
		return all, nil
	})
	return v
}

func (in *Instance) databaseFiles() rel.View {
	v := rel.View{Schema: "sys", Name: "database_files", Columns: fileColumns()}
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		d := in.byID(s.DatabaseID)
		if d == nil {
			return nil, nil
		}
		return in.fileRows(d), nil
	})
	return v
}

// configurations is sys.configurations: the options that scripts ask for, at the values that describe what is done here.
func (in *Instance) configurations() rel.View {
	v := rel.View{Schema: "sys", Name: "configurations"}
	v.Columns = []sqlapi.Column{key("configuration_id", tInt), key("name", nvarchar(35)), col("value", tInt), col("minimum", tInt), col("maximum", tInt),
		col("value_in_use", tInt), key("description", nvarchar(255)), key("is_dynamic", tBit), key("is_advanced", tBit)}
	options := []struct {
		id, value, max int
		name           string
	}{{103, in.opts.MaxSessions, 32767, "user connections"}, {115, 0, 1, "nested triggers"}, {124, 0, 9999, "default language"},
		{518, 0, 1, "show advanced options"}, {1579, 0, 1, "backup compression default"}, {1584, 1, 1, "backup checksum default"},
		{1544, int(in.opts.Storage.MemoryBytes / mib), math.MaxInt32, "max server memory (MB)"}, {16390, 0, 1, "xp_cmdshell"}, {1562, 0, 1, "clr enabled"}, {16391, 0, 1, "Ad Hoc Distributed Queries"}}
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, o := range options {
			all = append(all, []sqltype.Value{vInt(o.id), vText(o.name), vInt(o.value), vInt(0), vInt(o.max), vInt(o.value), vText(o.name), vBit(false), vBit(false)})
		}
		return all, nil
	})
	return v
}

// requests is sys.dm_exec_requests: the sessions that run something now.
func (in *Instance) requests() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_exec_requests"}
	v.Columns = []sqlapi.Column{key("session_id", tSmallInt), key("request_id", tInt), key("status", nvarchar(30)), key("command", nvarchar(32)),
		key("database_id", tSmallInt), key("user_id", tInt), key("blocking_session_id", tSmallInt), key("open_transaction_count", tInt),
		key("percent_complete", sqltype.Type{Kind: sqltype.Real})}
	v.Rows = rows(func(_ context.Context, scope rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, s := range in.visibleSessions(scope) {
			a := s.Activity()
			if !a.Running {
				continue
			}
			command, percent := "EXECUTE", 0.0
			if j, ok := in.jobs.of(s.ID()); ok {
				command, percent = j.command, j.percent
			}
			all = append(all, []sqltype.Value{sqltype.IntOf(sqltype.SmallInt, int64(s.ID())), vInt(0), vText("running"), vText(command),
				sqltype.IntOf(sqltype.SmallInt, int64(registry{in}.ID(a.Database))), vInt(1), sqltype.IntOf(sqltype.SmallInt, 0), vInt(a.Transactions),
				sqltype.FloatOf(sqltype.Real, percent)})
		}
		return all, nil
	})
	return v
}

// backupHistory reads the history of backups, oldest first.
func (in *Instance) backupHistory(ctx context.Context) ([]backupDoc, error) {
	docs, err := in.docs.Load(ctx, kindBackupSet)
	if err != nil {
		return nil, err
	}
	var sets []backupDoc
	for name, b := range docs {
		var d backupDoc
		if err := json.Unmarshal(b, &d); err != nil {
			return nil, fmt.Errorf("read backup history %s: %w", name, err)
		}
		sets = append(sets, d)
	}
	slices.SortFunc(sets, func(a, b backupDoc) int { return a.ID - b.ID })
	return sets, nil
}
