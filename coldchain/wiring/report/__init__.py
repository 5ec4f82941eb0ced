# SPDX-License-Identifier: Apache-2.0
"""Reports: facts from the records, the exposure arithmetic of the rules, set on paper by the dashboards."""
