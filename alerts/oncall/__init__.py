# SPDX-License-Identifier: Apache-2.0
"""Who is on duty, and who is told next. Pure."""
