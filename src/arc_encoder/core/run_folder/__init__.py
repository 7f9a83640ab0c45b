"""The folder of a run: one command at a time, and a record of each start."""
