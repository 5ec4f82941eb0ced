# SPDX-License-Identifier: Apache-2.0
"""Pages of those who look after the installation: duty, people, registry, audit, exports, schedules."""
