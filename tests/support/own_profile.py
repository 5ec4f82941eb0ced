# SPDX-License-Identifier: Apache-2.0
"""A profile of a site's own, as its file is written."""

OWN = """
component = "red cells"
signed_by = "Dr A"
signed_on = 2026-01-01
reason = "ours"
[sources]
ours = "the director's word"
[[profile]]
name = "red-cells@own"
version = 1
use = "storage"
low_c = [2.0, "ours"]
high_c = [6.0, "ours"]
critical_low_c = [2.0, "ours"]
critical_high_c = [6.0, "ours"]
critical_delay_s = [600, "ours"]
deadband_k = [0.3, "ours"]
expected_every_s = [60, "ours"]
"""
