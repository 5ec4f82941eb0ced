# SPDX-License-Identifier: Apache-2.0
"""What people answer by telephone: read, checked, applied, and answered in turn."""
