// Package agsim owns the simulator of links: two agcore.Link machines with a modelled database each, over a modelled
// network, disk and clock, driven by clients, statements and faults from one seed.
//
// A run is made of worlds of ten simulated minutes, each from a seed of its own (the run's seed plus its number), so that
// a world that fails can be repeated alone. In a world faults come for eight minutes; then they stop, and within two more
// the link must be healthy: one side writable, the other its copy, both with the same log and the same digest.
//
// What is modelled is what storage and hadr promise to agcore, no more: a log of records with epochs, of which only what
// was synced survives a crash for certain; pages with a digest; role records in their real encoding; the state in master;
// durable steps with a crash before or after each; a control stream and a data stream that keep their own order only;
// seeding in chunks and by difference. The invariants are in check.go.
//
// It is pure: time and chance come from the seed, so that a seed always gives the same run.
package agsim
