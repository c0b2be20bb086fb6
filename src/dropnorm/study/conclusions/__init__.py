"""From statistics to what a user reads: how the plain net is doing, what helps, which net to use."""
