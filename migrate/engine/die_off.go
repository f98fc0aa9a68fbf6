//go:build !diehook || !unix

package engine

import "linkspan/migrate/flow"

// dieIn and dieAfter do nothing: see die_on.go, which tests build.

func dieIn(flow.State) {}

func dieAfter(flow.EffectKind) {}
