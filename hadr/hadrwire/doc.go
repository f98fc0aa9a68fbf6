// Package hadrwire owns what two instances say to each other over a mirroring endpoint: the frames and the messages in
// them, in both directions.
//
// The protocol is ours; SQL Server's is not public. A connection carries several streams (package endpoint). On each
// stream frames follow one another: a length (4 bytes, little-endian, of what follows), a type (1 byte), the message.
// The first message tells what a stream is for:
//
//	Hello        control: answered with Config or Refuse, then Heartbeat, Progress, Suspend, Resume and
//	             Rotate in any order
//	SeedRequest  pages: answered with SeedStart or Refuse, then SeedChunk until an empty one; the other way SeedAck.
//	             By difference, the other way SeedHashes, each answered with a SeedDelta until an empty one
//	LogRequest   log: answered with LogStart or Refuse, then LogBatch
//	HashesRequest, PageRequest  to compare and repair: each answered with PageHashes, Page or Refuse
//
// Hello begins with a magic number and the protocol version, and Refuse never changes, so that instances of different
// versions can still tell each other so. Every length is limited before anything is allocated, strings are checked to
// be UTF-8, and a decoder that finds anything odd returns an error that wraps ErrMalformed.
package hadrwire
