# SPDX-License-Identifier: Apache-2.0
"""Judging readings: the step, what it carries from block to block, and recordings judged by it."""
