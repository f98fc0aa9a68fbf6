// Package endpoint owns the connections between instances: listening, dialing, TLS, and the check that whoever is at the
// other end holds a certificate that this side's administrator imported.
//
// A connection is TCP with TLS 1.3, both sides with a certificate, AES only. No certificate authority is involved: the
// peer's certificate must be, byte for byte, one that Options.Peer knows, and within its dates; TLS proves that the peer
// has its private key. There are no session tickets, because a resumed connection would skip the check. When a
// certificate is dropped or expires, on either side, Recheck or the clock closes the connections that rest on it.
//
// What a certificate is good for, beyond a connection, is not decided here: the caller sees Session.Peer and binds links
// to certificates. A peer that is refused learns only that it was; the reason, a numbered message, goes to
// Options.Refused on the side that found it.
//
// One connection carries several streams with flow control (github.com/hashicorp/yamux), so that a seeding does not
// hold up the log or the heartbeats.
package endpoint
