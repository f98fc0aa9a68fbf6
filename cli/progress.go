package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// progress draws a bar on standard error while long work runs. It draws only on a terminal. Its methods may run
// concurrently.
type progress struct {
	w    io.Writer
	show bool

	mu          sync.Mutex
	what        string
	total, have int64
	shown       int
}

// newProgress makes a bar for w, which is drawn when w is a terminal.
func newProgress(w io.Writer) *progress {
	p := &progress{w: w, shown: -1}
	if f, ok := w.(*os.File); ok {
		if st, err := f.Stat(); err == nil {
			p.show = st.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

// start begins a new bar for total units of work.
func (p *progress) start(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.total, p.have, p.shown = what, total, 0, -1
}

// add says that n more units are done.
func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have += n
	if !p.show || p.total <= 0 {
		return
	}
	if percent := int(min(p.have, p.total) * 100 / p.total); percent != p.shown {
		p.shown = percent
		fmt.Fprintf(p.w, "\r%s [%-25s] %3d %%", p.what, strings.Repeat("#", percent/4), percent)
	}
}

// done takes the bar away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.show && p.shown >= 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", len(p.what)+36))
	}
}
