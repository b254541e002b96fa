"""``python -m alfosc_reduce`` is ``alfosc-reduce``."""

from alfosc_reduce.cli import main

main()
