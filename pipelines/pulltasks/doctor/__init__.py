"""Looking at a configuration, a lake and the service without changing any of them.

Lives here: questions to the service (targets), questions to the lake (lake).
Does not live here: printing (cli).
"""
