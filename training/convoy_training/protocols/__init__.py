"""How face embedders are judged: by pairs as LFW does, by any pairs, and by open-set search."""
