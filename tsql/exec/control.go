package exec

import (
	"strconv"
	"strings"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

func (f *frame) ifStatement(st *ast.If) (flow, error) {
	yes, err := f.condition(st.Cond)
	if err != nil {
		return f.evalFailed(err)
	}
	f.ok()
	switch {
	case yes:
		return f.statement(st.Then)
	case st.Else != nil:
		return f.statement(st.Else)
	}
	return next, nil
}

func (f *frame) while(st *ast.While) (flow, error) {
	for {
		if err := f.r.check(); err != nil {
			return next, err
		}
		f.line = st.Line
		yes, err := f.condition(st.Cond)
		if err != nil {
			return f.evalFailed(err)
		}
		f.ok()
		if !yes {
			return next, nil
		}
		fl, err := f.statement(st.Body)
		if err != nil {
			return next, err
		}
		switch fl.kind {
		case flowNext, flowContinue:
		case flowBreak:
			return next, nil
		default:
			return fl, nil
		}
	}
}

func (f *frame) tryCatch(st *ast.TryCatch) (flow, error) {
	s := f.s
	depth := len(s.tries)
	s.tries = append(s.tries, f)
	fl, err := f.list(st.Try)
	s.tries = s.tries[:depth]
	if err != nil || fl.kind != flowError || fl.skip == f {
		return fl, err
	}
	s.caught = append(s.caught, fl.err)
	n := len(s.caught)
	fl, err = f.list(st.Catch)
	s.caught = s.caught[:n-1]
	return fl, err
}

func (f *frame) returnStatement(st *ast.Return) (flow, error) {
	if st.Value != nil {
		v, err := f.value(st.Value, sqltype.Type{Kind: sqltype.Int})
		if err != nil {
			return f.evalFailed(err)
		}
		f.status = int32(v.N)
		if !v.Valid {
			f.status = 0
		}
	}
	return flow{kind: flowReturn}, nil
}

// maxMessage is how many characters PRINT and RAISERROR give; the rest is cut off.
const (
	maxPrint = 8000
	maxRaise = 2047
)

func (f *frame) print(st *ast.Print) (flow, error) {
	v, err := f.value(st.Value, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen})
	if err != nil {
		return f.evalFailed(err)
	}
	f.ok()
	text := v.S
	if !v.Valid || text == "" {
		text = " " // as SQL Server has it, since an empty message would not be shown
	}
	e := sqlerr.Raise(0, 0, 1, cut(text, maxPrint)).WithLine(f.line)
	return next, f.r.out.Message(e.WithProcedure(f.procedure))
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n])
}

func (f *frame) throw(st *ast.Throw) (flow, error) {
	s := f.s
	if st.Number == nil {
		if len(s.caught) == 0 {
			return f.raise(sqlerr.New(10704), abortBatch)
		}
		e := s.caught[len(s.caught)-1]
		return f.raise(e, abortKeep)
	}
	number, err := f.value(st.Number, sqltype.Type{Kind: sqltype.Int})
	if err != nil {
		return f.evalFailed(err)
	}
	message, err := f.value(st.Message, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen})
	if err != nil {
		return f.evalFailed(err)
	}
	state, err := f.value(st.State, sqltype.Type{Kind: sqltype.Int})
	if err != nil {
		return f.evalFailed(err)
	}
	if number.N < 50000 {
		return f.raise(sqlerr.New(35100, number.N), abortBatch)
	}
	e := sqlerr.Raise(int32(number.N), sqlerr.SeverityUser, uint8(state.N), cut(message.S, maxRaise))
	return f.raise(e, abortKeep)
}

