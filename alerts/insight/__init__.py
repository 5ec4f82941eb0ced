# SPDX-License-Identifier: Apache-2.0
"""What readings mean beyond limits: forecasts, cycles, defrosts, causes. Pure, O(1) state per series.

Each module has a `STATE` record, `blank(n)`, and `advance(table, readings, ...)`, which takes sorted readings
newer than all before, writes what it carries into `table` (one record per series number) and returns columns.
"""
