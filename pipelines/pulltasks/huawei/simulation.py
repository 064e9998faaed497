"""The two headers by which a sandbox and this client recognise each other.

Lives here: the names of the headers.
Does not live here: the sandbox itself (sandbox), the effect of a simulated date on a run (capture.day).
"""

SANDBOX_HEADER = "X-Pulltasks-Sandbox"
DATE_HEADER = "X-Pulltasks-Sandbox-Date"
