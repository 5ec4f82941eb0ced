# SPDX-License-Identifier: Apache-2.0
"""What is true of a site and not of one sensor: its supply, what its silence may hide, where blood could go.

`supply`, `warming`, `blind`, `refuge` and `causes` are pure; `watch` compares them with the book, `keeping`
writes. They use what the engine's step must not (mains, rooms, other appliances), for what is shown and told.
"""
