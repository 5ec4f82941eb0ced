# SPDX-License-Identifier: Apache-2.0
"""The month before a demo: simulated, judged by the engine itself as it passed, and marked as demo data."""
