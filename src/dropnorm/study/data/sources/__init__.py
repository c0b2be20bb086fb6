"""Where data comes from, one kind of source per file: each becomes a `Table`."""
