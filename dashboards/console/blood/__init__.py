# SPDX-License-Identifier: Apache-2.0
"""Blood itself at the console: bags, trips, readings by hand, and how good the alarms are."""
