"""Captures: every target is listed on its day and gets a verdict and a raw file.

Lives here: all targets of a day (day), one attempt (attempt), the confirmation of the day (day_gate).
Does not live here: the proof of a listing (proof), requests (huawei), tables made of raw files (lake).
"""
