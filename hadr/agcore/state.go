package agcore

import (
	"time"

	"linkspan/lsn"
)

// Phase is where a link stands in its life.
type Phase uint8

// The phases. PhaseCreated to PhaseNotSynchronizing depend on the connection and start over with the process; the others
// are stored.
const (
	PhaseCreated          Phase = iota // configured; the peers have not met since the start
	PhaseInitialising                  // they have met; the copy has not begun
	PhaseSeeding                       // the copy is being made
	PhaseSynchronizing                 // the copy is whole and log flows
	PhaseNotSynchronizing              // the copy is whole and log does not flow
	PhaseSuspended                     // data movement was stopped, by hand or by a fault, until RESUME
	PhaseBroken                        // the copy cannot go on from where it is; the link must be made anew
	PhaseDropped
)

// String names the phase as logs and scripts do.
func (p Phase) String() string {
	return pick(int(p), "CREATED", "INITIALISING", "SEEDING", "SYNCHRONIZING", "NOT SYNCHRONIZING", "SUSPENDED", "BROKEN", "DROPPED")
}

// Fault is a refusal or failure with its number and text.
type Fault struct {
	Number int32
	Text   string
}

// LinkState is what of a link's life is stored.
type LinkState struct {
	// Joined: on the managed instance the source has given its configuration; on the source a peer has joined once.
	Joined bool
	// Seeded: the copy is whole.
	Seeded bool
	// Suspended: data movement was stopped, for Reason and Text.
	Suspended bool          `json:",omitempty"`
	Reason    SuspendReason `json:",omitempty"`
	Text      string        `json:",omitempty"`
	// Broken is why the copy cannot go on, or nil.
	Broken *Fault `json:",omitempty"`
	// Bound are the thumbprints (hexadecimal) of the peer's certificates that authorise this link.
	Bound []string `json:",omitempty"`
	// Peer is the peer's server name, once it is known.
	Peer string `json:",omitempty"`
	// HoldAfter is the LSN after which the source keeps log for the copy; zero until its seeding began.
	HoldAfter lsn.LSN
	// Endpoint is the source endpoint's URL, on the managed instance.
	Endpoint string `json:",omitempty"`
	// Dropping: the link was dropped here and its copy is not an ordinary database yet.
	Dropping bool `json:",omitempty"`
	// Origin is the identity of the source's database, from the first configuration on.
	Origin [16]byte
	// Reseed: the copy cannot go on from its log; it is brought in line by fetching the pages that differ.
	Reseed bool `json:",omitempty"`
	// Refused is the greatest epoch that this side has promised not to open.
	Refused uint32 `json:",omitempty"`
	// Outdated, on a primary that another one outlived, is that one's epoch: no writers until SET (ROLE = SECONDARY).
	Outdated uint32 `json:",omitempty"`
	// Forcing is the epoch that a forced failover is about to open here; kept, it does no harm.
	Forcing uint32 `json:",omitempty"`
	// Loss is what the last forced failover left out, or nil.
	Loss *Loss `json:",omitempty"`
}

// Loss says what a forced failover left out: first what could be known then, and, when the old primary was brought back,
// what was measured.
type Loss struct {
	// At is when the failover was forced, Epoch the one it opened.
	At    time.Time
	Epoch uint32
	// End is where the log ended on the side that was opened, Peer the last LSN it knew of the old primary.
	End, Peer lsn.LSN
	// Measured: the old primary was brought back. What it had after Fork up to Tail was taken back and is in File: Rows
	// rows of Tables tables. Partial: that could not be compared with the fork, but with the new primary at Beside, if that
	// is not zero: rows that the new primary changed since are among them.
	Measured, Partial  bool
	Fork, Tail, Beside lsn.LSN
	Rows               int64
	Tables             int
	File               string
}
