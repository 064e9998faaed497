"""An emulator of ListPullTasks and of the IAM calls beside it, for the demo and the tests.

Lives here: made-up tasks (data), checking of signatures (verify), the HTTP server (server).
Does not live here: anything that the exporter itself needs to talk to the real service.
"""
