package instance

import (
	"sync"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/exec"
)

// jobs are the long statements that run now, by session: what sys.dm_exec_requests shows of them. The zero value is ready.
type jobs struct {
	mu sync.Mutex // protects what follows
	m  map[int]jobState
}

type jobState struct {
	command string
	percent float64
}

func (j *jobs) set(session int, s jobState) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.m == nil {
		j.m = map[int]jobState{}
	}
	j.m[session] = s
}

func (j *jobs) end(session int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.m, session)
}

// of is the long statement of a session, if it runs one.
func (j *jobs) of(session int) (jobState, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.m[session]
	return s, ok
}

// progress tells the client and sys.dm_exec_requests how far a statement is.
type progress struct {
	in      *Instance
	session int
	command string
	step    int
	last    int
	out     sqlapi.ResultSink
	err     error
}

// newProgress begins; end MUST be called.
func newProgress(in *Instance, c exec.Caller, command string, step int, out sqlapi.ResultSink) *progress {
	p := &progress{in: in, session: c.Session, command: command, step: step, out: out}
	in.jobs.set(p.session, jobState{command: command})
	return p
}

// report takes what is done of what is to do; a total of 0 is not known.
func (p *progress) report(done, total int64) {
	if total <= 0 || p.err != nil {
		return
	}
	percent := min(float64(done)/float64(total)*100, 100)
	p.in.jobs.set(p.session, jobState{p.command, percent})
	if int(percent) >= p.last+p.step && int(percent) < 100 {
		p.tell(int(percent) / p.step * p.step)
	}
}

func (p *progress) tell(percent int) {
	p.last = percent
	p.err = p.out.Message(sqlerr.New(3211, percent))
	if f, ok := p.out.(sqlapi.Flusher); ok && p.err == nil {
		p.err = f.Flush()
	}
}

// whole tells that everything is done. It gives the first error of telling.
func (p *progress) whole() error {
	if p.err == nil {
		p.tell(100)
	}
	return p.err
}

func (p *progress) end() { p.in.jobs.end(p.session) }
