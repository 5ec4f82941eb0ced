# SPDX-License-Identifier: Apache-2.0
"""A site without a hub: what the guard at the site says and does, and what the hub makes of it."""
