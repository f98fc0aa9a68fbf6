package engine

import (
	"context"

	"linkspan/migrate/flow"
)

// Order is one effect that is to be carried out, with what its migration knows at this moment.
type Order struct {
	// Activity and Database name the migration; Database is the name on the source.
	Activity, Database string
	Effect             flow.Effect
	// File and Set are those that Effect.File names in Effect.Version; zero when it names none.
	File flow.File
	Set  flow.Set
	// Migration is a copy that nobody changes.
	Migration *flow.Migration
}

// Works carries effects out for one activity. Its methods may run concurrently, but never two at once that concern one
// migration's source, nor two its target.
type Works interface {
	// Do carries an order out, or finds that it is done, and returns the events that tell; At is filled in by the engine.
	// A *flow.Halt is reported as Broken, a *flow.Hindrance as Trouble at its place (other errors at the place that the effect is about), and the order is given again.
	// Events beside an error are taken too when the effect is about a migration's source or target.
	Do(ctx context.Context, o Order) ([]flow.Event, error)
	// Logins lists the logins of the source that are to be moved, in the order in which they are moved.
	Logins(ctx context.Context) ([]Found, error)
	// Login carries one stage of one login out. The text is a warning, "" for none; a *flow.Halt fails the login, every other
	// error is tried again.
	Login(ctx context.Context, name string, stage flow.Stage) (warning string, err error)
	// Close gives up connections.
	Close() error
}

// Found is a login of the source. Skip says why it needs nothing; "" when it is to be moved.
type Found struct {
	Name    string
	Windows bool
	Skip    string
}
