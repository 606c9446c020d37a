"""The three operators that make up a map run; ``DistributedMapTaskGroup`` wires them."""
