"""How long a thread that has finished its part of a step waits for the others before it gives its core away."""

import os

# Turns of a loop, a few microseconds. By itself libgomp waits 300,000, and the thread that is waited for may need
# that very core, where other programs have the rest. 1,000 is its own choice where it starts more threads than
# there are cores; of other programs it knows nothing.
TURNS = "3000"


def briefly() -> dict[str, str]:
    """Of the environment: what lets threads of libgomp, which torch brings on Linux, wait briefly.

    It is read when torch is loaded. What a person has set stays. Results do not change.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return {}
    return {"GOMP_SPINCOUNT": TURNS}
