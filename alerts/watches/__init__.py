# SPDX-License-Identifier: Apache-2.0
"""What is watched besides temperatures: silence, losses, duties, the processes beside, the chain itself."""
