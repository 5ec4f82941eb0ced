# SPDX-License-Identifier: Apache-2.0
"""A log batch gives back what was put in, whatever the bytes of its fields."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.readings import JOURNALLED
from coldchain.records.rows import pack_rows, unpack_rows


@given(st.integers(0, 60), st.randoms())
def test_rows_of_any_bytes_come_back(n, random) -> None:
    rows = np.frombuffer(random.randbytes(n * JOURNALLED.itemsize), JOURNALLED)
    assert np.array_equal(unpack_rows(pack_rows(rows)), rows)


def test_a_blob_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="log batch of format 9; this version reads 1"):
        unpack_rows(b"\x09" + pack_rows(np.zeros(2, JOURNALLED))[1:])
