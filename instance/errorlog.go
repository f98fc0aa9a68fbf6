package instance

import (
	"context"
	"sync"
	"time"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// keptErrors is how many messages of the error log sys.dm_linkspan_errorlog shows; the log itself has them all.
const keptErrors = 1000

// recentErrors holds the last messages of the error log. The zero value is ready.
type recentErrors struct {
	mu   sync.Mutex // protects what follows
	list []loggedError
	next int
}

type loggedError struct {
	at  time.Time
	msg *sqlerr.Error
}

func (r *recentErrors) add(at time.Time, e *sqlerr.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < keptErrors {
		r.list = append(r.list, loggedError{at, e})
		return
	}
	r.list[r.next] = loggedError{at, e}
	r.next = (r.next + 1) % keptErrors
}

// all lists them, oldest first.
func (r *recentErrors) all() []loggedError {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]loggedError(nil), r.list[r.next:]...), r.list[:r.next]...)
}

// errorLogView is sys.dm_linkspan_errorlog.
func (in *Instance) errorLogView() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_linkspan_errorlog"}
	v.Columns = append(v.Columns, key("log_time", tDateTime), key("number", tInt), key("severity", tTinyInt), key("state", tTinyInt),
		key("text", nvarchar(4000)))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, e := range in.errors.all() {
			all = append(all, []sqltype.Value{vTime(e.at), vInt(int(e.msg.Number)), vTiny(e.msg.Severity), vTiny(e.msg.State), vText(e.msg.Message)})
		}
		return all, nil
	})
	return v
}
