"""``make fuzz``: random and broken input for everything that reads what somebody else wrote.

Input number *n* of a seed is always the same, whatever ran before it, so a seed and a number repeat a finding.

===============  ======================================================================================
``corpus``       what is mutated: valid examples, and the words of each language;
                 also ``documents`` (files and data) and ``definitions``
``mutations``    one random change of a text or of a JSON value
``targets``      what is called with the input, and what may come of it
``world``        the services of an execution: no network, no real time, a folder for a bucket
``worker``       the process that runs inputs; it may hang or die
``findings``     what is kept of a breach, in ``.reports/fuzz``
===============  ======================================================================================
"""
