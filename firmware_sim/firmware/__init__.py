# SPDX-License-Identifier: Apache-2.0
"""Firmware of simulated nodes, written from docs/wire-format.md: it shares no module with the gateway."""
