// Package lint owns the rules of the house that a compiler does not check: which package may import which (the
// ladder), what the pure packages may touch, how long a file may be. They are tests, so breaking one fails the build.
package lint
