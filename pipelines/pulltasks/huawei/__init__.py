"""Huawei Cloud's side: proving who asks (auth), sending (client), listing and proving whole (pull_tasks, listing).

Lives here: everything that knows HTTP, the only importer of httpx.
Does not live here: files, tables, what is done with a listing.
"""
