# SPDX-License-Identifier: Apache-2.0
"""Reports on paper: a document of blocks, four languages, set by Typst as PDF/A."""
