package bak

// ChunkSum lets tests make chunks whose checksum is right.
var ChunkSum = chunkSum

// XpressDecode fills dst from src.
func XpressDecode(dst, src []byte) error { return new(xpressDecoder).decode(dst, src) }

// XpressEncode compresses up to 64 KiB.
func XpressEncode(src []byte) []byte { return new(xpressEncoder).encode(nil, src) }
