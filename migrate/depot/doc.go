// Package depot owns storage that backups are brought to for a target to restore: a local folder, or a container of Azure's
// blob storage. Backups come in blocks, in any order, several files and blocks at once, over restarts; nothing of a file can
// be read under its name before Seal, and after it all of it.
//
// What a sealed file is proved to be: the bytes that Put was given. In a folder every block's hash was written down when it
// came, and Seal reads the whole file back and compares; what is read may come from the machine's cache, though all of it was
// synced before. In a container the service compared every block with its MD5 when it arrived and refused what differed; the
// MD5 is in the block's id, and Seal reads the list of committed blocks and the blob's length back: these blocks, in this
// order, and no others. Whether Put was given what the source has is not proved here: backups made WITH CHECKSUM carry that
// proof themselves, and the target checks it.
//
// The depot makes files of its own names only, and deletes and renames nobody else's. Its leftovers are parts of files that
// were never sealed: in a folder they lie in ".incoming" beside the databases' folders, where no target looks, and go when
// another version of the file comes or by Discard; in a container they are blocks that were not committed, which the service
// shows nobody and forgets after a week.
package depot
