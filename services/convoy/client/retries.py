"""Which failed calls are tried again, and after which pauses. docs/faults.md gives the same policy to other clients."""

import json

SERVICE_CONFIG = json.dumps(
    {
        # A name with several addresses is balanced over, one connection each.
        "loadBalancingConfig": [{"round_robin": {}}],
        # gRPC repeats a call that ends with UNAVAILABLE, and with CANCELLED, which it makes of a call that reaches a
        # server as it stops. Both are safe to repeat: either nothing happened, or the request id prevents a second
        # change. Five tries are the most that gRPC makes; with these pauses they last for over three seconds.
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ],
    }
)
"""What gRPC calls a service config: how it balances and repeats calls."""
