"""The recommended net outside of its study: saved, loaded, exported, and asked how sure it is."""
