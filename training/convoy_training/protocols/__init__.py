"""The protocols that judge face embedders: by LFW's pairs, by all pairs or your own, and by open-set search."""
