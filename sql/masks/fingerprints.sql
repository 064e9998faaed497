-- A fingerprint is the SHA-256 of the key, which fills one block of it, and the whole value. Only 64 bits of it are
-- shown, so nothing can be appended to what it was made of; among a million addresses two share one by chance once in
-- 30 million lakes. The key is a variable of the connection: it stands in no SQL text and in no file.

create macro fingerprint(value) as substr(sha256(getvariable('redaction_key') || value), 1, 16);
