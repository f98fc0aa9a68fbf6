package hadrwire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
)

var (
	at    = time.UnixMicro(1_790_000_000_123_456).UTC()
	id    = [16]byte{1, 2, 3, 15: 9}
	one   = lsn.LSN{VLF: 1, Block: 2, Slot: 3}
	two   = lsn.LSN{VLF: 4, Block: 5, Slot: 6}
	names = "O'Brien] ❄ --"
)

func every() []hadrwire.Message {
	h := hadrwire.SeedHeader{Origin: id, Epoch: 2, Pages: 77, LogFrom: one, LogPrev: one, LogOffset: 512, LogTime: 7,
		Controls: []hadrwire.Control{{LSN: one, Epoch: 1, Kind: 3, Payload: []byte("role")}, {LSN: two, Payload: []byte{}}}}
	m := hadrwire.Member{ID: id, Name: names, URL: "tcp://a:1", Mode: 1, Seeding: 1, SessionTimeout: 20}
	return []hadrwire.Message{
		&hadrwire.Hello{Protocol: hadrwire.Version, LogFormat: 1, CollationTable: 2, Collation: "c", Server: "s", ShortName: "n", Link: names,
			OwnGroup: "o", PartnerGroup: "p", Database: names, Origin: id, Epoch: 3, Position: two, Suspended: true, Standing: []byte("standing")},
		&hadrwire.Config{Server: "s", Link: names, LinkID: id, DatabaseID: id, Database: "d", Origin: id, Epoch: 1, Source: m, Target: m, Bytes: 1 << 40, Required: 1, Standing: []byte{}},
		&hadrwire.Modes{Source: m, Target: m, Required: 1},
		&hadrwire.State{Synchronized: true},
		&hadrwire.TurnOver{Turn: hadrwire.TurnOpened, Epoch: 2, Left: time.Second, Number: 47514, Text: names, Standing: []byte("standing")},
		&hadrwire.Refuse{Number: 41976, Text: names, Final: true},
		&hadrwire.Heartbeat{Sent: at},
		&hadrwire.Progress{Received: two, Hardened: two, Published: one, HardenedAt: at, CommitTime: at, RedoQueue: 9},
		&hadrwire.Suspend{Reason: 2, Text: "digests differ"},
		&hadrwire.Resume{},
		&hadrwire.SeedRequest{Operation: id, Resume: true, Header: h, NextPage: 5},
		&hadrwire.SeedStart{Resumed: true, Header: h, Operation: id},
		&hadrwire.SeedRequest{Header: h, Difference: true, Pages: true},
		&hadrwire.SeedStart{Header: h, Difference: true},
		&hadrwire.SeedHashes{First: 3, Hashes: [][16]byte{id, {}}},
		&hadrwire.SeedDelta{First: 3, Size: 80, LSN: two, Digest: id, LSNs: []lsn.LSN{one, two, two}, Hashes: [][16]byte{id, {}, id},
			Have: []bool{true, false, false}, Pages: make([]byte, 2*512)},
		&hadrwire.SeedDelta{First: 81, Size: 80, LSN: two, LSNs: []lsn.LSN{}, Hashes: [][16]byte{}, Have: []bool{}, Pages: []byte{}},
		&hadrwire.HashesRequest{Origin: id, At: two, First: 1, Count: 1024},
		&hadrwire.PageHashes{First: 1, Hashes: [][16]byte{id}},
		&hadrwire.PageRequest{Origin: id, Page: 7, Want: id},
		&hadrwire.VersionRequest{Origin: id},
		&hadrwire.VersionHeld{At: two, Epoch: 3, Pages: 80, Digest: id},
		&hadrwire.PagesRequest{Pages: []uint32{1, 7, 1 << 31}},
		&hadrwire.Pages{Data: make([]byte, 2*512)},
		&hadrwire.Page{Page: 7, Reason: names, Data: make([]byte, 512)},
		&hadrwire.SeedChunk{First: 3, Size: 80, LSN: two, Digest: id, LSNs: []lsn.LSN{one, two}, Hashes: [][16]byte{id, {}}, Pages: make([]byte, 2*512)},
		&hadrwire.SeedChunk{First: 81, Size: 80, LSN: two, LSNs: []lsn.LSN{}, Hashes: [][16]byte{}, Pages: []byte{}},
		&hadrwire.SeedAck{NextPage: 6, Bytes: 1 << 33},
		&hadrwire.LogRequest{Origin: id, Epoch: 1, After: one, Seeding: true},
		&hadrwire.LogStart{After: one},
		&hadrwire.Rotate{Thumbprint: "00ff"},
		&hadrwire.Rotated{Bound: true},
		&hadrwire.Probe{Hello: hadrwire.Hello{Protocol: hadrwire.Version, Link: names, Standing: []byte{}}},
		&hadrwire.Probed{Number: 41976, Text: names, Server: "s", Now: at},
		&hadrwire.LogBatch{First: one, Last: two, Digest: id, Published: two, Time: at, Sent: at, Records: []byte("records")},
	}
}

