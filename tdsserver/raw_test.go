package tdsserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tds"
	"linkspan/tdsserver"
)

// client is a TDS client of few words, written byte by byte. It speaks TDS 8.0, where TLS is outside.
type client struct {
	nc net.Conn
	rw io.ReadWriter
}

func dialPlain(t testing.TB, s *server) *client {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{nc: nc, rw: nc}
}

func dial(t testing.TB, s *server) *client {
	t.Helper()
	c := dialPlain(t, s)
	c.rw = tls.Client(c.nc, &tls.Config{RootCAs: s.ca.pool, ServerName: "localhost", NextProtos: []string{"tds/8.0"}})
	return c
}

// send sends one message.
func (c *client) send(t testing.TB, kind byte, payload []byte, status ...byte) {
	t.Helper()
	w := tds.NewWriter(writerFunc(func(p []byte) (int, error) {
		if len(status) > 0 {
			p[1] |= status[0]
		}
		return c.rw.Write(p)
	}))
	w.Begin(tds.PacketType(kind))
	_, err := w.Write(payload)
	if err = errors.Join(err, w.End()); err != nil {
		t.Fatal(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// receive reads one message.
func (c *client) receive(t testing.TB) []byte {
	t.Helper()
	m, err := tds.NewReader(c.rw).Next(1<<20, nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	if m.Type != tds.PacketReply {
		t.Fatalf("a message of type %d", m.Type)
	}
	return m.Payload
}

// closed waits for the server to close the connection, and reports what came before.
func (c *client) closed(t testing.TB) []byte {
	t.Helper()
	b, err := io.ReadAll(c.rw)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server keeps the connection")
	}
	return b
}

func prelogin(encryption byte) []byte {
	return []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, encryption}
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// login7 makes a LOGIN7 message.
func login7(user, password string) []byte {
	b := make([]byte, 94)
	le := binary.LittleEndian
	le.PutUint32(b[4:], tds.Version74)
	le.PutUint32(b[8:], 4096)
	put := func(at int, p []byte) {
		le.PutUint16(b[at:], uint16(len(b)))
		le.PutUint16(b[at+2:], uint16(len(p)/2))
		b = append(b, p...)
	}
	secret := utf16le(password)
	for i, c := range secret {
		secret[i] = (c<<4 | c>>4) ^ 0xa5
	}
	put(40, utf16le(user))
	put(44, secret)
	le.PutUint32(b, uint32(len(b)))
	return b
}

func batch(text string) []byte {
	h := []byte{22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	return append(h, utf16le(text)...)
}

// login logs in and returns the answer.
func (c *client) login(t testing.TB, user, password string) []byte {
	t.Helper()
	c.send(t, 18, prelogin(2))
	c.receive(t)
	c.send(t, 16, login7(user, password))
	return c.receive(t)
}

// done is the last token of an answer that ends with a DONE.
func done(t testing.TB, b []byte) (token byte, status uint16) {
	t.Helper()
	if len(b) < tds.DoneSize {
		t.Fatalf("an answer of %x", b)
	}
	b = b[len(b)-tds.DoneSize:]
	return b[0], binary.LittleEndian.Uint16(b[1:])
}

func TestAttentionWhenIdle(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	for range 3 {
		c.send(t, 6, nil)
		if b := c.receive(t); !bytes.Equal(b, []byte{0xfd, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
			t.Fatalf("an attention was answered by %x", b)
		}
		c.send(t, 1, batch("select 1"))
		if tok, status := done(t, c.receive(t)); tok != 0xfd || status != 0x10 {
			t.Fatalf("the answer ends with %x %x", tok, status)
		}
	}
}

func TestTransactionBitAndIgnoredRequest(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	begin := append(batch("")[:22:22], 5, 0, 2, 0)
	c.send(t, 14, begin)
	if b := c.receive(t); !bytes.HasPrefix(b, []byte{0xe3, 11, 0, 8, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0}) {
		t.Fatalf("begin was answered by %x", b)
	}
	c.send(t, 1, batch("select 1"))
	if _, status := done(t, c.receive(t)); status != 0x14 {
		t.Errorf("status %x inside a transaction", status)
	}
	c.send(t, 1, batch("select 1"), tds.StatusIgnore)
	if b := c.receive(t); len(b) != tds.DoneSize || b[1] != 0x06 {
		t.Errorf("an ignored request was answered by %x", b)
	}
	c.send(t, 14, append(batch("")[:22:22], 8, 0, 0, 0))
	c.receive(t)
	c.send(t, 1, batch("select 1"))
	if _, status := done(t, c.receive(t)); status != 0x10 {
		t.Errorf("status %x after a transaction", status)
	}
	c.send(t, 14, append(batch("")[:22:22], 0, 0))
	if b := c.receive(t); !bytes.Contains(b, utf16le("MSDTC")) {
		t.Errorf("a request for DTC was answered by %q", b)
	}
	c.send(t, 7, []byte{0x81})
	if b := c.receive(t); !bytes.Contains(b, utf16le("INSERT BULK")) {
		t.Errorf("a bulk load was answered by %q", b)
	}
	c.send(t, 1, batch("select 1"), tds.StatusReset)
	if b := c.receive(t); !bytes.HasPrefix(b, []byte{0xe3, 3, 0, 18, 0, 0}) {
		t.Errorf("a reset was answered by %x", b)
	}
}

// Whoever cannot encrypt is told so, and its password is not looked at.
func TestPlainLoginIsRefused(t *testing.T) {
	t.Parallel()
	b := &backend{login: func(l sqlapi.Login) error { panic("the backend was asked") }}
	s := start(t, b)
	c := dialPlain(t, s)
	c.send(t, 18, prelogin(2))
	answer := c.receive(t)
	p, err := tds.DecodePrelogin(answer)
	if err != nil || p.Encryption != tds.EncryptRequired {
		t.Fatalf("PRELOGIN says %+v, %v", p, err)
	}
	c.send(t, 16, login7("sa", "Pa$$w0rd"))
	if b := c.closed(t); !bytes.Contains(b, utf16le("Encryption is required")) {
		t.Errorf("refused with %q", b)
	}
}

func TestLoginsThatAreNotServed(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	old := login7("sa", "Pa$$w0rd")
	binary.LittleEndian.PutUint32(old[4:], 0x71000001)
	sspi := login7("", "")
	sspi[25] |= 0x80
	fed := login7("", "")
	fed[27] |= 0x10
	binary.LittleEndian.PutUint16(fed[56:], uint16(len(fed)))
	binary.LittleEndian.PutUint16(fed[58:], 4)
	fed = binary.LittleEndian.AppendUint32(fed, uint32(len(fed)+4))
	fed = append(fed, 2, 0, 0, 0, 0, 0xff)
	for want, login := range map[string][]byte{
		"TDS version 71000001 is not served": old,
		"Windows authentication":             sspi,
		"Microsoft Entra authentication":     fed,
		"structurally invalid":               login7("sa", "x")[:60],
	} {
		c := dial(t, s)
		c.send(t, 18, prelogin(2))
		c.receive(t)
		c.send(t, 16, login)
		if b := c.closed(t); !bytes.Contains(b, utf16le(want)) {
			t.Errorf("%s: %q", want, b)
		}
	}
}

// What a stranger may learn: that PRELOGIN is spoken here, by which major version.
func TestStrangersLearnLittle(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	c := dialPlain(t, s)
	c.send(t, 18, prelogin(1))
	b := c.receive(t)
	if !bytes.Contains(b, []byte{16, 0, 0, 0, 0, 0}) || bytes.Contains(b, []byte{16, 0, 0x03, 0xe8}) {
		t.Errorf("PRELOGIN says %x", b)
	}
	for _, user := range []string{"sa", "nobody", ""} {
		c := dial(t, s)
		if b := c.login(t, user, "wrong"); !bytes.Contains(b, utf16le("Login failed for user '"+user+"'.")) {
			t.Errorf("%q: %q", user, b)
		}
		c.closed(t)
	}
}

// Garbage closes its own connection at once, is logged at debug level only, and disturbs nobody.
func TestGarbage(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, &backend{}, func(o *tdsserver.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	good := dial(t, s)
	good.login(t, "sa", "Pa$$w0rd")
	for name, p := range map[string][]byte{
		"http":            []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"zeros":           make([]byte, 64),
		"ssh":             []byte("SSH-2.0-OpenSSH_9.6\r\n"),
		"tls without tds": {0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5},
		"short packet":    {18, 1, 0, 4, 0, 0, 0, 0},
		"huge packet":     {18, 1, 0xff, 0xff, 0, 0, 0, 0},
		"bad prelogin":    {18, 1, 0, 14, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 0xff},
		"old login":       append([]byte{2, 1, 0, 100, 0, 0, 0, 0}, make([]byte, 92)...),
	} {
		c := dialPlain(t, s)
		if _, err := c.nc.Write(p); err != nil {
			t.Fatal(err)
		}
		if b := c.closed(t); len(b) > 0 && b[0] != 0x15 { // a TLS alert is an answer to TLS
			t.Errorf("%s was answered by %q", name, b)
		}
		good.send(t, 1, batch("select 1"))
		good.receive(t)
	}
	if l := log.String(); strings.Contains(l, "level=WARN") || strings.Contains(l, "level=ERROR") || strings.Count(l, "before its login") != 8 {
		t.Errorf("the log has\n%s", l)
	}
}

// Broken bytes inside a session: a well-framed request fails alone, a broken frame ends the connection.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	h := batch("")
	for name, m := range map[string]struct {
		kind    byte
		payload []byte
	}{
		"empty batch":            {1, nil},
		"odd batch":              {1, append(batch("select 1"), 0)},
		"headers too long":       {1, []byte{0xff, 0xff, 0xff, 0x7f, 0, 0}},
		"rpc cut off":            {3, append(h[:22:22], 0xff, 0xff, 10)},
		"rpc name too long":      {3, append(h[:22:22], 0xff, 0x7f, 'x', 0)},
		"parameter too long":     {3, append(h[:22:22], 0xff, 0xff, 10, 0, 0, 0, 0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, 0x40, 0x1f, 'x', 0)},
		"plp length beyond":      {3, append(h[:22:22], 0xff, 0xff, 10, 0, 0, 0, 0, 0, 0xa5, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0)},
		"unknown type":           {3, append(h[:22:22], 0xff, 0xff, 10, 0, 0, 0, 0, 0, 0x99)},
		"decimal of precision 0": {3, append(h[:22:22], 0xff, 0xff, 10, 0, 0, 0, 0, 0, 0x6a, 5, 0, 0, 0)},
		"unknown tm request":     {14, append(h[:22:22], 99, 0)},
	} {
		c.send(t, m.kind, m.payload)
		if _, status := done(t, c.receive(t)); status != 2 {
			t.Errorf("%s: status %x", name, status)
		}
	}
	c.send(t, 1, batch("select 1"))
	c.receive(t)
	if _, err := c.rw.Write([]byte{1, 1, 0, 3, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if b := c.closed(t); !bytes.Contains(b, utf16le("Length specified in network packet")) {
		t.Errorf("a broken frame was answered by %q", b)
	}
	c = dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 18, prelogin(2))
	if b := c.closed(t); !bytes.Contains(b, utf16le("connection has been closed")) {
		t.Errorf("a PRELOGIN in a session was answered by %q", b)
	}
	eventually(t, "the sessions to end", func() bool { return s.Sessions() == 0 })
}

// A call answers with DONEINPROC, RETURNSTATUS, RETURNVALUE and DONEPROC, in this order, and says that more follows in
// all but the last.
func TestTokensOfACall(t *testing.T) {
	t.Parallel()
	b := &backend{call: func(_ context.Context, _ *session, c sqlapi.Call, out sqlapi.ResultSink) error {
		if c.Name == "fails" {
			return errors.Join(out.Message(sqlerr.New(8134)), out.Done(sqlapi.Done{Command: sqlapi.CmdSelect}))
		}
		return errors.Join(
			out.Done(sqlapi.Done{Command: sqlapi.CmdInsert, Rows: 1, HasRows: true}),
			out.Done(sqlapi.Done{Command: sqlapi.CmdUpdate, Rows: 2, HasRows: true}),
			out.ReturnValue(sqlapi.Param{Type: sqltype.Type{Kind: sqltype.Int}, Value: sqltype.IntOf(sqltype.Int, 5)}))
	}}
	c := dial(t, start(t, b))
	c.login(t, "sa", "Pa$$w0rd")
	head := batch("")[:22:22]
	output := append([]byte{2}, append(utf16le("@h"), 1, 0x26, 4, 0)...)
	c.send(t, 3, append(append(head, 0xff, 0xff, 13, 0, 0, 0), output...))
	want := "ff1100c3000100000000000000" + "ff1100c5000200000000000000" + // DONEINPROC, more, count
		"ac0000" + "0240006800" + "01" + "00000000" + "0100" + "260404" + "05000000" + // the name as it was sent
		"7900000000" + "fe0000e0000000000000000000"
	if got := hex.EncodeToString(c.receive(t)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Two calls in one message, the second of which fails: one answer, one end.
	two := append(append(head, 0xff, 0xff, 13, 0, 0, 0), 0xff)
	two = append(append(append(two, 5, 0), utf16le("fails")...), 0, 0)
	c.send(t, 3, two)
	answer := c.receive(t)
	if !bytes.Contains(answer, []byte{0xfe, 1, 0, 0xe0, 0}) {
		t.Errorf("the first call ends with more to come, but the answer is %x", answer)
	}
	if tok, status := done(t, answer); tok != 0xfe || status != 2 {
		t.Errorf("the failed call ends with %x, status %x", tok, status)
	}
}

// What a session flushes arrives while the request goes on.
func TestFlush(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	b := &backend{batches: map[string]script{"progress": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		err := errors.Join(out.Message(sqlerr.Raise(0, 0, 1, "half way")), out.(sqlapi.Flusher).Flush(), out.(sqlapi.Flusher).Flush())
		<-seen
		return errors.Join(err, out.Done(sqlapi.Done{}))
	}}}
	c := dial(t, start(t, b))
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("progress"))
	var got []byte
	for !bytes.Contains(got, utf16le("half way")) {
		p := make([]byte, 512)
		n, err := c.rw.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	close(seen)
	if tok, status := done(t, c.receive(t)); tok != 0xfd || status != 0 {
		t.Errorf("the answer ends with %x, status %x", tok, status)
	}
}

// Sessions with flipped, cut and repeated bytes: whatever comes of them, the server goes on and serves others.
func TestMutatedSessions(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{call: echo}, func(o *tdsserver.Options) { o.Encryption, o.LoginTimeout = tdsserver.Optional, time.Second })
	var whole bytes.Buffer
	record := &client{rw: &whole}
	record.send(t, 18, prelogin(2))
	record.send(t, 16, login7("sa", "Pa$$w0rd"))
	record.send(t, 1, batch("select 1"))
	rpc := append(batch("")[:22:22], 0xff, 0xff, 10, 0, 0, 0)
	for _, text := range []string{"select @p", "@p nvarchar(10)", "x"} {
		v := utf16le(text)
		rpc = append(append(rpc, 0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, byte(len(v)), 0), v...)
	}
	record.send(t, 3, rpc)
	record.send(t, 6, nil)
	record.send(t, 14, append(batch("")[:22:22], 5, 0, 2, 0))
	good := dial(t, s)
	good.login(t, "sa", "Pa$$w0rd")
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 1))
	for round := range 300 {
		b := bytes.Clone(whole.Bytes())
		for range 1 + rnd.IntN(4) {
			b[rnd.IntN(len(b))] = byte(rnd.Uint32())
		}
		if at := rnd.IntN(len(b)); rnd.IntN(3) == 0 {
			b = append(b[:at], b[min(len(b), at+rnd.IntN(50)):]...)
		}
		c := dialPlain(t, s)
		_, _ = c.nc.Write(b)
		_ = c.nc.(*net.TCPConn).CloseWrite()
		c.closed(t)
		if round%20 == 0 {
			good.send(t, 1, batch("select 1"))
			if _, status := done(t, good.receive(t)); status != 0x10 {
				t.Fatalf("seed %d, round %d: the other session got status %x", seed, round, status)
			}
		}
	}
	_ = good.nc.Close()
	eventually(t, "all sessions to end", func() bool { return s.Sessions() == 0 && s.b.open.Load() == 0 })
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
