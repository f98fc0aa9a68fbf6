package link

import (
	"context"
	"errors"
	"fmt"

	"linkspan/link/flow"
)

// PlannedStep is what a step would do.
type PlannedStep struct {
	ID           string `json:"id"`
	Title        string `json:"title"`
	Precondition string `json:"precondition"`
	// State is "present" (nothing to do), "to do", "will wait", or "refused".
	State string `json:"state"`
	// Seen is what was found now.
	Seen string `json:"seen"`
	// Statements are the T-SQL statements and management calls of the action, Undo those that take it back.
	Statements []string `json:"statements,omitempty"`
	Undo       []string `json:"undo,omitempty"`
	// Effect is what is seen afterwards.
	Effect string `json:"effect"`
}

// The values of PlannedStep.State.
const (
	Present  = "present"
	ToDo     = "to do"
	WillWait = "will wait"
	Refused  = "refused"
)

// Plan looks at both sides, changes nothing, and says what Create would do now. Refusals are in the plan; the error is
// for what could not be looked at. Values that only come to be on the way show as placeholders.
func (l *Linker) Plan(ctx context.Context, s flow.Spec) ([]PlannedStep, error) {
	s, err := s.Normalize()
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	return l.plan(ctx, &flow.State{Spec: s}, flow.Create())
}

// plan looks at each step.
func (l *Linker) plan(ctx context.Context, state *flow.State, steps []flow.Step) ([]PlannedStep, error) {
	var plan []PlannedStep
	for _, step := range steps {
		p := PlannedStep{ID: step.ID, Title: step.Title, Precondition: step.Precondition, Effect: step.Effect}
		r := &runner{Linker: l, state: state, step: step, began: l.o.Clock.Now()}
		d, err := r.look(ctx)
		var refusal *flow.Refusal
		switch {
		case errors.As(err, &refusal):
			p.State, p.Seen = Refused, refusal.Reason+"; "+refusal.Fix
		case err != nil && len(plan) > 0 && plan[len(plan)-1].State != Present && ctx.Err() == nil:
			// What the step looks at only comes to be by the steps before it.
			p.State, p.Seen = ToDo, "not known before the steps above"
			if step.Do == nil {
				p.State = WillWait
			}
		case err != nil:
			return plan, fmt.Errorf("link %q, step %s: %w", state.DAG, step.ID, err)
		default:
			p.State, p.Seen = map[flow.Verdict]string{flow.Done: Present, flow.Act: ToDo, flow.Wait: WillWait}[d.Verdict], d.Seen
		}
		if p.State == ToDo && step.Do != nil {
			p.Statements = texts(step.Do(state))
			if step.Undo != nil {
				p.Undo = texts(step.Undo(state))
			}
		}
		plan = append(plan, p)
		if p.State == Refused {
			return plan, nil // what follows is judged by what this step would have found
		}
	}
	return plan, nil
}

func texts(calls []flow.Call) []string {
	out := make([]string, len(calls))
	for i, c := range calls {
		out[i] = c.String()
	}
	return out
}
