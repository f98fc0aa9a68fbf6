package logins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"linkspan/migrate/flow"
	"linkspan/sqlerr"
)

// rounds bounds how often a stage is planned: the last round only looks whether everything holds.
const rounds = 6

// Do does one stage of one login of List and looks whether it holds; doing it again does no harm. The text is a warning, ""
// for none. The error is a *flow.Halt when somebody has to act, a *flow.Hindrance when it cannot be done now.
//
// Every stage after Initialize makes the login when it is not there, and takes over a password that is newer on the
// source: weeks may lie between the stages.
func (l *Logins) Do(ctx context.Context, name string, stage flow.Stage) (warning string, err error) {
	if !slices.Contains(flow.Stages, stage) {
		return "", &flow.Halt{What: fmt.Sprintf("no stage is called %q", stage)}
	}
	l.do.Lock()
	defer l.do.Unlock()
	if stage == flow.LoginDone {
		return "", nil
	}
	w := &work{l: l, name: name, stage: stage, refused: map[string]string{}}
	for range rounds {
		p, err := w.plan(ctx)
		if err != nil {
			return "", err
		}
		more, err := l.run(ctx, p.steps, w.refused)
		if err != nil {
			return "", err
		}
		if !more {
			return w.warning(p), nil
		}
	}
	return "", &flow.Halt{What: fmt.Sprintf("stage %s of login %s: the target took the statements, and does not show what they do", stage, quote(name)),
		Fix: "see whether somebody takes it back there, then retry"}
}

// work is one stage of one login.
type work struct {
	l     *Logins
	name  string
	stage flow.Stage
	// refused are statements that the target did not take, and why.
	refused map[string]string
}

// plan reads both sides and plans what is still to be done.
func (w *work) plan(ctx context.Context) (plan, error) {
	s, err := w.l.sides(ctx)
	if err != nil {
		return plan{}, err
	}
	if w.stage == flow.Initialize {
		return w.checked(planInitialize(s, w.name))
	}
	p, err := w.checked(planLogin(s, w.name, w.stage == flow.LoginMigration))
	if err != nil || len(w.left(p.steps)) > 0 && w.stage != flow.LoginMigration {
		p.warnings = nil // they are those of another stage
		return p, err
	}
	if w.stage == flow.LoginMigration && len(w.left(p.steps)) == 0 {
		return w.early(s, p)
	} else if w.stage == flow.LoginMigration {
		return p, nil
	}
	return w.later(ctx, s)
}

// early adds what a login has on the server to the stage that makes it. The stages of roles and permissions stand behind
// one that waits until databases are open; whoever uses the first of them must not wait for the last. What cannot be had is
// told by those stages.
func (w *work) early(s *sides, p plan) (plan, error) {
	login, none := s.subject(w.name)
	if none.halt != nil {
		return plan{}, none.halt
	}
	p.add(w.left(onServer(s, login))...)
	return p, nil
}

// onServer are the steps by which a login that is on the target gets what it has on the server.
func onServer(s *sides, login *principal) []step {
	return slices.Concat(planMembership(s, login).steps, planOwnership(s, login).steps, planPermissions(s, login, false).steps)
}

// checked makes an error of a plan that cannot be carried out.
func (w *work) checked(p plan) (plan, error) {
	if p.halt != nil {
		return plan{}, p.halt
	}
	return p, nil
}

// later plans the stages of a login that is on the target.
func (w *work) later(ctx context.Context, s *sides) (plan, error) {
	login, p := s.subject(w.name)
	if p.halt != nil {
		return plan{}, p.halt
	}
	switch w.stage {
	case flow.EstablishUserMapping:
		open, err := w.l.target.accounts(ctx, s, login)
		p := planMapping(s, login, open)
		p.warnings = append(p.warnings, planLogin(s, w.name, false).warnings...)
		return p, err
	case flow.AssignRoleMembership:
		return planMembership(s, login), nil
	case flow.AssignRoleOwnership:
		return planOwnership(s, login), nil
	case flow.EstablishServerPermissions:
		return planPermissions(s, login, false), nil
	}
	return w.objects(ctx, s, login)
}

