# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests and benchmarks: own folder, free ports of 127.0.0.1, ended by pid."""
