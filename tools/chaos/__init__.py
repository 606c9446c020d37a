"""Map runs whose processes are killed: whether anything is lost, doubled, or run again that had been recorded."""
