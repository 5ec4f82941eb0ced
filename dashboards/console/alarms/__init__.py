# SPDX-License-Identifier: Apache-2.0
"""One alarm at the console: what is known of it, what may be asked of it, its addresses."""
