# SPDX-License-Identifier: Apache-2.0
"""Who may do what: accounts, roles, sessions, and the pages to sign in and to look after accounts."""
