"""The lake's mirror in object storage: backup, restore, and where readers far away take the published file from.

Lives here: the store, what a version holds (heads, contents), putting (push), getting (restore), proving (verify).
Does not live here: the lake itself, which stays on its disk; the mirror never writes to it but when it is restored.
"""
