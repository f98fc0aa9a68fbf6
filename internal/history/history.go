// Package history owns what clients saw of some registers and whether it could have been so: on the side that takes
// writers every register is linearizable, on a copy nobody's reads go back and nothing is seen that was never written. It
// knows nothing of how the operations were made.
package history

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is what an operation does.
type Kind int

// The kinds of operation.
const (
	Read Kind = iota
	Write
	// CompareAndSet writes Value where the register holds Old, and nothing otherwise.
	CompareAndSet
)

// Op is one operation of a client on a register, as the client knows it. Registers begin as 0.
type Op struct {
	Client, Key int
	Kind        Kind
	// Value is what is written, Old what a CompareAndSet wants to find.
	Value, Old int64
	// Lost tells that the client does not know how the operation ended: it may take effect at any time after Call, or
	// never. What is known not to have happened is no operation.
	Lost bool
	// Got is what a Read returned, and Applied whether a CompareAndSet wrote.
	Got     int64
	Applied bool
	// Call and Return are when it began and ended, in nanoseconds of one clock.
	Call, Return int64
}

// String says what the operation did.
func (o Op) String() string {
	end := ""
	if o.Lost {
		end = " (lost)"
	}
	switch o.Kind {
	case Read:
		return fmt.Sprintf("read %d → %d", o.Key, o.Got)
	case Write:
		return fmt.Sprintf("write %d := %d%s", o.Key, o.Value, end)
	default:
		return fmt.Sprintf("set %d := %d if %d → %v%s", o.Key, o.Value, o.Old, o.Applied, end)
	}
}

// register is one register of the side that takes writers.
var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[int][]porcupine.Operation{}
		for _, o := range all {
			k := o.Input.(Op).Key
			byKey[k] = append(byKey[k], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byKey {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		now, o := state.(int64), input.(Op)
		switch {
		case o.Kind == Read:
			return o.Got == now, now
		case o.Kind == Write:
			return true, o.Value
		case o.Lost && o.Old != now:
			return true, now
		case o.Lost || o.Applied:
			return o.Old == now, o.Value
		default:
			return o.Old != now, now
		}
	},
	DescribeOperation: func(input, _ any) string { return input.(Op).String() },
}

// Verdict is the outcome of Check.
type Verdict struct {
	// Linearizable tells that an order of the operations explains what the clients saw; Unknown that none was found in
	// time, and none excluded.
	Linearizable, Unknown bool
	info                  porcupine.LinearizationInfo
}

// Check looks for an order of the operations that explains what every client saw, for each register by itself, no longer
// than the timeout.
func Check(ops []Op, timeout time.Duration) Verdict {
	var history []porcupine.Operation
	for _, o := range ops {
		if o.Lost && o.Kind == Read {
			continue // it says nothing
		}
		end := o.Return
		if o.Lost {
			end = math.MaxInt64
		}
		history = append(history, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: end})
	}
	result, info := porcupine.CheckOperationsVerbose(register, history, timeout)
	return Verdict{Linearizable: result == porcupine.Ok, Unknown: result == porcupine.Unknown, info: info}
}

// Draw writes the history as a page for a browser, to find the operations that do not fit.
func (v Verdict) Draw(path string) error {
	if err := porcupine.VisualizePath(register, v.info, path); err != nil {
		return fmt.Errorf("draw the history: %w", err)
	}
	return nil
}
