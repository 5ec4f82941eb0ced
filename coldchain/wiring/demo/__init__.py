# SPDX-License-Identifier: Apache-2.0
"""The demo: the whole chain on simulated or recorded sensors, on one machine. Nothing leaves it."""
