package agcore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"linkspan/hadr/agcore"
)

// TestLink runs histories of links. Commands:
//
//	new side=source|target [joined] [seeded] [suspended=user|partner|redo] [timeout=20s]
//	<event> [fault=number] [final] [peer] [reason=n]   the event happens now
//	wait [until=1m] [for=actions]                      time passes and Tick comes at each deadline; a lost dial is answered
//	                                                   with ConnectFailed fault=n when n is given
func TestLink(t *testing.T) {
	datadriven.Walk(t, "testdata/link", func(t *testing.T, path string) {
		h := &history{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.zero = h.now
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h.out.Reset()
			h.run(t, d)
			fmt.Fprintf(&h.out, "= %s", h.l.Phase())
			if h.l.Connected() {
				h.out.WriteString(", connected")
			}
			if f, _ := h.l.LastFault(); f.Number != 0 {
				fmt.Fprintf(&h.out, ", last fault %d", f.Number)
			}
			if at := h.l.Deadline(); !at.IsZero() {
				fmt.Fprintf(&h.out, ", next tick at %v", at.Sub(h.zero))
			}
			h.out.WriteByte('\n')
			return h.out.String()
		})
	})
}

type history struct {
	l         *agcore.Link
	now, zero time.Time
	out       strings.Builder
}

func (h *history) run(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "new":
		h.make(t, d)
	case "wait":
		h.wait(t, d)
	default:
		for k := agcore.Start; k <= agcore.Drop; k++ {
			if k.String() == d.Cmd {
				h.step(event(t, d, k))
				return
			}
		}
		d.Fatalf(t, "no event %q", d.Cmd)
	}
}

func (h *history) make(t *testing.T, d *datadriven.TestData) {
	o := agcore.LinkOptions{SessionTimeout: 20 * time.Second, JoinTimeout: 30 * time.Second}
	var s agcore.LinkState
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "side":
			o.Dials = a.Vals[0] == "target"
		case "joined":
			s.Joined = true
		case "seeded":
			s.Seeded = true
		case "suspended":
			s.Suspended = true
			s.Reason = map[string]agcore.SuspendReason{"partner": agcore.SuspendPartner, "redo": agcore.SuspendRedo}[a.Vals[0]]
		default:
			d.Fatalf(t, "no argument %q", a.Key)
		}
	}
	h.l = agcore.NewLink(o, s)
}

func event(t *testing.T, d *datadriven.TestData, k agcore.EventKind) agcore.Event {
	e := agcore.Event{Kind: k}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "fault", "reason":
			n, err := strconv.Atoi(a.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			if a.Key == "fault" {
				e.Fault = agcore.Fault{Number: int32(n), Text: "fault " + a.Vals[0]}
			} else {
				e.Reason = agcore.SuspendReason(n)
			}
		case "final":
			e.Final = true
		case "peer":
			e.Peer = true
		}
	}
	return e
}

func (h *history) step(e agcore.Event) []agcore.Action {
	actions := h.l.Step(h.now, e)
	for _, a := range actions {
		fmt.Fprintf(&h.out, "%v\n", a)
	}
	return actions
}

func (h *history) wait(t *testing.T, d *datadriven.TestData) {
	until, fault := time.Minute, 0
	for _, a := range d.CmdArgs {
		var err error
		if a.Key == "until" {
			until, err = time.ParseDuration(a.Vals[0])
		} else {
			fault, err = strconv.Atoi(a.Vals[0])
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	end := h.zero.Add(until)
	for {
		at := h.l.Deadline()
		if at.IsZero() || at.After(end) {
			h.now = end
			return
		}
		if at.After(h.now) {
			h.now = at
		}
		fmt.Fprintf(&h.out, "%v: ", h.now.Sub(h.zero))
		for _, a := range h.step(agcore.Event{Kind: agcore.Tick}) {
			if a.Kind == agcore.Dial && fault != 0 {
				h.step(agcore.Event{Kind: agcore.ConnectFailed, Fault: agcore.Fault{Number: int32(fault), Text: "x"}})
			}
		}
	}
}
