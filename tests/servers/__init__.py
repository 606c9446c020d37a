"""The pytest plugin with the real servers."""
