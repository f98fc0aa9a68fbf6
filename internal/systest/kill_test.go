package systest_test

import "testing"

// The link survives what machines and networks do: kill -9 of the target while it is seeded and while it follows,
// kill -9 of the source, twenty cuts of the connection, all under load through TDS. Afterwards every acknowledged row is
// on both sides, and the digests are equal.
func TestKillsAndCuts(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	p.fill(40 << 20)
	writers := p.startLoad(4)

	link := p.startLink()
	p.waitState("RESTORING")
	p.target.restart()
	p.finishLink(link)
	p.waitState("ONLINE")

	p.settle(writers, 200)
	p.target.restart()
	p.settle(writers, 200)
	p.source.restart()
	p.settle(writers, 200)
	cut := 0
	for range 20 {
		p.settle(writers, 25)
		cut += p.proxy.Cut()
	}
	if cut < 20 {
		t.Errorf("only %d connections were there to be cut in 20 cuts", cut)
	}
	writers.stop()
	p.compare(writers)
}
