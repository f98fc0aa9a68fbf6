// Package invariant owns the checks of what must hold in our own state. They are compiled in with the build tags
// "invariants" and "race" and cost nothing otherwise. They are for our defects, never for input.
package invariant
