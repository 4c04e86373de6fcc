"""Print the JSON schema of a job file, for editors that complete and check YAML.

nas schema > job.schema.json       then, as the first line of a job:
                                   # yaml-language-server: $schema=job.schema.json
nas schema --markdown              every key with its default, as a page to read
"""

from __future__ import annotations

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="print the text of docs/job.md")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from plugnas.nas.job.schema import page, schema

    print(page() if args.markdown else json.dumps(schema(), indent=2))
    return 0
