"""Studies: does this network overfit on this data, and do dropout, batch normalization, or both, help?"""
