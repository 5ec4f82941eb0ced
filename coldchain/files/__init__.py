# SPDX-License-Identifier: Apache-2.0
"""Files that people have: recordings as CSV in, readings as CSV out."""

from coldchain.files.columns import FileColumns, read_columns, read_readings
from coldchain.files.csv_out import write_csv
from coldchain.files.formats import FileReading

__all__ = ["FileColumns", "FileReading", "read_columns", "read_readings", "write_csv"]
