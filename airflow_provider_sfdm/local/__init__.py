"""How anything is called in this process: waiting, time limits, what a Python function's failure looks like.

Below ``aws`` and ``runtime``, which both call.
"""
