"""Alarms: each trouble of a lake or a run is sent once, to a webhook or a chat service.

Lives here: finding troubles (rules), sending each once (notify), message bodies (webhook, services).
Does not live here: the state of the lake (warehouse.read.status).
"""
