# SPDX-License-Identifier: Apache-2.0
"""Writing excursions and alarms down, inside one transaction; what a late reading changes in them."""
