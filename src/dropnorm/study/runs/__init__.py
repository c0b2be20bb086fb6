"""The folder of a run: what is stored there, how runs are listed, compared, exported and repeated."""
