# SPDX-License-Identifier: Apache-2.0
"""Physics of appliances: one World steps a whole fleet on a fixed grid of 5 s, and probes look at it.

`world` is the place to start; `designs` holds the constants, `measured` what real records showed.
"""
