package sqlclient_test

import (
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/sqlclient"
)

// browserAnswer is a SVR_RESP.
func browserAnswer(text string) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{5}, uint16(len(text))), text...)
}

// instanceText describes an instance as the service does; tcp "" leaves the protocol out.
func instanceText(name, tcp string) string {
	s := "ServerName;HOST1;InstanceName;" + name + ";IsClustered;No;Version;13.0.6300.2;np;\\\\HOST1\\pipe\\MSSQL$" + name + "\\sql\\query"
	if tcp != "" {
		s += ";tcp;" + tcp
	}
	return s + ";;"
}

// browser answers on a loopback port as SQL Server Browser does: not at all where reply gives nil.
func browser(t *testing.T, reply func(request []byte) []byte) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if a := reply(buf[:n]); a != nil {
				_, _ = conn.WriteTo(a, from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); done.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// service knows two instances, one of them without TCP, and keeps silent about others.
func service(port int) func([]byte) []byte {
	sales, pipes := instanceText("SALES", strconv.Itoa(port)), instanceText("PIPES", "")
	return func(request []byte) []byte {
		switch {
		case request[0] == 3:
			return browserAnswer(sales + pipes)
		case request[0] == 4 && strings.EqualFold(string(request[1:]), "sales\x00"):
			return browserAnswer(sales)
		case request[0] == 4 && strings.EqualFold(string(request[1:]), "pipes\x00"):
			return browserAnswer(pipes)
		}
		return nil
	}
}

func TestInstanceIsFoundThroughBrowser(t *testing.T) {
	t.Parallel()
	target := serve(t)
	target.BrowserPort = browser(t, service(target.Port))
	target.Port, target.Instance = 0, "sales"
	c := open(t, target)
	if r, err := c.Query(t.Context(), "select 1"); err != nil || len(r.First().Rows) != 1 {
		t.Errorf("over the port that the service named: %v", err)
	}
	target.Instance = "nosuch"
	_, err := sqlclient.Open(t.Context(), target)
	var e *sqlclient.BrowserError
	if !errors.As(err, &e) || !errors.Is(err, sqlclient.ErrNoInstance) || !strings.Contains(err.Error(), "SALES, PIPES") {
		t.Errorf("an instance that is not there: %v", err)
	}
}

// The first datagram is lost, the second one is answered.
func TestBrowserIsAskedAgain(t *testing.T) {
	t.Parallel()
	n, real := 0, service(50001)
	port := browser(t, func(request []byte) []byte {
		if n++; n == 1 {
			return nil
		}
		return real(request)
	})
	i, err := sqlclient.Browser{Host: "127.0.0.1", Port: port, Timeout: 3 * time.Second, Tries: 5}.Find(t.Context(), "SALES")
	if err != nil || i.Port != 50001 || i.Version != "13.0.6300.2" {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestBrowserErrors(t *testing.T) {
	t.Parallel()
	silent := browser(t, func([]byte) []byte { return nil })
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.LocalAddr().(*net.UDPAddr).Port
	_ = free.Close()
	for name, c := range map[string]struct {
		port     int
		instance string
		is       error
		says     string
	}{
		"no answer":      {silent, "SALES", sqlclient.ErrNoBrowser, "open UDP port"},
		"nobody listens": {closed, "SALES", sqlclient.ErrNoBrowser, "start the service"},
		"no TCP":         {browser(t, service(1)), "PIPES", sqlclient.ErrNoTCP, "enable TCP/IP"},
		"other protocol": {browser(t, func([]byte) []byte { return []byte("HTTP/1.1 400") }), "SALES", sqlclient.ErrBrowserAnswer, "does not begin"},
		"too long":       {browser(t, func([]byte) []byte { return browserAnswer(strings.Repeat("x;", 800)) }), "SALES", sqlclient.ErrBrowserAnswer, "1024 are allowed"},
		"cut off":        {browser(t, func([]byte) []byte { return browserAnswer(instanceText("SALES", "1"))[:20] }), "SALES", sqlclient.ErrBrowserAnswer, "are announced"},
		"no port":        {browser(t, func([]byte) []byte { return browserAnswer(instanceText("SALES", "70000")) }), "SALES", sqlclient.ErrBrowserAnswer, "no port"},
		"no name":        {silent, strings.Repeat("x", 33), nil, "not the name of an instance"},
	} {
		patience := 10 * time.Second
		if errors.Is(c.is, sqlclient.ErrNoBrowser) {
			patience = 100 * time.Millisecond
		}
		_, err := sqlclient.Browser{Host: "127.0.0.1", Port: c.port, Timeout: patience, Tries: 2}.Find(t.Context(), c.instance)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachStreamsRows(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t))
	var got [][]any
	enough := errors.New("enough")
	row := func(v []any) error { got = append(got, append([]any(nil), v...)); return nil }
	if err := c.Each(t.Context(), "select 1", row); err != nil || len(got) != 1 || got[0][0] != "1" {
		t.Errorf("%v %v", got, err)
	}
	if err := c.Each(t.Context(), "this fails", row); err == nil || !strings.Contains(err.Error(), "Msg 1475") {
		t.Errorf("a batch that fails: %v", err)
	}
	if err := c.Each(t.Context(), "select 1", func([]any) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a reader that has enough: %v", err)
	}
}
