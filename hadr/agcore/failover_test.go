package agcore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
)

// TestFailover runs histories of one side through changes of roles. Commands:
//
//	new side=1|2 [classic] [sync] [required] [refused=n] [outdated=n] [forcing=n] [reseed] [joined=no]
//	<event> [mine=S] [theirs=S] [epoch=n] [lsn=n] [end=n] [fault=n] [by=duration] [on] [final] [peer]
//	wait until=duration
//
// S is a standing: role/epoch/end[/records][/refused:n], where records are FENCE, HOLD and OPEN as fence:epoch@lsn, joined
// with +, oldest first.
func TestFailover(t *testing.T) {
	datadriven.Walk(t, "testdata/failover", func(t *testing.T, path string) {
		h := &history{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.zero = h.now
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h.out.Reset()
			switch d.Cmd {
			case "new":
				h.renew(t, d)
			case "wait":
				h.wait(t, d)
			default:
				h.step(failoverEvent(t, d, h.now))
			}
			h.describe()
			return h.out.String()
		})
	})
}

func (h *history) describe() {
	fmt.Fprintf(&h.out, "= %s, %s", h.l.Role(), h.l.Sync())
	if w := h.l.Work(); w != agcore.WorkNone {
		fmt.Fprintf(&h.out, ", %s", w)
	}
	s := h.l.State()
	for _, f := range []struct {
		name  string
		epoch uint32
	}{{"refused", s.Refused}, {"outdated by", s.Outdated}, {"forcing", s.Forcing}} {
		if f.epoch != 0 {
			fmt.Fprintf(&h.out, ", %s %d", f.name, f.epoch)
		}
	}
	if s.Reseed {
		h.out.WriteString(", to be re-seeded")
	}
	if l := s.Loss; l != nil {
		fmt.Fprintf(&h.out, ", loss: epoch %d end %v peer %v fork %v tail %v", l.Epoch, l.End.Block, l.Peer.Block, l.Fork.Block, l.Tail.Block)
	}
	h.out.WriteByte('\n')
}

func (h *history) renew(t *testing.T, d *datadriven.TestData) {
	o := agcore.LinkOptions{SessionTimeout: 20 * time.Second, JoinTimeout: 30 * time.Second, Name: "dag", Database: "db", Side: agcore.Side1}
	s := agcore.LinkState{Joined: true, Seeded: true, Peer: "peer"}
	for _, a := range d.CmdArgs {
		n := uint32(0)
		if len(a.Vals) > 0 {
			n = number(t, d, a.Vals[0])
		}
		switch a.Key {
		case "side":
			o.Side, o.Dials = agcore.Side(n), n == 2
		case "classic":
			o.Classic = true
		case "sync":
			o.Synchronous = true
		case "required":
			o.Required = true
		case "refused":
			s.Refused = n
		case "outdated":
			s.Outdated = n
		case "forcing":
			s.Forcing = n
		case "reseed":
			s.Reseed = true
		default:
			d.Fatalf(t, "no argument %q", a.Key)
		}
	}
	h.l = agcore.NewLink(o, s)
}

func number(t *testing.T, d *datadriven.TestData, s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return uint32(n)
}

func place(n uint32) lsn.LSN {
	if n == 0 {
		return lsn.Zero
	}
	return lsn.LSN{VLF: 1, Block: n, Slot: 1}
}

func failoverEvent(t *testing.T, d *datadriven.TestData, now time.Time) agcore.Event {
	var e agcore.Event
	for k := agcore.Start; k <= agcore.Explained; k++ {
		if k.String() == d.Cmd {
			e.Kind = k
		}
	}
	if e.Kind == 0 {
		d.Fatalf(t, "no event %q", d.Cmd)
	}
	for _, a := range d.CmdArgs {
		v := ""
		if len(a.Vals) > 0 {
			v = a.Vals[0]
		}
		switch a.Key {
		case "mine":
			e.Mine = standing(t, d, v)
		case "theirs":
			e.Theirs = standing(t, d, v)
		case "epoch":
			e.Epoch = number(t, d, v)
		case "lsn":
			e.LSN = place(number(t, d, v))
		case "end":
			e.End = place(number(t, d, v))
		case "fault":
			e.Fault = agcore.Fault{Number: int32(number(t, d, v)), Text: "fault"}
		case "by":
			after, err := time.ParseDuration(v)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			e.By = now.Add(after)
		case "on":
			e.On = true
		case "final":
			e.Final = true
		case "peer":
			e.Peer = true
		case "text":
			e.Text = v
		case "loss":
			e.Loss = &agcore.Loss{Measured: true, Fork: place(number(t, d, v)), Tail: place(number(t, d, a.Vals[1]))}
		default:
			d.Fatalf(t, "no argument %q", a.Key)
		}
	}
	return e
}

func standing(t *testing.T, d *datadriven.TestData, text string) *agcore.Standing {
	if text == "none" {
		return &agcore.Standing{}
	}
	parts := strings.Split(text, "/")
	s := &agcore.Standing{Exists: true, Primary: parts[0] == "primary", Epoch: number(t, d, parts[1]), End: place(number(t, d, parts[2]))}
	h := agcore.History{{}}
	for _, p := range parts[3:] {
		if n, ok := strings.CutPrefix(p, "refused:"); ok {
			s.Refused = number(t, d, n)
			continue
		}
		for _, r := range strings.Split(p, "+") {
			kind, rest, _ := strings.Cut(r, ":")
			epoch, at, _ := strings.Cut(rest, "@")
			s.Last = agcore.RoleRecord{Kind: agcore.RoleFence, Epoch: number(t, d, epoch), Hold: kind == "hold"}
			if kind == "open" {
				s.Last.Kind = agcore.RoleOpen
				h = h.Add(s.Last.Epoch, place(number(t, d, at)-1))
			}
			s.Last.History, s.LastAt = h, place(number(t, d, at))
		}
	}
	return s
}
