package tdsserver

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tds"
)

// spillAt is how many bytes of tokens gather before they are cut into packets.
const spillAt = 16 << 10

// sink turns what a session gives into tokens. A DONE is held back until the next token or the end of the request is
// known, since only the last one says that nothing follows. It implements sqlapi.ResultSink and sqlapi.Flusher.
type sink struct {
	c    *conn
	buf  []byte // tokens not yet in packets
	rows tds.Rows
	cols []tds.Column

	call    *tds.Call // what runs, or nil in a batch
	pending struct {
		set             bool
		token           tds.DoneToken
		status, command uint16
		rows            uint64
	}
	failed     bool // an error was sent since the last DONE
	fatal      bool // an error was sent that ends the connection
	statusSent bool // RETURNSTATUS
	returned   int  // output parameters sent so far
	inTx       bool // between the ENVCHANGEs of a transaction; it outlives requests
	collation  bool // the backend named its collation during the login
}

// begin readies the sink for a request, or for the next call of one.
func (s *sink) begin(call *tds.Call) {
	s.call, s.statusSent, s.returned, s.failed = call, false, 0, false
}

func (s *sink) inTxBit() uint16 {
	if s.inTx {
		return tds.DoneInTx
	}
	return 0
}

// settle writes the DONE held back, as one that more follows.
func (s *sink) settle() {
	if s.pending.set {
		p := &s.pending
		s.buf = tds.AppendDone(s.buf, p.token, p.status|tds.DoneMore, p.command, p.rows)
		p.set = false
	}
}

