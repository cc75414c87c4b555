"""One file a layer kind: its specification, its float function and its integer function."""
