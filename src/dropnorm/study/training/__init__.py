"""The training of a study's nets, a block at a time."""
