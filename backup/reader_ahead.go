package backup

import "sync"

// heldFrames is how many frames a reader that reads ahead holds: the caller's, one that waits and one being read.
const heldFrames = 3

// readResult is a frame in memory of its own, or what came instead.
type readResult struct {
	frame Frame
	buf   []byte
	err   error
}

// framesAhead reads frames in a goroutine of its own, so that reading and checking overlap with what is done with them.
type framesAhead struct {
	ready chan readResult
	free  chan []byte
	quit  chan struct{}
	work  sync.WaitGroup
	// held is the memory of the frame the caller has; over is what ended the reading.
	held []byte
	over error
}

// readAhead makes Next read ahead until stop is called, which MUST be; r is not read any more then.
func (r *Reader) readAhead() (stop func()) {
	a := &framesAhead{ready: make(chan readResult, heldFrames), free: make(chan []byte, heldFrames), quit: make(chan struct{})}
	for range heldFrames {
		a.free <- nil
	}
	r.ahead = a
	a.work.Go(func() { a.read(r) })
	return func() {
		close(a.quit)
		a.work.Wait()
	}
}

func (a *framesAhead) read(r *Reader) {
	for {
		select {
		case r.buf = <-a.free:
		case <-a.quit:
			return
		}
		f, err := r.read()
		a.ready <- readResult{f, r.buf, err} // there is room for all
		if err != nil {
			return
		}
	}
}

func (a *framesAhead) next() (Frame, error) {
	if a.over != nil {
		return Frame{}, a.over
	}
	if a.held != nil {
		a.free <- a.held
		a.held = nil
	}
	got := <-a.ready
	a.held, a.over = got.buf, got.err
	return got.frame, got.err
}
