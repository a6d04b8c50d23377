"""Write the pages and pictures of the catalogue, docs/catalogue, from the models as they are.

python benchmarks/catalogue_pages.py [--out docs/catalogue] [--no-pictures]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from singular.analysis.catalogue_folder import left_over, write_pages


def main() -> None:
    """Write the files; name those that belong to no model any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/catalogue"))
    parser.add_argument("--no-pictures", action="store_true", help="pages alone, which takes a second")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    written = write_pages(arguments.out, pictures=not arguments.no_pictures)
    print(f"{len(written)} files in {arguments.out}")
    for name in left_over(arguments.out):
        print(f"{arguments.out / name} belongs to no model: remove it")


if __name__ == "__main__":
    main()
