"""A study's model, the mean of its nets, outside of the study: saved, loaded, exported, and asked how sure it is."""
