// Package ledger stores what was computed, from what, by which program, on which machine, in how long: one file,
// append-only in what it says, content-addressed in what it holds.
//
// A Key describes some work completely; its hash is an ActionID. An outcome of the work is an Entry that names
// blobs, which are stored under their Digest. Several outcomes may stand for one action: they are kept, and where
// they differ the ledger says so. A look-up gives the one that stands.
//
// # Promises
//
//   - Record returns when everything it was given is on disk; otherwise nothing of it is. Blobs come before the
//     entries that name them.
//   - Entries are never changed or removed. Each is a leaf of a Merkle log whose size and root are signed.
//   - Bytes that are not what was stored are never returned: blobs are hashed when read.
//   - One process writes at a time, under a lock of the kernel's that ends with the process. Readers share a ledger
//     while nobody writes.
//   - Check proves all of it, down to bytes nothing uses.
//
// # Format
//
// The file is a bbolt database (go.etcd.io/bbolt, file version 2). The format described here is named by the value
// "swaprun ledger 1" under the key "format" in the bucket "meta"; any change to what follows changes that name.
//
// Numbers called u64 and i64 are 8 bytes, big-endian, the latter in two's complement. A uvarint is that of
// encoding/binary, without padding. A string is a uvarint length and so many bytes; text strings are UTF-8. A hash
// is 32 bytes of SHA-256. A list is a uvarint count and so many items. Times are i64 nanoseconds since 1970 UTC.
//
// Buckets, all at the top level:
//
//	meta      "format"      "swaprun ledger 1"
//	          "checkpoint"  the signed checkpoint of the log, see below
//	          "signers"     the seqs of all signer entries, u64 each
//	blobs     digest        u64 number of the first chunk, uvarint size in bytes
//	data      u64 number    one chunk: 1 MiB of a blob, its last chunk the rest; an empty blob has none
//	entries   u64 seq       an entry; seqs count from 0 without gaps
//	actions   action id     what look-ups give, see below
//	kinds     kind, 0x00,   of the first outcome of each action: 8 bytes for the version of its key, then 8 for each
//	          u64 seq       field by role. They are the first bytes of SHA-256 of, respectively, the version as a
//	                        uvarint and the field as encoded in a key
//	hashes    u64 index     a hash of the log, at the index golang.org/x/mod/sumdb/tlog.StoredHashIndex gives it
//	tombs     digest        u64 seq of the entry that took the blob out, or came without it; only while it is absent
//	memo      space, 0x00,  a value, then CRC-32C (u32, big-endian) of the key and the value. Memos are no evidence:
//	          any key       losing them costs time only
//
// Actions, kinds, tombs and the hashes follow from the entries alone and can be made again from them. A digest is
// the SHA-256 of a blob's bytes.
//
// A key is encoded as "swaprun key 1\n", the kind (string), the version (uvarint), and the list of fields in
// ascending order of roles, no role twice. A field is its role (string) and a value: one byte of type, and a string
// whose content depends on it:
//
//	1 text      UTF-8
//	2 int       i64
//	3 bool      one byte, 0 or 1
//	4 float     IEEE 754 binary64 as u64; not NaN, not -0
//	5 digest    a hash
//	6 bytes     anything
//	7 json      no white space, members sorted by name and unique, only '"', '\' and control characters (\u00xx)
//	            escaped, integers in plain digits, other numbers as the shortest decimal of their binary64, as
//	            encoding/json writes it (1e+21), or as an integer where they are one below 2^53
//	8 list      a list of values
//	9 set       a list of values in ascending order of their encodings, none twice
//
// The action id is the SHA-256 of that encoding.
//
// An entry is the byte 1 (its format), one byte of type, the time it was appended, and then, by type:
//
//	1 signer    text origin (the ledger's name, the same in every signer entry), text public key (as note writes it)
//	2 outcome   byte of flags (1: the action fails by its nature, 2: a re-execution to verify another outcome),
//	            execution, key (string), outputs
//	3 conflict  action id, uvarint seq of the outcome that stands, uvarint seq of the one that differs;
//	            it follows at once on the entry that brought the difference
//	4 run       execution, text name, digest of a blob (the action ids reused, 32 bytes each, ascending, nothing
//	            else), uvarint number of those, uvarint numbers of actions executed and failed
//	5 gc        execution, digest of a blob (the digests taken out, in the same way), uvarint number of those,
//	            uvarint number of their bytes
//	6 import    text origin of another ledger, uvarint seq there, digest of a blob (the evidence), text id of the
//	            run, list of uvarints (the indexes of those outputs that were not to be had), string: the other
//	            ledger's entry, of type 2 or 6
//
// where an execution is: time it started, uvarint nanoseconds it took, and the texts run id, program revision, CPU,
// platform, numeric runtime; and outputs are a list of: text name, digest, uvarint size.
//
// An actions value is one byte of flags (1: the outcome is a failure, 2: outcomes differ, 4: bytes of the outcome
// that stands are not here, so that look-ups find nothing), the uvarint seq of the outcome that stands, a list of
// uvarints (the seqs of all outcomes, ascending), the uvarint nanoseconds it took, and its outputs. Flag, time and
// outputs are those of the outcome that stands. That is the first, except that it gives way to a later one if flag 4
// is set, or if it is a failure and the later one a success that is here in full. Two outcomes differ if one is a
// failure and the other is not, or in their outputs.
//
// Entry n is record n of the log: its leaf is tlog.RecordHash of the stored bytes. The checkpoint is a note
// (golang.org/x/mod/sumdb/note) signed with Ed25519 by the key of one signer entry, which is in that package's text
// form NAME+HASH+KEY, under a name of its own; the note's text is three lines: the ledger's name, the number of
// entries, the root hash in base64. Every transaction that adds entries replaces it.
//
// Evidence is "swaprun evidence 1\n", the other ledger's public key and signed checkpoint (strings), and a list of:
// uvarint seq, list of hashes, the proof that the record of that seq is in the log of that checkpoint.
//
// A slice, the file Export writes, is "swaprun slice 1\n", the public key and the signed checkpoint (strings), a list
// of records ascending by seq (uvarint seq, the entry as a string, list of hashes), a list of blobs ascending by
// digest (digest, uvarint size), and the bytes of those blobs in that order, up to the end of the file. It holds
// entries of types 2 and 6 only, and no blob that none of them names. Blobs that they name may be missing: left out, or
// beside it, as the files of a shared archive's results are, which are known by their digests.
//
// # Invariants
//
// Every output of an entry is in blobs with its size, or in tombs. Every chunk belongs to exactly one blob. A
// digest is never in both blobs and tombs. After an orderly Close both of bbolt's meta pages describe the same
// trees and the same list of free pages (ledgers closed by earlier programs may have two such lists, one of them on
// free pages), and all pages that are free, and all bytes behind the last page, are zero; the file LEDGER.holder
// exists beside the ledger exactly as long as that may not be so. LEDGER.key holds the private key that signs, and should
// not be given away; without it the next process makes a new one and records it as a further signer.
//
// # What it does not do
//
// Whoever holds both the ledger and the private key can write another history; and whoever can replace the file can
// put an older copy in its place. Against both helps only a checkpoint kept elsewhere: see ProvePrefix.
package ledger
