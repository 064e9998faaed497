"""The two headers by which a sandbox and this client know each other.

Lives here: their names.
Does not live here: the sandbox itself (sandbox), what a simulated date means to a run (capture.day).
"""

SANDBOX_HEADER = "X-Pulltasks-Sandbox"
DATE_HEADER = "X-Pulltasks-Sandbox-Date"
