# SPDX-License-Identifier: Apache-2.0
"""The chaos soak: the whole chain as processes, a seeded schedule of faults, a checker at the far ends."""
