package instance

import (
	"context"
	"strings"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/exec"
)

// procedureSet is the procedures the server brings along (exec.Procedures), by lower-case name.
type procedureSet map[string]*exec.Procedure

// Procedure implements exec.Procedures. The schema sys or dbo in front of a name makes no difference.
func (s procedureSet) Procedure(name string) *exec.Procedure {
	n := strings.ToLower(name)
	n = strings.TrimPrefix(strings.TrimPrefix(n, "sys."), "dbo.")
	return s[n]
}

func procedures(in *Instance) procedureSet {
	s := procedureSet{}
	for _, p := range []*exec.Procedure{in.endpointCertificate(), in.testLink(), in.readErrorLog(), in.who(), in.helpDB()} {
		s[p.Name] = p
	}
	for _, p := range in.principalProcedures() {
		s[p.Name] = p
	}
	in.guard(s["sp_readerrorlog"], sqlerr.New(15003, "securityadmin"), func(t *token) bool { return t.ids[securityAdminID] || t.has("VIEW ANY ERROR LOG") })
	in.guard(s[in.testLink().Name], sqlerr.New(15247), (*token).everything)
	return s
}

// guard keeps a procedure from those who may not run it.
func (in *Instance) guard(p *exec.Procedure, refusal *sqlerr.Error, may func(*token) bool) {
	run := p.Run
	p.Run = func(ctx context.Context, c exec.Caller, args []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
		if t := in.tokenOf(c); !t.everything() && !may(t) {
			return 1, refusal
		}
		return run(ctx, c, args, out)
	}
}

// endpointCertificate is sp_get_endpoint_certificate.
func (in *Instance) endpointCertificate() *exec.Procedure {
	return &exec.Procedure{
		Name:   "sp_get_endpoint_certificate",
		Params: []exec.Param{{Name: "@endpoint_type", Type: tInt}},
		Run: func(_ context.Context, _ exec.Caller, args []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
			key, err := in.hadr.EndpointCertificate(int(args[0].N))
			if err != nil {
				return 1, err
			}
			if err := out.Columns([]sqlapi.Column{col("EndpointCertificatePublicKey", varbinary(sqltype.MaxLen))}); err != nil {
				return 1, err
			}
			v := sqltype.NullOf(sqltype.VarBinary)
			if key != nil {
				v = sqltype.BytesOf(sqltype.VarBinary, key)
			}
			return 0, endRows(out, out.Row([]sqltype.Value{v}), 1)
		},
	}
}

// endRows ends a result set of n rows, unless err came before.
func endRows(out sqlapi.ResultSink, err error, n int64) error {
	if err != nil {
		return err
	}
	return out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: n, HasRows: true, InProc: true})
}

// readErrorLog is sp_readerrorlog, without its filters.
func (in *Instance) readErrorLog() *exec.Procedure {
	return &exec.Procedure{
		Name: "sp_readerrorlog",
		Params: []exec.Param{{Name: "@p1", Type: tInt, Optional: true}, {Name: "@p2", Type: tInt, Optional: true},
			{Name: "@p3", Type: nvarchar(4000), Optional: true}, {Name: "@p4", Type: nvarchar(4000), Optional: true}},
		Run: func(_ context.Context, _ exec.Caller, args []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
			err := out.Columns([]sqlapi.Column{key("LogDate", tDateTime), key("ProcessInfo", nvarchar(50)), key("Text", nvarchar(4000))})
			n := int64(0)
			for _, e := range in.errors.all() {
				if err != nil {
					return 1, err
				}
				if matches(e.msg.Message, args[2:]) {
					err = out.Row([]sqltype.Value{vTime(e.at), vText("spid1s"), vText(e.msg.Message)})
					n++
				}
			}
			return 0, endRows(out, err, n)
		},
	}
}

// matches tells whether the text holds every given string, in any case.
func matches(text string, want []sqltype.Value) bool {
	for _, w := range want {
		if w.Valid && !strings.Contains(strings.ToLower(text), strings.ToLower(w.S)) {
			return false
		}
	}
	return true
}

// who is sp_who: the sessions.
func (in *Instance) who() *exec.Procedure {
	return in.listing("sp_who", "dm_exec_sessions")
}

// helpDB is sp_helpdb without a name: the databases.
func (in *Instance) helpDB() *exec.Procedure { return in.listing("sp_helpdb", "databases") }

// listing is a procedure that shows a view.
func (in *Instance) listing(name, view string) *exec.Procedure {
	return &exec.Procedure{Name: name, Run: func(ctx context.Context, c exec.Caller, _ []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
		v := in.views.View("sys", view)
		err := out.Columns(v.Columns)
		n := int64(0)
		for row, rerr := range v.Rows(ctx, rel.Scope{Database: c.Database, DatabaseID: c.DatabaseID, SessionID: c.Session}) {
			if rerr != nil || err != nil {
				break
			}
			err = out.Row(row)
			n++
		}
		return 0, endRows(out, err, n)
	}}
}
