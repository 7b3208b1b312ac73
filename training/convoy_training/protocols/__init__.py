"""The protocols that judge face embedders: by LFW's pairs, by all pairs or your own, by open-set search, and by people
in one photo."""
