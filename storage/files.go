package storage

// PagesFile is the name, in a database's directory, of the base file: its pages as of the last checkpoint, page n at
// offset (n-1)·PageSize.
const PagesFile = dataName
