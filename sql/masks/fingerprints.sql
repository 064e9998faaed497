-- A fingerprint is the SHA-256 of the key, which fills one block, and the whole value. Only 64 bits are shown, which
-- prevents length extension. Among a million addresses, two share a fingerprint by chance in one of 30 million lakes.
-- The key is a variable of the connection: it is in no SQL text and in no file.

create macro fingerprint(value) as substr(sha256(getvariable('redaction_key') || value), 1, 16);