func (f *frame) raiseError(st *ast.RaiseError) (flow, error) {
	e, err := f.raised(st)
	if err != nil {
		return f.evalFailed(err)
	}
	if st.Log {
		f.s.e.o.Log.Warn("raised by a session", "session", f.s.o.ID, "number", e.Number, "severity", e.Severity, "message", e.Message)
	}
	if e.Severity > sqlerr.SeverityInfo {
		fl, err := f.raiseMessage(e)
		if err != nil {
			return next, err
		}
		return fl, f.flush(st.NoWait)
	}
	f.ok()
	if st.SetError {
		f.s.lastError = e.Number
	}
	if err := f.r.out.Message(e.WithLine(f.line).WithProcedure(f.procedure)); err != nil {
		return next, err
	}
	return next, f.flush(st.NoWait)
}

// raiseMessage raises a user's error; unlike any other error it does not care for XACT_ABORT.
func (f *frame) raiseMessage(e *sqlerr.Error) (flow, error) {
	old := f.s.set.xactAbort
	f.s.set.xactAbort = false
	fl, err := f.raise(e, abortStatement)
	f.s.set.xactAbort = old
	return fl, err
}

func (f *frame) flush(wanted bool) error {
	if fl, ok := f.r.out.(sqlapi.Flusher); ok && wanted {
		return fl.Flush()
	}
	return nil
}

// raised makes the message of a RAISERROR.
func (f *frame) raised(st *ast.RaiseError) (*sqlerr.Error, error) {
	severity, err := f.value(st.Severity, sqltype.Type{Kind: sqltype.Int})
	if err != nil {
		return nil, err
	}
	state, err := f.value(st.State, sqltype.Type{Kind: sqltype.Int})
	if err != nil {
		return nil, err
	}
	t, v, err := f.typed(st.Message)
	if err != nil {
		return nil, err
	}
	sev, stt := min(max(severity.N, 0), 25), uint8(min(max(state.N, 0), 255))
	if sev > 18 && !st.Log {
		return nil, sqlerr.New(2754)
	}
	if t.Kind.IsInteger() {
		return nil, sqlerr.New(18054, v.N, sev, stt)
	}
	var args []sqltype.Value
	for _, a := range st.Args {
		_, v, err := f.typed(a)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	text, ferr := formatMessage(v.S, args)
	if ferr != nil {
		return nil, ferr
	}
	return sqlerr.Raise(50000, uint8(sev), stt, cut(text, maxRaise)), nil
}

func (f *frame) waitFor(st *ast.WaitFor) (flow, error) {
	t, v, err := f.typed(st.Value)
	if err != nil {
		return f.evalFailed(err)
	}
	var d time.Duration
	now := f.s.e.o.Clock.Now()
	switch {
	case t.Kind.IsString():
		var ok bool
		if d, ok = clockTime(v.S); !ok {
			return f.raise(sqlerr.New(148, v.S, "WAITFOR"), abortScope)
		}
	case v.Valid && t.Kind.IsTemporal():
		s, err := sqltype.Convert(v, t, sqltype.Type{Kind: sqltype.Time, Scale: 7}, 0)
		if err != nil {
			return f.fail(err)
		}
		d = time.Duration(s.N) * 100
	default:
		return f.raise(sqlerr.New(9815, sqltype.MessageName(t)), abortScope)
	}
	if st.Time {
		midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
		if d = midnight.Add(d).Sub(now); d < 0 {
			d += 24 * time.Hour
		}
	}
	f.ok()
	f.r.release() // a session that waits holds nothing
	c, stop := f.s.e.o.Clock.After(d)
	defer stop()
	select {
	case <-c:
		return next, nil
	case <-f.r.ctx.Done():
		return next, f.r.check()
	}
}

// clockTime reads hh:mm[:ss[.fff]] below 24 hours.
func clockTime(s string) (time.Duration, bool) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	h, herr := strconv.Atoi(parts[0])
	m, merr := strconv.Atoi(parts[1])
	sec := 0.0
	var serr error
	if len(parts) == 3 {
		sec, serr = strconv.ParseFloat(parts[2], 64)
	}
	if herr != nil || merr != nil || serr != nil || h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec >= 60 {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec*float64(time.Second)), true
}
