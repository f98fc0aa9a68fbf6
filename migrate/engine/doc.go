// Package engine owns that migrations happen: it takes the effects that a migration's table asks for, has them carried out
// by the activity's Works as short durable jobs, and feeds what comes of them back.
//
// What a migration is, is the ledger's. A job that is lost, doubled or late does no harm: the effects that are outstanding
// are a function of what is stored, and are looked for again at every start.
//
// What is to be done for a migration lies in four lanes (ledger.Lane): its source's files, the copies, both sides' databases,
// and the end of the longest pause; an activity has a lane for its logins. A lane with something to do has one job, which
// works for a turn and hands over to the next. Lanes go side by side, and what is in one goes one after another, but for
// copies. Between two looks a lane waits in memory; a change of the migration wakes it, by this process at once, by another
// process through a job. Nothing has an age limit: what fails is tried again, less and less often, until it is not
// outstanding any more.
package engine
