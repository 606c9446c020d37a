"""The Choice state and its rules."""
