package exec

import (
	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// impersonation is a context that EXECUTE AS opened.
type impersonation struct {
	caller Caller
	// database is where a user was impersonated: only there may it be reverted. "" for a login.
	database string
}

// executeAs is EXECUTE AS LOGIN, USER and CALLER, and REVERT.
func (f *frame) executeAs(st *ast.ExecuteAs) (flow, error) {
	s := f.s
	switch {
	case f.s.e.o.Security == nil, !st.Revert && st.Kind != "LOGIN" && st.Kind != "USER" && st.Kind != "CALLER", !st.Revert && st.Kind != "CALLER" && st.Name == nil:
		return f.raise(sqlerr.New(40510, "EXECUTE AS "+st.Kind), abortStatement)
	case st.With != "":
		return f.raise(sqlerr.New(40510, "EXECUTE AS … WITH "+st.With), abortStatement)
	case st.Revert:
		return f.revert()
	case st.Kind == "CALLER":
		s.become(impersonation{caller: s.caller()})
		f.ok()
		return next, nil
	}
	name, err := f.value(st.Name, sqltype.Type{Kind: sqltype.NVarChar, Len: 128})
	if err != nil {
		return f.evalFailed(err)
	}
	var as Caller
	err = f.reading(s.db, false, func(k *conn, snap *catalog.Snapshot) error {
		r, err := f.rights(k.db, snap)
		if err == nil {
			as, err = s.e.o.Security.Impersonate(s.caller(), r, snap, st.Kind, name.S)
		}
		return err
	})
	f.r.release()
	if err == nil && st.Kind == "LOGIN" {
		err = s.e.o.Security.Enter(f.r.ctx, as, s.db)
	}
	if err != nil {
		return f.fail(err)
	}
	i := impersonation{caller: as}
	if st.Kind == "USER" {
		i.database = s.db.Name()
	}
	s.become(i)
	f.ok()
	return next, nil
}

// revert is REVERT: it ends what the same scope opened; without such a context it does nothing.
func (f *frame) revert() (flow, error) {
	s := f.s
	n := len(s.as)
	if n > 0 && s.as[n-1].database != "" && s.as[n-1].database != s.db.Name() {
		return f.raise(sqlerr.New(15199, "EXECUTE AS"), abortStatement)
	}
	if n > f.outerAs {
		s.revertTo(n - 1)
	}
	f.ok()
	return next, nil
}

// become opens a context.
func (s *Session) become(i impersonation) {
	s.as = append(s.as, i)
	s.principal.Store(int64(i.caller.Principal))
}

// revertTo ends the contexts beyond the first n.
func (s *Session) revertTo(n int) {
	if n >= len(s.as) {
		return
	}
	s.as = s.as[:n]
	s.principal.Store(int64(s.caller().Principal))
}

// runAs gives the context that a procedure asks for WITH EXECUTE AS OWNER or a user; nil when it runs as its caller.
func (f *frame) runAs(p *ast.CreateProcedure, d Database, owner int32) (*impersonation, error) {
	o := ast.FindOption(p.Options, "EXECUTE AS")
	if o == nil || f.s.e.o.Security == nil {
		return nil, nil //nolint:nilnil // none is asked for
	}
	name := ""
	switch v := o.Value.(type) {
	case *ast.Literal:
		name = v.Text
	case *ast.Keyword:
		switch v.Word {
		case "CALLER":
			return nil, nil //nolint:nilnil // none is asked for
		case "OWNER":
		default:
			return nil, sqlerr.New(40510, "WITH EXECUTE AS "+v.Word)
		}
	}
	i := &impersonation{database: d.Name()}
	return i, f.reading(d, false, func(_ *conn, snap *catalog.Snapshot) error {
		if name == "" {
			if p := snap.PrincipalByID(owner); p != nil {
				name = p.Name
			}
		}
		c := f.s.caller()
		c.Database, c.DatabaseID = d.Name(), d.ID()
		var err error
		i.caller, err = f.s.e.o.Security.Impersonate(c, nil, snap, "USER", name)
		return err
	})
}
