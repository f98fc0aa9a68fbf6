// Package doctor owns the examination of a link, and of this machine: it asks both sides over their public protocols,
// tries the network at the real protocols, and names what is wrong with cause, evidence and fix. It changes nothing.
//
// Gathering (facts.go and what it calls) talks to servers and keeps what they said; judging (judge_*.go) is pure and turns
// that into findings. Every finding has an id that does not change; catalogue.go lists them.
package doctor
