# SPDX-License-Identifier: Apache-2.0
"""What an alarm is: its entries, its life, what is put aside, and when an appliance may return."""
