// Package btree reads the structure of an SQLite database out of images of its pages: enough to tell to which table or
// index a page belongs. It trusts nothing that it reads: pages may be garbage, may point anywhere and in circles.
package btree