// objects plans the last stage: whatever an earlier one left to the logins that were still to come is done now.
func (w *work) objects(ctx context.Context, s *sides, login *principal) (plan, error) {
	open := s.open()
	dst, err := w.l.target.rights(ctx, login, open, func(p Pair) string { return p.Target })
	if err != nil {
		return plan{}, err
	}
	readable := slices.DeleteFunc(slices.Clone(open), func(p Pair) bool { d := s.src.database(p.Source); return d == nil || !d.open || d.shy })
	src, err := w.l.source.rights(ctx, login, readable, func(p Pair) string { return p.Source })
	if err != nil {
		return plan{}, err
	}
	p := planObjects(s, login, src, dst)
	for _, more := range []plan{planMembership(s, login), planOwnership(s, login), planPermissions(s, login, true)} {
		p.add(more.steps...)
		for _, text := range more.warnings {
			p.warn("%s", text)
		}
	}
	return p, nil
}

// left are the steps that the target has not refused.
func (w *work) left(steps []step) []step { return remaining(steps, w.refused) }

func remaining(steps []step, refused map[string]string) []step {
	return slices.DeleteFunc(slices.Clone(steps), func(s step) bool { _, no := refused[s.text]; return no || s.text == "" })
}

// warning joins what is to be told.
func (w *work) warning(p plan) string {
	all := slices.Clone(p.warnings)
	for _, s := range p.steps {
		if why := w.refused[s.text]; why != "" {
			all = append(all, s.what+" was left out: "+why)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "; ")
}

// run carries steps out, those left out that the target refused before. more: something was done, or was refused just
// now, so that the plan has to be made again.
func (l *Logins) run(ctx context.Context, steps []step, refused map[string]string) (more bool, err error) {
	for _, s := range remaining(steps, refused) {
		more = true
		err := l.exec(ctx, s.text)
		for err != nil && s.instead != nil {
			other := s.instead(sqlerr.Number(err))
			if other == "" {
				break
			}
			err = l.exec(ctx, other)
		}
		if err == nil {
			l.o.Log.Info("done on the target", "what", s.what)
			continue
		}
		if err := l.failed(ctx, s, err, refused); err != nil {
			return more, err
		}
	}
	return more, nil
}

// failed judges a statement that the target did not take.
func (l *Logins) failed(ctx context.Context, s step, err error, refused map[string]string) error {
	var e *sqlerr.Error
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case !errors.As(err, &e), passing(e):
		return l.target.hindrance(ctx, s.what, err)
	case slices.Contains(exists, e.Number):
		return nil // somebody was faster: the next plan sees what is there, and stops when it is in the way
	case s.lenient:
		refused[s.text] = scrubbed(e).Error()
		return nil
	}
	return &flow.Halt{What: s.what, Fix: fix(e.Number), Err: scrubbed(e)}
}

// exists are the numbers that say that what is to be made is there.
var exists = []int32{15025, 15433, 15023}

// passing reports errors that go away by themselves: deadlocks, time-outs, databases and servers on their way.
func passing(e *sqlerr.Error) bool {
	return e.Severity >= 20 || slices.Contains([]int32{596, 701, 845, 921, 922, 924, 927, 942, 952, 976, 983, 1204, 1205, 1222, 6005, 8645, 8651, 10928, 10929, 17142, 18456,
		40197, 40501, 40613, 41823, 49918, 49919, 49920}, e.Number)
}

func fix(number int32) string {
	switch number {
	case 15021:
		return "the target does not take a password hash of this form: set the password anew on a server that makes an older one, or make the login by hand; then retry"
	case 229, 297, 300, 15247, 15151:
		return "the login that the migration uses on the target has to be a member of sysadmin; then retry"
	case 911, 15010:
		return "its default database went away on the target; retry"
	}
	return "mend it on the target, then retry"
}

// exec runs a batch on the target, in master when it names no other database: permissions on the server are granted there
// alone (4621). No session stays in another one.
func (l *Logins) exec(ctx context.Context, batch string) error {
	if strings.HasPrefix(batch, "USE ") {
		batch += " USE [master];"
	} else {
		batch = "USE [master]; " + batch
	}
	defer l.outdated()
	_, err := l.target.query(ctx, batch)
	return err
}
