// Package systest owns the tests of the whole: the program as a user starts it, real TDS and REST clients, kills and
// cuts. It holds no code but tests.
package systest
