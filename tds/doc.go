// Package tds owns the bytes of the Tabular Data Stream protocol, version 7.4 and 8.0 ([MS-TDS]), as a server needs
// them: it decodes what clients send and encodes what a server answers.
//
// It is a codec and nothing else: bytes in, values out, and back. It opens no socket and starts no goroutine, so that
// every message can be tested and fuzzed alone. Whatever comes from a client is untrusted: decoders check each length
// before they use it and return errors, which wrap ErrMalformed when the bytes break the protocol and are *sqlerr.Error
// when the request is well formed but cannot be served. Encoders append to a slice that the caller owns and reuses.
package tds

import (
	"errors"
	"fmt"
)

// ErrMalformed is in the chain of every error about bytes that break the protocol. After one in a packet header the
// stream cannot be read further; after one inside a message the next message can.
var ErrMalformed = errors.New("malformed TDS data")

// ErrTooLarge is in the chain of the error about a message above its limit.
var ErrTooLarge = errors.New("message above its size limit")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Versions of the protocol as LOGIN7 and LOGINACK carry them ([MS-TDS] 2.2.6.4, 2.2.7.14).
const (
	Version73B uint32 = 0x730B0003
	Version74  uint32 = 0x74000004
	Version80  uint32 = 0x08000000
)
