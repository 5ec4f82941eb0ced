# SPDX-License-Identifier: Apache-2.0
"""InfluxDB as a projection of the record: streamed as it grows, rebuilt by `resync`, never needed for an
alarm.
"""
