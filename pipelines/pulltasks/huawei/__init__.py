"""The Huawei Cloud API: authentication (auth), requests (client), reading of answers (reading), listing (pull_tasks).

Lives here: everything that uses HTTP; the only importer of httpx.
Does not live here: the proof of a listing (proof), files, tables.
"""
