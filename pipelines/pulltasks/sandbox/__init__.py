"""An emulator of ListPullTasks and of the IAM requests that pulltasks sends, for the demo and the tests.

Lives here: made-up tasks (data), checking of signatures (verify), the HTTP server (server).
Does not live here: anything that pulltasks needs for the real service.
"""
