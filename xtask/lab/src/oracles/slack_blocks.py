"""Holds every Slack message that the tests produced against slack_sdk's models.

Usage: slack_blocks.py FILE, a JSON list of messages. A block is right if the SDK's validators take it, and if the
block that the SDK makes of it is the same again: it drops keys that it does not know.
"""

import json
import logging
import sys

from faults import with_fault
from slack_sdk.errors import SlackClientError
from slack_sdk.models.blocks import Block
from slack_sdk.version import __version__

# Each must be refused, or this check is none.
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x", "verbatim": True}}
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "x", "emoji": False}}
CONTEXT = {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}]}
FAULTS = [
    with_fault(SECTION, ["type"], "sektion"),
    with_fault(SECTION, ["type"], None),
    with_fault(SECTION, ["text"], None),
    with_fault(SECTION, ["unknown"], 1),
    with_fault(SECTION, ["text", "unknown"], 1),
    with_fault(SECTION, ["text", "type"], "markdown"),
    with_fault(SECTION, ["text", "text"], "x" * 3001),
    with_fault(SECTION, ["block_id"], "x" * 256),
    with_fault(SECTION, ["fields"], [SECTION["text"]] * 11),
    with_fault(HEADER, ["text", "text"], "x" * 151),
    with_fault(CONTEXT, ["elements"], CONTEXT["elements"] * 11),
]


def problem(block):
    """Why the SDK would not send this block; None: it would."""
    try:
        parsed = Block.parse(block)
        if parsed is None:
            return "no block that the SDK knows"
        parsed.validate_json()
        again = parsed.to_dict()
    except (SlackClientError, TypeError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None if again == block else f"the SDK reads it as {json.dumps(again)}"


def main(path):
    # It logs what it does not know; here that is a problem, and printed as one.
    logging.disable()
    with open(path, encoding="utf-8") as file:
        messages = json.load(file)
    problems = [f"no oracle: the SDK takes {json.dumps(fault)[:200]}" for fault in FAULTS if not problem(fault)]
    for block in (SECTION, HEADER, CONTEXT):
        if why := problem(block):
            problems.append(f"no oracle: the SDK refuses {json.dumps(block)}: {why}")
    blocks = [block for message in messages for block in message["blocks"]]
    if not blocks:
        sys.exit("the tests left no blocks")
    for block in blocks:
        if why := problem(block):
            problems.append(f"{why}\n{json.dumps(block, ensure_ascii=False)}")
    if problems:
        sys.exit("\n".join(problems))
    print(
        f"slack_sdk {__version__} takes the {len(blocks)} blocks of {len(messages)} messages, "
        f"and none of {len(FAULTS)} with a fault"
    )


main(sys.argv[1])
