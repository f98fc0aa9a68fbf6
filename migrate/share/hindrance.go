package share

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"linkspan/media"
	"linkspan/media/smb"
	"linkspan/migrate/flow"
)

// evidence is a share's error that says no more than what was met: the hindrance has its cause and fix.
type evidence struct{ e *smb.Error }

func (e evidence) Error() string { return e.e.Err.Error() }
func (e evidence) Unwrap() error { return e.e }

// hindered makes err a hindrance at the share. Errors of ctx, changes of files and hindrances stay what they are. name is
// what was used, folder tells what it is.
func (s *Share) hindered(ctx context.Context, err error, name string, folder bool) error {
	var h *flow.Hindrance
	var e *smb.Error
	switch {
	case err == nil || errors.As(err, &h) || errors.Is(err, ErrChanged):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("use %s: %w", s.shown(name), context.Cause(ctx))
	case errors.As(err, &e):
		return &flow.Hindrance{At: flow.AtShare, What: e.Cause(), Fix: e.Fix(), Err: evidence{e}}
	case errors.Is(err, fs.ErrNotExist) && folder:
		return &flow.Hindrance{At: flow.AtShare, What: "there is no folder " + s.shown(name), Fix: "check its name, or make it", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &flow.Hindrance{At: flow.AtShare, What: s.shown(name) + " may not be read", Fix: "give the user that this runs as the right to read it", Err: err}
	case errors.Is(err, media.ErrBusy):
		return &flow.Hindrance{At: flow.AtShare, What: s.shown(name) + " is in use", Fix: "wait until the program that writes it has closed it", Err: err}
	default:
		return &flow.Hindrance{At: flow.AtShare, What: s.shown(name) + " cannot be read", Fix: "look at the place it is on", Err: err}
	}
}
