# SPDX-License-Identifier: Apache-2.0
"""Telling people: chains of steps, what is said, and how it leaves."""
