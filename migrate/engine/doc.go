// Package engine owns that migrations happen: it takes the effects that a migration's table asks for, has them carried out
// by the activity's Works as short durable jobs, and feeds what comes of them back.
//
// What a migration is, is the ledger's. A job that is lost, doubled or late does no harm: the effects that are outstanding
// are a function of what is stored, and are looked for again at every start.
package engine
