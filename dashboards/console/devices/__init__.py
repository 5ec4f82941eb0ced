# SPDX-License-Identifier: Apache-2.0
"""Devices by serial number: history across sites, work orders, maintenance, documents, links, labels."""
