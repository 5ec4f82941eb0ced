# SPDX-License-Identifier: Apache-2.0
"""The built-in web console: what is wrong now, how bad, since when; and the record behind it."""
