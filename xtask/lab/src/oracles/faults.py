"""A deliberate fault in a JSON value: an oracle that takes it is none."""

import copy


def with_fault(value, path, new):
    """A copy with `new` at `path`; None takes away what is there."""
    value = copy.deepcopy(value)
    *parents, last = path
    inner = value
    for step in parents:
        inner = inner[step]
    if new is None:
        del inner[last]
    else:
        inner[last] = new
    return value
