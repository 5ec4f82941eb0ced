# SPDX-License-Identifier: Apache-2.0
"""`python -m coldchain` is `coldchain`."""

from coldchain.cli import main

main()