// spill moves the tokens into packets when there are many.
func (s *sink) spill(limit int) error {
	if len(s.buf) < limit || len(s.buf) == 0 {
		return nil
	}
	_, err := s.c.wr.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// Columns implements sqlapi.ResultSink.
func (s *sink) Columns(cols []sqlapi.Column) error {
	if s.c.turn.attention.Load() {
		return sqlapi.ErrAttention
	}
	s.settle()
	s.cols = s.cols[:0]
	for i := range cols {
		c := &cols[i]
		s.cols = append(s.cols, tds.Column{Name: c.Name, Type: c.Type, Nullable: c.Nullable, Identity: c.Identity, Computed: c.Computed})
	}
	start := len(s.buf)
	var err error
	if s.buf, err = s.rows.AppendColumns(s.buf, s.cols); err != nil {
		return err
	}
	if s.call != nil && s.call.NoMetadata {
		s.buf = tds.AppendNoColumns(s.buf[:start])
	}
	return s.spill(spillAt)
}

// Row implements sqlapi.ResultSink. It stops the request soon after an attention.
func (s *sink) Row(row []sqltype.Value) error {
	if s.c.turn.attention.Load() {
		return sqlapi.ErrAttention
	}
	var err error
	if s.buf, err = s.rows.AppendRow(s.buf, row); err != nil {
		return err
	}
	if len(s.buf) < spillAt {
		return nil
	}
	return s.spill(spillAt)
}

// Done implements sqlapi.ResultSink.
func (s *sink) Done(d sqlapi.Done) error {
	s.settle()
	p := &s.pending
	p.set, p.token, p.status, p.command, p.rows = true, tds.Done, s.inTxBit(), uint16(d.Command), 0
	switch {
	case d.InProc || s.call != nil:
		p.token = tds.DoneInProc
	case d.Command == sqlapi.CmdExecute:
		p.token = tds.DoneProc
	}
	if d.HasRows {
		p.status, p.rows = p.status|tds.DoneCount, uint64(d.Rows)
	}
	if d.Failed || s.failed {
		p.status |= tds.DoneError
	}
	s.failed = false
	return nil
}

// Message implements sqlapi.ResultSink.
func (s *sink) Message(e *sqlerr.Error) error {
	s.settle()
	s.failed = s.failed || e.IsError()
	s.fatal = s.fatal || e.Severity >= sqlerr.SeverityFatal
	s.buf = tds.AppendMessage(s.buf, s.c.messageText(e))
	return s.spill(spillAt)
}

// Env implements sqlapi.ResultSink.
func (s *sink) Env(e sqlapi.EnvChange) error {
	s.settle()
	switch e.Kind {
	case sqlapi.EnvBeginTx, sqlapi.EnvCommitTx, sqlapi.EnvRollbackTx:
		s.inTx = e.Kind == sqlapi.EnvBeginTx
		s.buf = tds.AppendEnvTx(s.buf, uint8(e.Kind), e.Tx, s.inTx)
	case sqlapi.EnvCollation:
		s.collation = true
		s.buf = tds.AppendEnvCollation(s.buf, e.New)
	case sqlapi.EnvResetDone:
		s.buf = tds.AppendEnvReset(s.buf)
	case sqlapi.EnvRouting:
		host, port, err := net.SplitHostPort(e.New)
		n, nerr := strconv.ParseUint(port, 10, 16)
		if err = errors.Join(err, nerr); err != nil {
			return fmt.Errorf("route the client to %q: %w", e.New, err)
		}
		s.buf = tds.AppendEnvRouting(s.buf, host, uint16(n))
	default:
		s.buf = tds.AppendEnvChange(s.buf, uint8(e.Kind), e.New, e.Old)
	}
	return s.spill(spillAt)
}

// ReturnStatus implements sqlapi.ResultSink.
func (s *sink) ReturnStatus(status int32) error {
	s.settle()
	s.statusSent = true
	s.buf = tds.AppendReturnStatus(s.buf, status)
	return nil
}

// ReturnValue implements sqlapi.ResultSink. The token names the parameter as the client did and says where it stood.
func (s *sink) ReturnValue(p sqlapi.Param) error {
	s.settle()
	ordinal, name := s.place(p.Name)
	s.returned++
	var err error
	if s.buf, err = tds.AppendReturnValue(s.buf, uint16(ordinal), name, p.Type, p.Value); err != nil {
		return err
	}
	return s.spill(spillAt)
}

// place finds an output parameter of the running call: by its name, or else the next in order.
func (s *sink) place(name string) (int, string) {
	if s.call == nil {
		return s.returned, name
	}
	nth := 0
	for i := range s.call.Params {
		p := &s.call.Params[i]
		if name != "" && strings.EqualFold(p.Name, name) {
			return i, p.Name
		}
		if p.Output {
			if nth == s.returned && (name == "" || p.Name == "") {
				return i, p.Name
			}
			nth++
		}
	}
	return s.returned, name
}

// Flush implements sqlapi.Flusher.
func (s *sink) Flush() error {
	if err := s.spill(0); err != nil {
		return err
	}
	return s.c.wr.Flush()
}

// endCall ends a procedure call: a RETURNSTATUS if the session sent none, and a DONEPROC, held back.
func (s *sink) endCall() error {
	failed := s.failed || s.pending.set && s.pending.status&tds.DoneError != 0
	s.settle()
	if !s.statusSent && !failed {
		s.buf = tds.AppendReturnStatus(s.buf, 0)
	}
	p := &s.pending
	p.set, p.token, p.status, p.command, p.rows = true, tds.DoneProc, s.inTxBit(), uint16(sqlapi.CmdExecute), 0
	if failed {
		p.status |= tds.DoneError
	}
	s.failed = false
	return nil
}

// finish ends the answer; err is what ended the request, if anything did. It returns an error when the connection has
// to end as well.
func (s *sink) finish(err error) error {
	interrupted := s.c.turn.end()
	if interrupted && (err == nil || errors.Is(err, sqlapi.ErrAttention)) {
		return s.acknowledge()
	}
	if err != nil {
		return s.abort(err)
	}
	if p := &s.pending; p.set && p.token != tds.DoneInProc {
		if s.failed {
			p.status |= tds.DoneError
		}
		s.buf = tds.AppendDone(s.buf, p.token, p.status, p.command, p.rows)
		p.set = false
	} else {
		s.settle()
		status := s.inTxBit()
		if s.failed {
			status |= tds.DoneError
		}
		s.buf = tds.AppendDone(s.buf, tds.Done, status, 0, 0)
	}
	return s.flushAll(s.fatal, errFatal)
}

// acknowledge ends the answer of an interrupted request and then acknowledges the attention in a message of its own, as
// SQL Server does; there are clients that wait for just that.
func (s *sink) acknowledge() error {
	s.settle()
	s.buf = tds.AppendDone(s.buf, tds.Done, tds.DoneError|s.inTxBit(), 0, 0)
	if err := s.flushAll(s.fatal, errFatal); err != nil {
		return err
	}
	return s.c.attentionDone()
}

// errFatal ends a connection after an error of severity 20 or above.
var errFatal = errors.New("an error of severity 20 or above was sent")

// abort tells the client, if it is still there, what ended its session.
func (s *sink) abort(err error) error {
	if errors.Is(err, errClientGone) || errors.Is(err, net.ErrClosed) {
		return err
	}
	if !s.fatal {
		var e *sqlerr.Error
		if !errors.As(err, &e) || e.Severity < sqlerr.SeverityFatal {
			s.c.log.Error("a session ended with an error", "error", err)
			e = sqlerr.New(596)
		}
		if merr := s.Message(e); merr != nil {
			return merr
		}
	}
	s.settle()
	s.buf = tds.AppendDone(s.buf, tds.Done, tds.DoneError, 0, 0)
	return s.flushAll(true, err)
}

// flushAll sends the rest of the answer, and returns why when the connection is to end.
func (s *sink) flushAll(end bool, why error) error {
	if err := s.spill(0); err != nil {
		return err
	}
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	if err := s.c.wr.End(); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	if end {
		if why == nil {
			why = errFatal
		}
		return why
	}
	return nil
}
