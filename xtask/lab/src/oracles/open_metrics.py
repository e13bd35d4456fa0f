"""Reads an OpenMetrics exposition with the parser of Prometheus' own client library, which is strict.

Usage: open_metrics.py FILE
"""

import sys
from importlib.metadata import version

from prometheus_client.openmetrics.parser import text_string_to_metric_families

# Each must be refused, or this check is none.
FAULTS = [
    "# TYPE a counter\na_total 1\n",
    "# TYPE a counter\na 1\n# EOF\n",
    "# TYPE a counter\na_total 1\n# TYPE a counter\n# EOF\n",
    "# TYPE a gauge\na one\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
]


def families(text):
    return list(text_string_to_metric_families(text))


def main(path):
    problems = []
    for fault in FAULTS:
        try:
            families(fault)
            problems.append(f"no oracle: the parser takes {fault!r}")
        except ValueError:
            pass
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        found = families(text)
    except ValueError as error:
        sys.exit(f"{error}\n{text}")
    unhelpful = [family.name for family in found if not family.documentation]
    if unhelpful:
        problems.append(f"without help: {', '.join(unhelpful)}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"prometheus_client {version('prometheus_client')} reads {len(found)} families, and none of {len(FAULTS)} with a fault")


main(sys.argv[1])
