"""Captures: every target listed on its day, each with a verdict and a raw file.

Lives here: which targets are listed now (targets), one attempt (attempt), the day that it counts for (day_gate).
Does not live here: how a listing is proved (huawei), what becomes of the raw files (lake).
"""
