"""Drives the model services that the Rust tests and the lab play with the official Groq SDK.

Usage: groq_answers.py URLS, JSON as `userspace/examples/oracles.rs` prints it. The SDK must take every good
answer and know every refusal; then it is shown the same answer with one fault each, and must take none.
"""

import json
import sys

import groq
import httpx
from faults import with_fault

QUESTION = {"model": "openai/gpt-oss-120b", "messages": [{"role": "user", "content": "?"}]}
# What the SDK raises for each status: https://github.com/groq/groq-python#handling-errors
REFUSALS = {
    "400": groq.BadRequestError,
    "401": groq.AuthenticationError,
    "404": groq.NotFoundError,
    "413": groq.APIStatusError,
    "429": groq.RateLimitError,
    "498": groq.APIStatusError,
    "500": groq.InternalServerError,
}
# What Groq would never send: where in the answer, and what is there instead; None takes it away.
FAULTS = [
    (("id",), None),
    (("object",), "chat.completion.chunk"),
    (("created",), "yesterday"),
    (("model",), None),
    (("choices", 0, "finish_reason"), "because"),
    (("choices", 0, "index"), None),
    (("choices", 0, "message", "role"), "system"),
    (("choices", 0, "message", "content"), 7),
    (("usage", "total_tokens"), None),
    (("usage", "prompt_tokens"), "ten"),
    (("x_groq", "id"), None),
]


def client(url, **more):
    base = url.removesuffix("/openai/v1")
    return groq.Groq(api_key="gsk_oracle", base_url=base, max_retries=0, _strict_response_validation=True, **more)


def refused(ask, error):
    """Whether asking raises exactly this error."""
    try:
        ask()
    except groq.GroqError as raised:
        return type(raised) is error
    return False


def main(urls):
    problems = []
    for name, url in urls["answers"].items():
        raw = client(url).chat.completions.with_raw_response.create(**QUESTION)
        try:
            answer = raw.parse()
        except groq.APIResponseValidationError as error:
            problems.append(f"the SDK refuses what the {name} answers: {error.__cause__ or error}\n{raw.text()}")
            continue
        verdict = json.loads(answer.choices[0].message.content)
        if not isinstance(verdict, dict):
            problems.append(f"what the {name} answers holds no verdict: {raw.text()}")
        sent = json.loads(raw.text())
        for path, value in FAULTS:
            wrong = with_fault(sent, path, value)
            transport = httpx.MockTransport(lambda _, wrong=wrong: httpx.Response(200, json=wrong))
            ask = client(url, http_client=httpx.Client(transport=transport)).chat.completions.create
            if not refused(lambda: ask(**QUESTION), groq.APIResponseValidationError):
                problems.append(f"no oracle: the SDK takes the {name}'s answer with {path} = {value}")
    for name, url in urls["models"].items():
        raw = client(url).models.with_raw_response.list()
        try:
            raw.parse()
        except groq.APIResponseValidationError as error:
            problems.append(f"the SDK refuses the models that the {name} lists: {error.__cause__ or error}\n{raw.text()}")
    for status, url in urls["refusals"].items():
        if not refused(lambda: client(url).chat.completions.create(**QUESTION), REFUSALS[status]):
            problems.append(f"the refusal with {status} is not {REFUSALS[status].__name__} to the SDK")
    ask = client(urls["garbage"]).chat.completions.create
    if not refused(lambda: ask(**QUESTION), groq.APIResponseValidationError):
        problems.append("the SDK takes the answer that is meant to be garbage")
    if problems:
        sys.exit("\n".join(problems))
    answers, lists = len(urls["answers"]), len(urls["models"])
    print(
        f"groq {groq.__version__} takes {answers} answers, {lists} lists of models and {len(urls['refusals'])} refusals, "
        f"and none of {answers * len(FAULTS)} faulty answers"
    )


main(json.loads(sys.argv[1]))
