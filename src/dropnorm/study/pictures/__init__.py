"""What the pictures of a report show: measured in finished nets, and kept as records."""
