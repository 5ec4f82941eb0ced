# SPDX-License-Identifier: Apache-2.0
"""The whole chain in one thread on a virtual clock, on disks that can lose what was not synced.

Nodes and people are simulated; spool, link state, codecs, admission, journal, sealing, engine, book and
outbox are the real ones. A seed and a commit give the same run. `python -m sim` runs many seeds.
"""
