"""`pulltasks doctor`: examines a configuration, a lake and the service without changing any of them.

Lives here: questions to the service (targets, probe), to the lake (lake) and about the backup (backup).
Only a probe writes: one file of the lake.
Does not live here: printing (cli).
"""
