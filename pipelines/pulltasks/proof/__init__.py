"""The proof that a listing is complete: pages, sweeps, order, totals, and the evidence for each outcome.

Lives here: the rules, as pure functions and state machines over pages.
Does not live here: HTTP, files, and anything that knows this service (huawei).
"""