func TestEveryMessageComesBack(t *testing.T) {
	t.Parallel()
	var stream []byte
	for _, m := range every() {
		stream = hadrwire.Append(stream, m)
	}
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream))} {
		in := hadrwire.NewReader(r)
		for _, want := range every() {
			got, err := in.Next()
			if err != nil {
				t.Fatalf("%s: %T: %v", name, want, err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %T came back changed:\n%s", name, want, d)
			}
		}
		if _, err := in.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the end is %v", name, err)
		}
	}
}

// Every cut, and every byte too many, is an error and nothing else.
func TestCutAndLongMessages(t *testing.T) {
	t.Parallel()
	for _, m := range every() {
		frame := hadrwire.Append(nil, m)
		for n := 1; n < len(frame); n++ {
			if _, err := hadrwire.NewReader(bytes.NewReader(frame[:n])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%T cut at %d: %v", m, n, err)
			}
		}
		long := append(bytes.Clone(frame), 0)
		binary.LittleEndian.PutUint32(long, uint32(len(long)-4))
		if m.Type() == hadrwire.TypeLogBatch {
			continue // its end is whatever the frame holds
		}
		if _, err := hadrwire.NewReader(bytes.NewReader(long)).Next(); !errors.Is(err, hadrwire.ErrMalformed) {
			t.Errorf("%T with a byte more: %v", m, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	head := func(n uint32, t hadrwire.Type) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, n), byte(t))
	}
	for name, b := range map[string][]byte{
		"no type": head(1, 0), "unknown type": head(1, 200), "empty": head(0, hadrwire.TypeHello), "large hello": head(1<<20, hadrwire.TypeHello),
		"large batch": head(2*hadrwire.MaxBatch, hadrwire.TypeLogBatch), "not a hello": append(head(11, hadrwire.TypeHello), "GET / HTTP"...),
	} {
		if _, err := hadrwire.NewReader(bytes.NewReader(b)).Next(); !errors.Is(err, hadrwire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A length that is allowed, of bytes that never come, costs no more than the step ahead.
func TestAnnouncedLengthsAreNotBelieved(t *testing.T) {
	frame := append(binary.LittleEndian.AppendUint32(nil, hadrwire.MaxBatch), byte(hadrwire.TypeLogBatch))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := hadrwire.NewReader(bytes.NewReader(frame)).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestOtherVersionsCanBeTold(t *testing.T) {
	t.Parallel()
	frame := hadrwire.Append(nil, &hadrwire.Hello{Protocol: 9, Link: "x"})
	frame = append(frame, "whatever version nine says"...)
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-4))
	m, err := hadrwire.NewReader(bytes.NewReader(frame)).Next()
	if h, ok := m.(*hadrwire.Hello); err != nil || !ok || h.Protocol != 9 || h.Link != "" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestLongTextIsCut(t *testing.T) {
	t.Parallel()
	frame := hadrwire.Append(nil, &hadrwire.Refuse{Text: strings.Repeat("❄", 30_000)})
	m, err := hadrwire.NewReader(bytes.NewReader(frame)).Next()
	if err != nil || len(m.(*hadrwire.Refuse).Text) > 1<<14 {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	for _, m := range every() {
		f.Add(hadrwire.Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := hadrwire.NewReader(bytes.NewReader(b))
		for {
			m, err := r.Next()
			if err != nil {
				return
			}
			frame := hadrwire.Append(nil, m)
			again, err := hadrwire.NewReader(bytes.NewReader(frame)).Next()
			if err != nil {
				t.Fatalf("%T does not come back: %v", m, err)
			}
			if d := cmp.Diff(m, again); d != "" {
				t.Fatalf("%T came back changed:\n%s", m, d)
			}
		}
	})
}
