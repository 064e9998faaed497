"""Looking at a configuration, a lake and the service without changing any of them.

Lives here: questions to the service (targets, and its manners: probe), questions to the lake (lake).
Only a probe writes: one file of the lake.
Does not live here: printing (cli).
"""
