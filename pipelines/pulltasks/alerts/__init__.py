"""Alarms: what is wrong with a lake or a run, told once to a webhook.

Lives here: what is wrong (rules), telling it once (notify), the bodies (webhook).
Does not live here: how the lake stands (warehouse.read.status).
"""
