"""What recording costs, measured against floors taken in the same run. Run with `make bench`."""
