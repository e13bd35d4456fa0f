"""Holds our requests against the official Groq SDK's own types.

Usage: groq_requests.py FILE, a JSON list of the bodies that were sent. The SDK's `CompletionCreateParams` is a
TypedDict with lazy Iterables and open ends: a copy of it with lists and without room for unknown keys is what checks.
"""

import collections.abc
import json
import sys
import types
import typing

import groq
import pydantic
from faults import with_fault
from groq._types import SequenceNotStr
from groq.types.chat.completion_create_params import CompletionCreateParams
from typing_extensions import NotRequired, Required, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

SEQUENCES = (collections.abc.Iterable, collections.abc.Sequence, SequenceNotStr)
# Each must be refused, or this check is none: where in the request, and what is there instead; None takes it away.
FAULTS = [
    (("messages",), None),
    (("model",), None),
    (("unknown",), 1),
    (("temperature",), "0.2"),
    (("max_completion_tokens",), 1.5),
    (("messages", 0, "role"), "robot"),
    (("messages", 0, "content"), 1),
    (("messages", 1, "unknown"), "x"),
    (("response_format", "type"), "yaml"),
]


def strict(hint):
    """The same type with lists for iterables, and with no key that it does not name."""
    if is_typeddict(hint):
        fields = {name: field(inner, hint.__total__) for name, inner in get_type_hints(hint, include_extras=True).items()}
        closed = TypedDict(hint.__name__, fields)
        closed.__pydantic_config__ = pydantic.ConfigDict(extra="forbid", strict=True)
        return closed
    origin, args = get_origin(hint), tuple(strict(arg) for arg in get_args(hint))
    if origin in SEQUENCES:
        return list[args[0]]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[args]
    if origin is dict:
        return dict[args]
    return hint


def field(hint, total):
    if get_origin(hint) in (Required, NotRequired):
        return get_origin(hint)[strict(get_args(hint)[0])]
    return (Required if total else NotRequired)[strict(hint)]


def main(path):
    adapter = pydantic.TypeAdapter(strict(CompletionCreateParams))
    problems = []
    with open(path, encoding="utf-8") as file:
        requests = json.load(file)
    if not requests:
        sys.exit("no request was recorded")
    for request in requests:
        try:
            adapter.validate_python(request)
        except pydantic.ValidationError as error:
            problems.append(f"{error}\n{json.dumps(request)}")
            continue
        for where, value in FAULTS:
            try:
                adapter.validate_python(with_fault(request, where, value))
                problems.append(f"no oracle: the types take a request with {where} = {value}")
            except pydantic.ValidationError:
                pass
    if problems:
        sys.exit("\n".join(problems))
    kinds = sorted({request.get("response_format", {}).get("type", "text") for request in requests})
    print(
        f"groq {groq.__version__} would send our {len(requests)} requests ({', '.join(kinds)}), "
        f"and none of {len(requests) * len(FAULTS)} with a fault"
    )


main(sys.argv[1])
